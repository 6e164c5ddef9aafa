"""From a trained student to an int8 TensorFlow Lite file that runs on a device."""

from keras_rnn2dnn.deploy.convert import convert
from keras_rnn2dnn.deploy.loading import Bundle, load_bundle
from keras_rnn2dnn.deploy.report import ConversionReport
from keras_rnn2dnn.deploy.verify import Verification, verify
from keras_rnn2dnn.quantization.interpreter import Int8Student, load_interpreter
from keras_rnn2dnn.quantization.quantization_aware import quantization_aware
from keras_rnn2dnn.quantization.window import ReceptiveField, window_model

__all__ = [
    "Bundle",
    "ConversionReport",
    "Int8Student",
    "ReceptiveField",
    "Verification",
    "convert",
    "load_bundle",
    "load_interpreter",
    "quantization_aware",
    "verify",
    "window_model",
]
