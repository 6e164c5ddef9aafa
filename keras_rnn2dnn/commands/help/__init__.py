"""What helps at the command line: a wrong line in, what was meant out.

- `numbers`: those that options take
- `near_misses`: the nearest option, command or file to one that is none
- `completion`: scripts for the tab key
- `version`: of the package, and of what it computes with
"""
