"""Networks of two-dimensional operators, as the C code runs them.

- `operators`: what one of them computes; `reading`: from a TensorFlow Lite file
- `running`: in numpy; `arena`: where its tensors lie in RAM; `tables`: its C header
- `moving`: what a window that moves on has in common with the one before
"""
