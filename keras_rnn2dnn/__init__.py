"""Distil recurrent acoustic models into feed-forward students, in Keras."""

from keras_rnn2dnn.callbacks import KLCallback
from keras_rnn2dnn.distiller import Distiller
from keras_rnn2dnn.layers import SpliceFrames
from keras_rnn2dnn.losses import SoftAlignmentKL
from keras_rnn2dnn.models import dnn_student, rnn_teacher

__version__ = "0.1.0"

__all__ = [
    "Distiller",
    "KLCallback",
    "SoftAlignmentKL",
    "SpliceFrames",
    "dnn_student",
    "rnn_teacher",
]
