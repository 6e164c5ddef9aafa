"""Keywords in a stream, from the posteriors of a window that moves over it."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.ctc.greedy import checked_labels
from keras_rnn2dnn.hmm.reporting import Reporting
from keras_rnn2dnn.util.checksums import fields_of
from keras_rnn2dnn.util.errors import invalid
from keras_rnn2dnn.util.log_softmax import log_softmax

_MOST_SMOOTHED = 255  # windows: the device sums 24 bits of each in 32
_SUPPRESS_MS = 1000.0


def _reporting():
    return Reporting(suppress_ms=_SUPPRESS_MS)


@dataclasses.dataclass(frozen=True)
class KeywordSpotter:
    """Finds keywords with a student of whole clips, `(batch, classes)`, in a stream.

    A window of the clip's length moves over the features; every `step_ms` the student
    hears it. The posteriors of the last windows are averaged (Chen, Parada and
    Heigold, "Small-footprint keyword spotting using deep neural networks", ICASSP
    2014). Where a keyword is the best class, and its confidence not below the
    threshold of `reporting`, it is reported, and nothing after it for `suppress_ms`.

    The confidence is `log(p / (1 - p))` of the averaged posterior `p`, in nats: a
    posterior of 0.9 has 2.2, of 0.99 4.6, of 0.999 6.9.

    Args:
        labels: of all classes.
        none: those of them that are no keywords, such as silence and other words; they
            are never reported. May be empty.
        step_ms: from window to window; a device rounds it to whole frames.
        smoothing_ms: over how long posteriors are averaged; rounded to whole steps.
        reporting: threshold, keywords and suppression, and when an utterance is over:
            silence is where no keyword is the best class. `decide_ms` and `margin` say
            nothing here. By default suppression takes a second.

    Raises:
        ValueError: if a label is no text or there twice, one of `none` is no label, no
            class is a keyword, a time is not above 0, or more than 255 windows are to
            be averaged.

    Example:
        >>> spotter = KeywordSpotter(("yes", "no", "silence"), none=("silence",))
        >>> heard = 9 * np.eye(3)[[2, 2, 0, 0, 0, 2, 2, 2, 2, 2, 1, 1, 1, 1]]
        >>> spotter([heard])
        [['yes', 'no']]
    """

    labels: Sequence[str]
    none: Sequence[str] = ()
    step_ms: float = 100.0
    smoothing_ms: float = 300.0
    reporting: Reporting = dataclasses.field(default_factory=_reporting)

    def __post_init__(self):
        labels = checked_labels(self.labels, 0)
        if twice := {label for label in labels if labels.count(label) > 1}:
            expected = "different labels"
            raise ValueError(invalid("labels", expected, f"{min(twice)!r} twice"))
        if isinstance(self.none, str):
            hint = f"For one: ({self.none!r},)"
            raise ValueError(invalid("none", "several labels", self.none, hint))
        none = tuple(self.none)
        if unknown := [label for label in none if label not in labels]:
            raise ValueError(invalid("none", "labels of the classes", unknown[0]))
        if len(set(none)) == len(labels):
            expected = "labels of which some are keywords"
            raise ValueError(invalid("none", expected, none))
        for name in ("step_ms", "smoothing_ms"):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not (math.isfinite(value) and value > 0):
                raise ValueError(invalid(name, "a finite number > 0", value))
            object.__setattr__(self, name, float(value))
        if self.smoothed > _MOST_SMOOTHED:
            expected = f"a time of at most {_MOST_SMOOTHED} steps"
            raise ValueError(invalid("smoothing_ms", expected, self.smoothing_ms))
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "none", none)
        self.reporting.check_keywords(self.keywords)

    @property
    def smoothed(self) -> int:
        """The number of windows whose posteriors are averaged."""
        return max(1, round(self.smoothing_ms / self.step_ms))

    @property
    def keywords(self) -> tuple[str, ...]:
        """The labels that are keywords."""
        return tuple(label for label in self.labels if label not in self.none)

    def __call__(self, logits: Sequence[np.ndarray]) -> list[list[str]]:
        """Returns the keywords of each recording, from logits `(windows, classes)`.

        One clip, `(classes,)` or `(1, classes)`, is a recording of one window.
        """
        return [[self.labels[k] for k in self._found(z)] for z in logits]

    def _found(self, logits):
        means = smoothed_posteriors(np.atleast_2d(logits), self.smoothed)
        wait = math.ceil(self.reporting.suppress_ms / self.step_ms)
        found, hit = [], -wait
        for place, (best, value) in enumerate(zip(*best_classes(means), strict=True)):
            if self._is_wanted(self.labels[best], value) and place - hit >= wait:
                found.append(int(best))
                hit = place
        return found

    def _is_wanted(self, label, confidence):
        threshold, keywords = self.reporting.threshold, self.reporting.keywords
        wanted = label not in self.none and (keywords is None or label in keywords)
        return wanted and (threshold is None or confidence >= threshold)

    def to_dict(self) -> dict:
        """Returns the arguments of the constructor, ready for JSON."""
        return {
            "labels": list(self.labels),
            "none": list(self.none),
            "step_ms": self.step_ms,
            "smoothing_ms": self.smoothing_ms,
            "reporting": self.reporting.to_dict(),
        }

    @classmethod
    def from_dict(cls, config: dict) -> "KeywordSpotter":
        """Rebuilds a spotter from `to_dict()`; checks the sum in it, if any."""
        fields = fields_of(cls, config)
        if "reporting" in fields:
            fields["reporting"] = Reporting.from_dict(fields["reporting"])
        return cls(**fields)


def smoothed_posteriors(logits: np.ndarray, count: int) -> np.ndarray:
    """Averages the posteriors of the last `count` windows, as many as there are.

    Args:
        logits: `(windows, classes)`.
        count: windows.

    Returns:
        float64 `(windows, classes)`.

    Example:
        >>> smoothed_posteriors(50 * np.eye(2)[[0, 1, 1]], 2).round(3).tolist()
        [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    """
    sums = np.exp(log_softmax(logits.astype(np.float64))).cumsum(axis=0)
    before = np.concatenate([np.zeros_like(sums[:count]), sums[:-count]])[: len(sums)]
    counts = np.minimum(np.arange(len(sums)) + 1, count)
    return (sums - before) / counts[:, None]


def best_classes(posteriors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the best class of each row, and its confidence in nats."""
    best, top = posteriors.argmax(axis=-1), posteriors.max(axis=-1)
    return best, np.log(top) - np.log(np.maximum(1 - top, 2.0**-24))
