"""Streams as a device hears them that is left switched on.

- `making`, `options`: word strings and other speech with pauses, levels, backgrounds
- `day`: hours with words at known times, to find out what is heard of them
- `backgrounds`: noise that changes, hum, clicks, knocks, notes and sweeps
- `speech_spans`: where in a recording somebody speaks
"""

from keras_rnn2dnn.audio.streams.making import Stream, make_streams
from keras_rnn2dnn.audio.streams.options import StreamOptions
from keras_rnn2dnn.audio.streams.speech_spans import speech_spans

__all__ = ["Stream", "StreamOptions", "make_streams", "speech_spans"]
