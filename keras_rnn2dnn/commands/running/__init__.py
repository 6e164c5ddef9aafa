"""The commands of `rnn2dnn`: a file each.

- `inputs`, `sources`: what they read
"""
