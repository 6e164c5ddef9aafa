"""Recognition on the host: PCM in, words with their times out.

- `recognizer`: a bundle, whole or in a stream; `stream`: the latter
- `library`: its C code as a library of this machine, `compiled`: a stream in it
- `streaming`: the stages in numpy; `transcript`: what was found, how fast and how late
- `hearing`: what the device reports of a stream, and when
"""

from keras_rnn2dnn.recognition.recognizer import Recognizer
from keras_rnn2dnn.recognition.transcript import Latency, Transcript

__all__ = ["Latency", "Recognizer", "Transcript"]
