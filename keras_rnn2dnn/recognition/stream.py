"""An utterance that comes in pieces: words as soon as they are certain."""

import time

import numpy as np

from keras_rnn2dnn.deploy.device.events import RecognizedWord, Utterance, words_of
from keras_rnn2dnn.recognition.streaming import int16_samples
from keras_rnn2dnn.recognition.transcript import Transcript

_PIECE = 1 << 16  # samples at a time, to bound memory


class Stream:
    """An utterance that comes in pieces of any size; see `Recognizer.stream`.

    However it is cut, the words are the same, and come as soon as they are certain.

    Args:
        recognizer: the `Recognizer` that recognises it.
    """

    def __init__(self, recognizer):
        self._recognizer = recognizer
        self._stages = recognizer.stages()
        self._events: list[RecognizedWord | Utterance] = []
        self._delays_ms: list[int] = []
        self._samples, self._busy_s, self._ended = 0, 0.0, False

    def push(self, pcm: np.ndarray) -> list[RecognizedWord]:
        """Takes the next samples.

        Args:
            pcm: at the recognizer's rate: int16, or floats in [-1, 1], `(samples,)`.

        Returns:
            The words that became certain, with their times since the stream began.

        Raises:
            ValueError: if it is no such array, or the stream has ended.
        """
        return words_of(self.push_events(pcm))

    def push_events(self, pcm: np.ndarray) -> list[RecognizedWord | Utterance]:
        """Takes the next samples; see `push`.

        Returns:
            The words that became certain, and the utterances that are over, in the
            order in which the device reports them.
        """
        begin, before = self._begin()
        pcm = int16_samples(pcm)
        for start in range(0, len(pcm), _PIECE):
            piece = pcm[start : start + _PIECE]
            self._samples += len(piece)
            self._add(self._stages.push(piece))
        self._busy_s += time.perf_counter() - begin
        return self._events[before:]

    def finish(self) -> list[RecognizedWord]:
        """Ends the utterance, and returns the words that are left.

        Raises:
            ValueError: if the stream has ended.
        """
        return words_of(self.finish_events())

    def finish_events(self) -> list[RecognizedWord | Utterance]:
        """Ends the utterance; see `finish`. The last event is its end, if any."""
        begin, before = self._begin()
        self._add(self._stages.finish())
        self._busy_s += time.perf_counter() - begin
        self._ended = True
        return self._events[before:]

    @property
    def transcript(self) -> Transcript:
        """All that was recognised so far."""
        recognizer, words = self._recognizer, words_of(self._events)
        text = recognizer.separator.join(word.text for word in words)
        return Transcript(
            tuple(words),
            " ".join(text.split()),
            tuple(self._delays_ms),
            self._samples / recognizer.sample_rate_hz,
            self._busy_s,
            tuple(e for e in self._events if isinstance(e, Utterance)),
        )

    def _begin(self):
        if self._ended:
            raise ValueError("The stream has ended. Call `recognizer.stream()` anew")
        return time.perf_counter(), len(self._events)

    def _add(self, found):
        """Keeps what became certain, and after how much delay."""
        rate = self._recognizer.sample_rate_hz
        for event, heard in found:
            self._events.append(event)
            if isinstance(event, RecognizedWord):
                self._delays_ms.append(heard * 1000 // rate - event.end_ms)
