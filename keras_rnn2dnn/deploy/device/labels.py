"""The best path of CTC as the device follows it, frame by frame.

See `firmware/c/decoder_labels.c`.
"""

import numpy as np

from keras_rnn2dnn.deploy.device.decoder import CtcTables
from keras_rnn2dnn.deploy.device.events import (
    MOST_FRAMES,
    Clock,
    Found,
    Limits,
    confidence,
)

_GAIN_SHIFT = 9  # from 2^-16 nats to 2^-7


def best_labels(tables: CtcTables, logits: np.ndarray, limits: Limits) -> list[Found]:
    """Returns what `Labels` finds in int8 logits `(frames, classes)`."""
    labels = Labels(tables, limits)
    found = [found for row in logits for found in labels.step(row)]
    return found + labels.finish()


class Labels:
    """The label of the last frame, and what it has gained on the blank.

    Args:
        tables: of `ctc_tables`.
        limits: of which silence and longest utterance count.

    Attributes:
        frame: output frames so far.

    Example:
        >>> labels = Labels(CtcTables(("", "yes"), 0, 1 << 16))
        >>> labels.step(np.array([-1, 2], np.int8))
        []
        >>> labels.finish()
        [Found(word=1, start=0, end=1, confidence=3000)]
    """

    def __init__(self, tables: CtcTables, limits: Limits = Limits()):  # noqa: B008
        self._tables, self._clock = tables, Clock(limits)
        self._label, self._start, self._gain, self.frame = tables.blank, 0, 0, 0

    def step(self, logits: np.ndarray) -> list[Found]:
        """Takes int8 `(classes,)`, returns the label that ended, if any, and `OVER`."""
        label, found = int(logits.argmax()), []
        if label != self._label:
            found = self.finish()
            self._label, self._start, self._gain = label, self.frame, 0
        if self.frame - self._start < MOST_FRAMES:
            self._gain += int(logits[label]) - int(logits[self._tables.blank])
        self.frame += 1
        return found + self._clock.step(label == self._tables.blank, self.frame)

    def finish(self) -> list[Found]:
        """Ends the utterance, returns the label that is left, if any."""
        if self._label == self._tables.blank:
            return []
        gain = self._gain * self._tables.slope >> _GAIN_SHIFT
        value = confidence(gain, self.frame - self._start)
        return [Found(self._label, self._start, self.frame, value)]
