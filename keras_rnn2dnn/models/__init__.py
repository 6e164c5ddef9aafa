"""Keras layers and models: features in, logits `(batch, frames, classes)` out.

- `reference`: `dnn_student`, `tdnn_student` and `rnn_teacher`
- `layers`: `SpliceFrames` and `StackFrames`; `spliced_dense`: both in one, faster
- `masked_statistics`: batch normalization over the frames that count
"""

from keras_rnn2dnn.models.layers import SpliceFrames
from keras_rnn2dnn.models.reference import dnn_student, rnn_teacher, tdnn_student

__all__ = ["SpliceFrames", "dnn_student", "rnn_teacher", "tdnn_student"]
