"""A student's layers, folded: a Keras model in, one of fewer, plain layers out.

- `tracing`: subclassed models, and layers of layers, as graphs of Keras's layers
- `graph`: the calls of its layers as a list; `plain_layers`: operators as layers
- `affine`, `affine_folding`: scales and shifts go into the weights around them
- `separable`: separable convolutions as two
- `splice_folding`: spliced frames and their Dense layer in one
- `rebuild`: the student anew
"""
