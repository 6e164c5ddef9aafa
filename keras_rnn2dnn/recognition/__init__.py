"""Recognition on the host: PCM in, words with their times out.

- `recognizer`: a bundle in TensorFlow Lite, whole or in a stream
- `streaming`: its stages; `transcript`: what it found, how fast and how late
- `hearing`: what the device reports of a stream, and when
"""

from keras_rnn2dnn.recognition.recognizer import Recognizer
from keras_rnn2dnn.recognition.transcript import Latency, Transcript

__all__ = ["Latency", "Recognizer", "Transcript"]
