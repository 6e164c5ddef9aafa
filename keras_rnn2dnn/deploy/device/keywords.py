"""Keywords in the posteriors of a window that moves on, as the device finds them.

See `firmware/c/decoder_keywords.c`: the same integers.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.deploy.device.events import MOST_FRAMES, Clock, Found, Limits
from keras_rnn2dnn.keywords import KeywordSpotter
from keras_rnn2dnn.quantization.receptive_field import ReceptiveField

_BITS = 24  # of a posterior
_LOG_BITS = 16
_MILLINATS_PER_BIT = 693147  # of 10^-3: 1000 ln 2


@dataclasses.dataclass(frozen=True, eq=False)
class SpotterTables:
    """A keyword spotter in fixed point, for one int8 student.

    Args:
        labels: of all classes.
        none: whether each of them is no keyword.
        exponentials: of logits so many steps below the best one, in 2^-24; those that
            are 0 left out.
        smoothed: output frames whose posteriors are averaged.
        window: whole output frames of the student's window, but for the newest one.
    """

    labels: tuple[str, ...]
    none: tuple[bool, ...]
    exponentials: np.ndarray
    smoothed: int
    window: int

    @property
    def lag(self) -> int:
        """Output frames from the end of the oldest averaged window to the newest."""
        return min(self.smoothed - 1, self.window)


def spotter_tables(
    decoder: KeywordSpotter, scale: float, field: ReceptiveField
) -> SpotterTables:
    """Rounds a spotter to the integers of the device.

    Args:
        decoder: the spotter.
        scale: of the int8 logits.
        field: of the student in a stream.
    """
    values = [round(math.exp(-scale * below) * 2**_BITS) for below in range(256)]
    return SpotterTables(
        labels=tuple(decoder.labels),
        none=tuple(label in decoder.none for label in decoder.labels),
        exponentials=np.array([value for value in values if value], np.uint64),
        smoothed=decoder.smoothed,
        window=field.left // field.stride,
    )


def keywords_of(
    tables: SpotterTables, logits: np.ndarray, limits: Limits
) -> list[Found]:
    """Returns what `Keywords` finds in int8 logits `(frames, classes)`."""
    keywords = Keywords(tables, limits)
    return [found for row in logits for found in keywords.step(row)]


class Keywords:
    """The sums of the last posteriors; what is heard is told with every output frame.

    Args:
        tables: of `spotter_tables`.
        limits: of which silence and longest utterance count.

    Attributes:
        frame: output frames so far.
    """

    def __init__(self, tables: SpotterTables, limits: Limits = Limits()):  # noqa: B008
        self._tables, self._clock = tables, Clock(limits)
        self._sums = np.zeros(len(tables.labels), np.uint64)
        self._kept: list[np.ndarray] = []  # posteriors
        self.frame = 0

    def step(self, logits: np.ndarray) -> list[Found]:
        """Takes int8 `(classes,)`, returns the keyword that is heard, and `OVER`."""
        tables = self._tables
        if len(self._kept) == tables.smoothed:
            self._sums -= self._kept.pop(0)
        self._kept.append(posteriors(logits, tables.exponentials))
        self._sums += self._kept[-1]
        best, found = int(self._sums.argmax()), []
        if not tables.none[best]:
            age = min(self.frame, MOST_FRAMES)
            start, end = (
                self.frame - min(age, back) for back in (tables.window, tables.lag)
            )
            value = _confidence(int(self._sums[best]), len(self._kept) << _BITS)
            found = [Found(best, start, end, value)]
        self.frame += 1
        return found + self._clock.step(tables.none[best], self.frame)

    def finish(self) -> list[Found]:
        """Ends the utterance; nothing is left."""
        return []


def posteriors(logits: np.ndarray, exponentials: Sequence[int]) -> np.ndarray:
    """Returns the posteriors of int8 logits `(classes,)`, uint64 in 2^-24.

    Example:
        >>> table = spotter_tables(KeywordSpotter("ab"), 1.0, ReceptiveField(0, 0))
        >>> found = posteriors(np.array([1, 0], np.int8), table.exponentials)
        >>> (found / 2**24).round(5).tolist()
        [0.73106, 0.26894]
    """
    steps = logits.astype(np.int64)
    below = steps.max() - steps
    padded = np.append(exponentials, np.zeros(256 - len(exponentials), np.uint64))
    own = padded[below]
    inverse = np.uint64((1 << 2 * _BITS) // int(own.sum()))
    return own * inverse >> np.uint64(_BITS)


def _confidence(part, whole):
    bits = _logarithm(part) - _logarithm(max(whole - part, 1))
    value = abs(bits) * _MILLINATS_PER_BIT // (1000 << _LOG_BITS)
    return -value if bits < 0 else value


def _logarithm(x):
    """Returns the logarithm to base 2 of an integer of 32 bits above 0."""
    shift = 32 - x.bit_length()
    x, found = x << shift, 31 - shift
    for _ in range(_LOG_BITS):
        square = x * x
        bit = square >> 63
        x = square >> 31 + bit
        found = found << 1 | bit
    return found
