"""Ten keywords, other words and silence: what a recurrent teacher gives a DS-CNN.

- `task`: whose recordings, and what each is for
- `clips`: what is heard of them: shifts, levels, backgrounds; features
- `rows`: teachers, students and controls; `work`: trains and measures them
- `devices`: int8, the device's arithmetic, bytes, RAM, instructions
- `table`: errors, their bootstrap, the choice, Markdown
- `__main__`: all of it in order, and the tables

    python -m benchmarks.keywords --data COMMANDS --out OUT
"""
