"""Keras layers and models: features in, logits of frames or of whole clips out.

- `reference`: `dnn_student`, `tdnn_student` and `rnn_teacher`
- `keywords`: `ds_cnn_student` and `crnn_teacher`, of whole clips
- `layers`: `SpliceFrames` and `StackFrames`; `spliced_dense`: both in one, faster
- `masked_statistics`: batch normalization over the frames that count
"""

from keras_rnn2dnn.models.keywords import crnn_teacher, ds_cnn_student
from keras_rnn2dnn.models.layers import SpliceFrames
from keras_rnn2dnn.models.reference import dnn_student, rnn_teacher, tdnn_student

__all__ = [
    "SpliceFrames",
    "crnn_teacher",
    "dnn_student",
    "ds_cnn_student",
    "rnn_teacher",
    "tdnn_student",
]
