"""What a recognizer reports: words, and utterances that are over.

See `report` and `end_utterance` in `firmware/c/recognizer.c`, which do the same.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.hmm.reporting import Reporting
from keras_rnn2dnn.quantization.receptive_field import ReceptiveField
from keras_rnn2dnn.scoring.thresholds import CONFIDENCE_STEPS

OVER = -1  # in the place of a word: an utterance is over
NO_THRESHOLD = -(1 << 31)
MOST_FRAMES = (1 << 16) - 1  # of a word
_EARLIER_HISTORY = 200


class Found(NamedTuple):
    """What a decoder found.

    Args:
        word: its number; that after the last word is other speech, `OVER` the end of
            an utterance.
        start: output frame.
        end: output frame, not included.
        confidence: in thousandths of a nat.
    """

    word: int
    start: int
    end: int
    confidence: int


@dataclasses.dataclass(frozen=True)
class RecognizedWord:
    """A word with its time, as `recognizer.h` reports it.

    Args:
        text: the label.
        index: its number.
        start_ms: since the start of the stream.
        end_ms: likewise.
        confidence: how much better the best path through the word explains its frames
            than silence and other speech do: the log of the ratio of the two, in nats,
            for each frame of the student's output.
    """

    text: str
    index: int
    start_ms: int
    end_ms: int
    confidence: float = 0.0


@dataclasses.dataclass(frozen=True)
class Utterance:
    """An utterance that is over.

    Args:
        start_ms: start of what was said first, words or other speech, since the start
            of the stream.
        end_ms: end of what was said last.
        words: how many words of it were reported.
    """

    start_ms: int
    end_ms: int
    words: int


@dataclasses.dataclass(frozen=True)
class Limits:
    """Times of a `Reporting`, in output frames of a device.

    Args:
        history: after which a word is decided on at the latest.
        silence: which end an utterance; 0: none does.
        longest: after which an utterance ends; 0: it never does.
        suppress: after a reported word, in which no other one may end.
    """

    history: int = _EARLIER_HISTORY
    silence: int = 0
    longest: int = 0
    suppress: int = 0

    @classmethod
    def of(
        cls, reporting: Reporting, spec: FeatureSpec, field: ReceptiveField
    ) -> "Limits":
        """Counts the frames of a bundle's network and features."""
        frame = field.stride * spec.frame_step * 1000  # over the rate: milliseconds

        def frames(milliseconds):
            return math.ceil(milliseconds * spec.sample_rate_hz / frame)

        history = _EARLIER_HISTORY
        if reporting.decide_ms is not None:
            latency = spec.frame_length + field.right * spec.frame_step
            spare = reporting.decide_ms * spec.sample_rate_hz - latency * 1000
            history = min(max(1, int(spare // frame)), MOST_FRAMES)
        return cls(
            history,
            frames(reporting.silence_ms),
            frames(reporting.longest_ms),
            frames(reporting.suppress_ms),
        )


class Clock:
    """Tells when an utterance is over, as `decoder_clock_step` of the C code does.

    Args:
        limits: of which silence and longest utterance count.
    """

    def __init__(self, limits: Limits):
        self._limits, self._silent, self._spoken = limits, 0, 0

    def step(self, silent: bool, frame: int) -> list[Found]:
        """Takes whether an output frame is silent; returns the end, if it is one.

        Args:
            silent: whether nothing is heard in it.
            frame: output frames so far.
        """
        limits = self._limits
        self._silent = self._silent + 1 if silent else 0
        self._spoken = self._spoken + 1 if self._spoken or not silent else 0
        over = silent and self._silent == limits.silence
        over = over or bool(limits.longest and self._spoken >= limits.longest)
        if over or (limits.silence and self._silent >= limits.silence):
            self._spoken = 0
        return [Found(OVER, frame, frame, 0)] if over else []


def confidence(gain: int, frames: int) -> int:
    """Returns thousandths of a nat for each frame, cut towards 0 as in C.

    Args:
        gain: of a word on the background, in 2^-7 nats.
        frames: of the word, output frames.

    Example:
        >>> confidence(-1280, frames=4)
        -2500
    """
    value = min(abs(gain) * CONFIDENCE_STEPS // (128 * frames), (1 << 31) - 1)
    return -value if gain < 0 else value


class Reporter:
    """Chooses what of a decoder's findings is reported.

    Args:
        labels: of the decoder.
        keywords: the words that are reported; None for all of them.
        threshold: least confidence, in thousandths of a nat.
        suppress: output frames after a reported word in which no other one may end.
        milliseconds: of an output frame's start.

    Attributes:
        keywords: may be changed at any time, as `threshold` and `suppress` may be.
    """

    def __init__(
        self,
        labels: Sequence[str],
        keywords: Sequence[str] | None,
        threshold: int,
        suppress: int,
        milliseconds: Callable[[int], int],
    ):
        self._labels, self._ms = labels, milliseconds
        self.keywords, self.threshold, self.suppress = keywords, threshold, suppress
        self._hit: int | None = None  # end of the last word that was reported
        self._speech: list[int] | None = None  # start, end, words of the utterance

    @classmethod
    def of(
        cls,
        reporting: Reporting,
        labels: Sequence[str],
        limits: Limits,
        milliseconds: Callable[[int], int],
    ) -> "Reporter":
        """Returns the one of a bundle; see the constructor for the arguments."""
        steps = threshold_steps(reporting.threshold)
        return cls(labels, reporting.keywords, steps, limits.suppress, milliseconds)

    def take(self, found: Iterable[Found]) -> list[RecognizedWord | Utterance]:
        """Returns what is reported of this."""
        taken = (self._over() if f.word == OVER else self._word(f) for f in found)
        return [event for event in taken if event is not None]

    def _word(self, found):
        if self._speech is None:
            self._speech = [found.start, found.end, 0]
        self._speech[1] = found.end
        if found.word >= len(self._labels):  # other speech
            return None
        text = self._labels[found.word]
        if self.keywords is not None and text not in self.keywords:
            return None
        near = self._hit is not None and found.end - self._hit < self.suppress
        if near or found.confidence < self.threshold:
            return None
        self._hit = found.end
        self._speech[2] += 1
        times = self._ms(found.start), self._ms(found.end)
        value = found.confidence / CONFIDENCE_STEPS
        return RecognizedWord(text, found.word, *times, value)

    def _over(self):
        if self._speech is None:
            return None
        start, end, words = self._speech
        self._speech = None
        return Utterance(self._ms(start), self._ms(end), words)


def words_of(events: Iterable[RecognizedWord | Utterance]) -> list[RecognizedWord]:
    """Returns the words among events."""
    return [event for event in events if isinstance(event, RecognizedWord)]


def threshold_steps(threshold: float | None) -> int:
    """Returns a threshold in thousandths of a nat, as the device compares it."""
    if threshold is None:
        return NO_THRESHOLD
    steps = max(NO_THRESHOLD, min(threshold * CONFIDENCE_STEPS, (1 << 31) - 1))
    return round(steps)
