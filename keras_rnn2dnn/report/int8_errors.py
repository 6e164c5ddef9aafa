"""Section: what int8 changes in the logits."""

from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.report import svg
from keras_rnn2dnn.report.html import Section, figure, table
from keras_rnn2dnn.report.models import FoldModels

_QUANTA, _STEP = 6.0, 0.5  # the histogram reaches from -6 to 6


def quantum_counts(errors: np.ndarray) -> np.ndarray:
    """Counts errors in bins of half a quantum; the outermost two hold all beyond.

    Args:
        errors: in quanta, of any shape.

    Returns:
        Counts of 26 bins: below -6, 24 bins around multiples of a half, above 6.

    Example:
        >>> counts = quantum_counts(np.array([-9.0, 0.1, 0.2, 6.5]))
        >>> counts[[0, 13, 25]].tolist(), int(counts.sum())
        ([1, 2, 1], 4)
    """
    edges = np.arange(-_QUANTA, _QUANTA + _STEP, _STEP)
    return np.bincount(np.searchsorted(edges, errors.ravel(), "right"), minlength=26)


def int8_errors(folds: Sequence[FoldModels]) -> Section:
    """Logits of the int8 student less those of the float student."""
    counts, strings, moments = np.zeros(26, int), 0, np.zeros(3)
    for models in folds:
        numbers = models.sample(len(folds))
        strings += len(numbers)
        pair = (models.logits(name, numbers) for name in ("int8", "student"))
        rounded, exact = (np.concatenate(z).astype(np.float64) for z in pair)
        errors = (rounded - exact) / models.int8.output_quantization[0]
        counts += quantum_counts(errors)
        moments += [errors.size, errors.sum(), np.square(errors).sum()]
    total, mean = moments[0], moments[1] / moments[0]
    deviation = np.sqrt(max(moments[2] / total - mean**2, 0.0))
    edges = np.arange(-_QUANTA - _STEP, _QUANTA + 2 * _STEP, _STEP)
    shares = 100 * counts / total
    plot = svg.Plot(
        x=(edges[0], edges[-1]),
        y=(0, svg.span(shares, include=0.0)[1]),
        x_label="int8 - float, in quanta of the output",
        y_label="% of the logits",
    )
    rows = []
    for low, high, share, count in zip(
        edges[:-1], edges[1:], shares, counts, strict=True
    ):
        beyond = {edges[0]: f"below {-_QUANTA:g}", edges[-2]: f"{_QUANTA:g} and above"}
        name = beyond.get(low, f"{low:g} to {high:g}")
        plot.bar((low, high), share, svg.OKABE_ITO["blue"], f"{name}: {share:.2f} %")
        rows.append((name, f"{count:,}", f"{share:.3f}"))
    caption = (
        f"{int(total):,} logits of {strings} test strings: mean {mean:+.2f}, standard "
        f"deviation {deviation:.2f} quanta. The outermost bars hold all that is beyond."
    )
    text = (
        "The int8 student gives integers; a quantum is the step between two of them. "
        "Rounding the output alone would give errors of at most half a quantum."
    )
    behind = table(["quanta", "logits", "%"], rows)
    title = "Error of the int8 logits"
    return Section(text, [figure(title, plot.picture(title), caption, behind)])
