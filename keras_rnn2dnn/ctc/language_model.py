"""Prefix beam search of CTC with an n-gram of words, by pyctcdecode."""

import dataclasses
import functools
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_rnn2dnn.ctc.greedy import checked_labels
from keras_rnn2dnn.util.captured_output import captured_output
from keras_rnn2dnn.util.errors import import_extra, invalid, is_integer
from keras_rnn2dnn.util.log_softmax import log_softmax

_PURPOSE = "Beam search with an n-gram"


@dataclasses.dataclass(frozen=True)
class NGramDecoder:
    """The best words of CTC posteriors and an n-gram of words.

    The score of a hypothesis is that of its CTC paths, plus for each word
    `alpha * ln p(word | words before) + beta`. Needs the extra `ctc`.

    Args:
        labels: of all classes; that of the blank does not matter. Characters with
            `" "` between words; or, where no label is `" "`, words.
        arpa: file of the n-gram, ARPA or of KenLM; None for no n-gram.
        blank: index of the blank.
        alpha: weight of the n-gram, >= 0.
        beta: added for each word.
        beam_width: hypotheses kept after each frame, >= 1.

    Raises:
        ValueError: if labels, blank or beam width are invalid.
        FileNotFoundError: if there is no such file.
        ImportError: if the extra is not installed.

    Example:
        >>> decoder = NGramDecoder(("", "yes", "no"), arpa=None)
        >>> decoder([np.log(np.eye(3)[[0, 1, 1, 0, 2]] + 0.01)])
        [['yes', 'no']]
    """

    labels: Sequence[str]
    arpa: str | Path | None
    blank: int = 0
    alpha: float = 0.5
    beta: float = 1.5
    beam_width: int = 100

    def __post_init__(self):
        labels = checked_labels(self.labels, self.blank)
        object.__setattr__(self, "labels", labels)
        others = [k for n, k in enumerate(labels) if n != self.blank]
        if " " in labels and any(len(label) != 1 for label in others):
            expected = "single characters, where one of them is ' '"
            raise ValueError(invalid("labels", expected, labels))
        if not is_integer(self.beam_width) or self.beam_width < 1:
            raise ValueError(invalid("beam_width", "an integer >= 1", self.beam_width))
        if self.arpa is not None and not Path(self.arpa).is_file():
            raise FileNotFoundError(f"No file {str(self.arpa)!r}. Expected an n-gram")
        import_extra("pyctcdecode", "ctc", _PURPOSE)
        if self.arpa is not None:
            import_extra("kenlm", "ctc", _PURPOSE)

    def __call__(self, logits: Sequence[np.ndarray]) -> list[list[str]]:
        """Returns the words of each utterance, from logits `(frames, classes)`."""
        return [self._words(np.asarray(z, "float32")) for z in logits]

    def _words(self, logits):
        if not len(logits):
            return []
        if logits.shape[1:] != (len(self.labels),):
            expected = f"(frames, {len(self.labels)})"
            raise ValueError(invalid("logits", expected, f"shape {logits.shape}"))
        # Normalised here: pyctcdecode would take rows that sum to 1 for probabilities.
        logits = log_softmax(logits)
        # Its `decode` drops hypotheses that end in the same words, other than the best.
        beams = self._search.decode_beams(logits, beam_width=int(self.beam_width))
        return beams[0][0].split()

    @functools.cached_property
    def _search(self):
        module = import_extra("pyctcdecode", "ctc", _PURPOSE)
        names = list(self.labels)
        if " " not in names:  # words, as pieces that each begin one
            names = [f"▁{name}" for name in names]
        names[self.blank] = ""
        path = None if self.arpa is None else str(self.arpa)
        options = {"alpha": float(self.alpha), "beta": float(self.beta)}
        logger = logging.getLogger("pyctcdecode")
        level = logger.level
        logger.setLevel(logging.ERROR)  # it warns of every alphabet without "▁⁇▁"
        try:
            with captured_output():  # KenLM draws a bar
                return module.build_ctcdecoder(names, path, **options)
        finally:
            logger.setLevel(level)
