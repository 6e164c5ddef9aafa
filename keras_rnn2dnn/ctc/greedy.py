"""The best path of CTC as labels with their times."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.hmm.reporting import Reporting
from keras_rnn2dnn.util.checksums import fields_of
from keras_rnn2dnn.util.errors import invalid, is_integer, is_text


@dataclasses.dataclass(frozen=True)
class GreedyDecoder:
    """The labels on the best path of CTC: the best of each frame, repeats merged.

    Args:
        labels: of all classes; that of the blank is never reported.
        blank: index of the blank.
        reporting: which labels a device and `Recognizer` report, and when.

    Raises:
        ValueError: if there are no labels, or `blank` is not one of the classes.

    Example:
        >>> decoder = GreedyDecoder(("", "yes", "no"), blank=0)
        >>> decoder([np.eye(3)[[0, 1, 1, 0, 2]]])
        [['yes', 'no']]
    """

    labels: Sequence[str]
    blank: int = 0
    reporting: Reporting = dataclasses.field(default_factory=Reporting)

    def __post_init__(self):
        labels = checked_labels(self.labels, self.blank)
        self.reporting.check_keywords(labels)
        object.__setattr__(self, "labels", labels)

    def __call__(self, logits: Sequence[np.ndarray]) -> list[list[str]]:
        """Returns the labels of each utterance, from logits `(frames, classes)`."""
        found = [best_path(np.asarray(z), self.blank) for z in logits]
        return [[self.labels[label] for label, _, _ in words] for words in found]

    def words(self, logits: Sequence[np.ndarray]) -> list[list[str]]:
        """Returns the labels; where one of them is a space, the words between spaces.

        Example:
            >>> decoder = GreedyDecoder(("", " ", "o", "k"))
            >>> decoder.words([np.eye(4)[[2, 3, 1, 2, 3]]])
            [['ok', 'ok']]
        """
        found = self(logits)
        if " " not in self.labels:
            return found
        return ["".join(characters).split() for characters in found]

    def to_dict(self) -> dict:
        """Returns the arguments of the constructor, ready for JSON."""
        return {
            "labels": list(self.labels),
            "blank": int(self.blank),
            "reporting": self.reporting.to_dict(),
        }

    @classmethod
    def from_dict(cls, config: dict) -> "GreedyDecoder":
        """Rebuilds a decoder from `to_dict()`; checks the sum in it, if any."""
        fields = fields_of(cls, config)
        if "reporting" in fields:
            fields["reporting"] = Reporting.from_dict(fields["reporting"])
        return cls(**fields)


def best_path(logits: np.ndarray, blank: int) -> list[tuple[int, int, int]]:
    """Returns the labels on the best path with their frames.

    Args:
        logits: `(frames, classes)`.
        blank: index of the blank.

    Returns:
        `(label, start, end)` of each run of a label, `end` not included.
    """
    if not len(logits):
        return []
    best = logits.argmax(axis=1)
    changes = np.flatnonzero(np.diff(best, prepend=-1))
    ends = np.append(changes[1:], len(best))
    runs = zip(best[changes], changes, ends, strict=True)
    return [(int(a), int(b), int(c)) for a, b, c in runs if a != blank]


def checked_labels(labels: Sequence[str], blank: int) -> tuple[str, ...]:
    """Returns the labels of all classes; raises ValueError where one is no string."""
    found = tuple(labels)
    if not found or not all(isinstance(label, str) for label in found):
        raise ValueError(invalid("labels", "a string for each class", labels))
    if not all(map(is_text, found)):
        raise ValueError(invalid("labels", "text without lone surrogates", labels))
    if not is_integer(blank) or not 0 <= blank < len(found):
        expected = f"the index of one of the {len(found)} classes"
        raise ValueError(invalid("blank", expected, blank))
    return found
