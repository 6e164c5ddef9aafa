"""The command line `rnn2dnn`, but for `cli`, which puts it together.

- `running`: a file a command; a function `add` with its options
- `parser`, `numbers`, `terminal`: what all of them share
"""
