"""What a recognizer reports of the words that it finds, and when."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from keras_rnn2dnn.util.checksums import fields_of
from keras_rnn2dnn.util.errors import invalid

_TIMES = ("decide_ms", "suppress_ms", "silence_ms", "longest_ms")


@dataclass(frozen=True)
class Reporting:
    """Which words a recognizer reports, and when it says that an utterance is over.

    Part of a decoder, and so of its file and of a bundle. Devices and `Recognizer`
    follow it; the decoders themselves give all words of an utterance that is whole.

    Args:
        threshold: least confidence of a reported word, in nats a frame; None: all are.
            See `RecognizedWord.confidence`.
        keywords: the words that are reported; the others are found, and passed over.
            None: all are reported.
        decide_ms: milliseconds after the end of a word at which it is decided on at
            the latest, the network's latency included.
        margin: nats by which a path must be worse than the best one to hold back no
            word any more. Less decides sooner, and more often wrong.
        suppress_ms: milliseconds after the end of a reported word in which no other
            word may end that is reported.
        silence_ms: milliseconds of silence which end an utterance; 0: none does.
        longest_ms: milliseconds after which an utterance ends without any silence;
            0: it never does.

    Raises:
        ValueError: if a number is out of its range, or there is no keyword.

    Example:
        >>> Reporting(threshold=0.5, keywords="yes no").keywords
        ('yes', 'no')
    """

    threshold: float | None = None
    keywords: Sequence[str] | None = None
    decide_ms: float | None = 500.0
    margin: float = 20.0
    suppress_ms: float = 0.0
    silence_ms: float = 800.0
    longest_ms: float = 60_000.0

    def __post_init__(self):
        for name in ("threshold", "margin", *_TIMES):
            value = getattr(self, name)
            if value is None and name in ("threshold", "decide_ms"):
                continue
            valid = isinstance(value, int | float) and not isinstance(value, bool)
            signed = name == "threshold"
            if not valid or not np.isfinite(value) or (value < 0 and not signed):
                expected = "a finite number" if signed else "a finite number >= 0"
                raise ValueError(invalid(name, expected, value))
            object.__setattr__(self, name, float(value))
        object.__setattr__(self, "keywords", as_keywords(self.keywords))

    def check_keywords(self, labels: Sequence[str]) -> None:
        """Raises ValueError where a keyword is none of a decoder's words."""
        as_keywords(self.keywords, labels)

    def to_dict(self) -> dict:
        """Returns the arguments of the constructor, ready for JSON."""
        fields = asdict(self)
        fields["keywords"] = None if self.keywords is None else list(self.keywords)
        return fields

    @classmethod
    def from_dict(cls, config: Mapping) -> "Reporting":
        """Rebuilds it from `to_dict()`."""
        return cls(**fields_of(cls, config))


def as_keywords(
    words: Sequence[str] | str | None, labels: Sequence[str] | None = None
) -> tuple[str, ...] | None:
    """Returns keywords as a tuple.

    Args:
        words: keywords; None: all words are.
        labels: of a decoder, whose words they must be; None: any words will do.

    Raises:
        ValueError: if there is none, or one is no word of the decoder.

    Example:
        >>> as_keywords("yes no"), as_keywords(None)
        (('yes', 'no'), None)
    """
    if words is None:
        return None
    words = tuple(words.split() if isinstance(words, str) else words)
    if not words:
        raise ValueError(invalid("keywords", "at least one word", words))
    for word in words if labels is not None else ():
        if word not in labels:
            raise ValueError(invalid("keywords", "words of the decoder", word))
    return words


# As bundles did it that say nothing of it: words are decided on after 200 output
# frames, all of them are reported, and no utterance is over before its end.
EARLIER = replace(Reporting(), decide_ms=None, silence_ms=0.0, longest_ms=0.0)
