"""What each command of `rnn2dnn` does: a file each, imported when it is run.

Parsed options come in, by the function `run`; files, lines and an exit code go out.

- `inputs`, `sources`: what they read
"""
