"""The command line `rnn2dnn`, but for `cli`, which puts it together.

A file a command has its options, by a function `add`. What the command does is in the
file of the same name in `running`: it alone imports TensorFlow, Keras and numpy.

- `parser`: what the options of all of them share
- `help`: mistyped words, numbers, `--version`, the tab key
- `terminal`: what it shows
"""
