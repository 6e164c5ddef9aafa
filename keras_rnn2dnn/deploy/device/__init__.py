"""The device in numpy: PCM int16 in, words out, with the integers of the C code.

- `features`, `network`, `paths` (a word loop) or `labels` (CTC): its three stages;
  `recognizer`: all of them; `decoder`: its tables; `events`: what is reported
- `normalizing`: from energies to features, by logarithm, cepstra or PCEN
- `rounding`: of the int8 network, as TensorFlow Lite Micro has it
- `layers`: of a converted student, read from its file; `ram`: what they take
"""

from keras_rnn2dnn.deploy.device.events import RecognizedWord, Utterance
from keras_rnn2dnn.deploy.device.layers import UnsupportedStudent
from keras_rnn2dnn.deploy.device.recognizer import (
    DeviceNetwork,
    DeviceRecognizer,
)

__all__ = [
    "DeviceNetwork",
    "DeviceRecognizer",
    "RecognizedWord",
    "UnsupportedStudent",
    "Utterance",
]
