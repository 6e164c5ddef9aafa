"""The commands of `rnn2dnn`: a file each; a function `add` with its options.

- `parser`, `numbers`, `terminal`: what all of them share
- `inputs`, `sources`: what they read
"""
