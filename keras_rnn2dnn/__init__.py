"""Distil recurrent acoustic models into feed-forward students, in Keras."""

import importlib
import os
import sys

# The command keeps TensorFlow's start-up lines off the terminal, which works only
# while it is imported. Programs that import the package decide themselves.
if os.path.basename(sys.argv[0]) == "rnn2dnn":
    from keras_rnn2dnn.util.bundle_sums import exit_where_changed
    from keras_rnn2dnn.util.captured_output import captured_output, interrupts_end

    interrupts_end()
    if sys.argv[1:2] == ["verify"]:
        exit_where_changed(sys.argv[2:])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with captured_output():
        importlib.import_module("tensorflow")

from keras_rnn2dnn.alignments import SoftAlignments
from keras_rnn2dnn.audio.features import LogMel
from keras_rnn2dnn.deploy import convert
from keras_rnn2dnn.distillation.distiller import Distiller
from keras_rnn2dnn.distillation.kl_callback import KLCallback
from keras_rnn2dnn.distillation.losses import SoftAlignmentKL
from keras_rnn2dnn.models.layers import SpliceFrames
from keras_rnn2dnn.models.reference import dnn_student, rnn_teacher
from keras_rnn2dnn.recognition.recognizer import Recognizer
from keras_rnn2dnn.scoring.word_errors import WordErrorRateCallback, word_error_rate

__version__ = "0.1.0"

__all__ = [
    "Distiller",
    "KLCallback",
    "LogMel",
    "Recognizer",
    "SoftAlignmentKL",
    "SoftAlignments",
    "SpliceFrames",
    "WordErrorRateCallback",
    "convert",
    "dnn_student",
    "rnn_teacher",
    "word_error_rate",
]
