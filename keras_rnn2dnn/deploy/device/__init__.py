"""The device in numpy: features, network and decoder as the C code computes them."""

from keras_rnn2dnn.deploy.device.layers import UnsupportedStudent
from keras_rnn2dnn.deploy.device.recognizer import (
    DeviceNetwork,
    DeviceRecognizer,
    RecognizedWord,
)

__all__ = [
    "DeviceNetwork",
    "DeviceRecognizer",
    "RecognizedWord",
    "UnsupportedStudent",
]
