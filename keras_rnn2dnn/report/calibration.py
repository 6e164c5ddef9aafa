"""Section: how sure the models are, how often they are right, and what int8 changes."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn import hmm
from keras_rnn2dnn.report import svg
from keras_rnn2dnn.report.html import LeftOut, Section, figure, legend, table
from keras_rnn2dnn.report.models import FoldModels

_BINS = 10
_STRINGS = 60  # of all folds together
_QUANTA, _STEP = 6.0, 0.5  # the histogram reaches from -6 to 6
_CURVES = {
    "teacher, against the words said": ("black", ""),
    "student, against the words said": ("vermillion", "6 3"),
    "student, against the teacher": ("blue", "2 3"),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Reliability:
    """How often a model is right, by how sure it is.

    Args:
        frames: in each bin of its highest posterior.
        confidence: mean highest posterior of each bin; NaN where it is empty.
        right: share of frames of each bin whose best state is the expected one.
    """

    frames: np.ndarray
    confidence: np.ndarray
    right: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error.

        `sum_b frames[b] / frames * |right[b] - confidence[b]|` (Guo et al., "On
        calibration of modern neural networks", 2017).
        """
        gaps = np.abs(np.nan_to_num(self.right - self.confidence))
        return float((self.frames * gaps).sum() / self.frames.sum())


def reliability(posteriors: np.ndarray, expected: np.ndarray) -> Reliability:
    """Sorts frames into ten bins of equal width by their highest posterior.

    Args:
        posteriors: `(frames, states)`.
        expected: state of each frame, `(frames,)`.

    Example:
        >>> found = reliability(np.array([[0.9, 0.1], [0.7, 0.3]]), np.array([0, 1]))
        >>> found.frames.tolist(), round(found.error, 3)
        ([0, 0, 0, 0, 0, 0, 0, 1, 0, 1], 0.4)
    """
    highest = posteriors.max(axis=1)
    right = posteriors.argmax(axis=1) == expected
    # 0.7 of a softmax may be 0.6999999: it belongs to the bin from 0.7 on.
    bins = np.minimum((_BINS * highest + 1e-6).astype(int), _BINS - 1)
    frames = np.bincount(bins, minlength=_BINS)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(bins, highest, _BINS) / frames
        return Reliability(frames, confidence, np.bincount(bins, right, _BINS) / frames)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns posteriors, float64.

    Example:
        >>> softmax(np.log([[1.0, 3.0]])).round(2).tolist()
        [[0.25, 0.75]]
    """
    shifted = logits.astype(np.float64)
    shifted = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def both_scores(teacher: np.ndarray, student: np.ndarray) -> np.ndarray:
    """Returns the mean log-posteriors of both models, to align what was said."""
    return (np.log(softmax(teacher) + 1e-30) + np.log(softmax(student) + 1e-30)) / 2


def quantum_counts(errors: np.ndarray) -> np.ndarray:
    """Counts errors in bins of half a quantum; the outermost two hold all beyond.

    Args:
        errors: in quanta, of any shape.

    Returns:
        Counts of 26 bins: below -6, 24 bins around multiples of a half, above 6.

    Example:
        >>> counts = quantum_counts(np.array([-9.0, 0.1, 0.2, 6.5]))
        >>> counts[[0, 13, 25]].tolist(), counts.sum()
        ([1, 2, 1], 4)
    """
    edges = np.arange(-_QUANTA, _QUANTA + _STEP, _STEP)
    return np.bincount(np.searchsorted(edges, errors.ravel(), "right"), minlength=26)


def calibration(folds: Sequence[FoldModels]) -> Section:
    """How sure teacher and student are, and how often they are right."""
    pairs: dict[str, list] = {name: [] for name in _CURVES}
    strings = 0
    for models in folds:
        numbers = _numbers(models, folds)
        strings += len(numbers)
        teacher, student = (
            models.logits(name, numbers) for name in ("teacher", "student")
        )
        if models.test.transcripts is None:
            raise LeftOut(f"no transcripts in {models.fold.name}/test.npz")
        said = [models.test.transcripts[n] for n in numbers]
        both = [both_scores(*pair) for pair in zip(teacher, student, strict=True)]
        aligned = hmm.align(both, said, models.decoder("student").topology)
        best = np.concatenate(teacher).argmax(axis=1)
        states = np.concatenate(aligned)
        p, q = (softmax(np.concatenate(z)) for z in (teacher, student))
        for name, pair in zip(
            _CURVES, ((p, states), (q, states), (q, best)), strict=True
        ):
            pairs[name].append(pair)
    found = {
        name: reliability(*map(np.concatenate, zip(*parts, strict=True)))
        for name, parts in pairs.items()
    }
    frames = int(next(iter(found.values())).frames.sum())
    text = (
        "How often the best state is right, by its posterior; on the diagonal a model "
        "is as sure as it is right, below it too sure. Nobody knows the true states of "
        "the test. They are taken to be those of the words said, aligned by the "
        "posteriors of both models together; or the teacher's best states."
    )
    return Section(text, [_diagram(found, strings, frames), _sureness(found, frames)])


def int8_errors(folds: Sequence[FoldModels]) -> Section:
    """Logits of the int8 student less those of the float student."""
    counts, strings, moments = np.zeros(26, int), 0, np.zeros(3)
    for models in folds:
        numbers = _numbers(models, folds)
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
    return Section(text, [figure(plot.picture("Error of int8"), caption, behind)])


def _numbers(models, folds):
    """Returns test strings of a fold, evenly spread."""
    total = len(models.test.features)
    chosen = min(total, -(-_STRINGS // len(folds)))
    return np.unique(np.linspace(0, total - 1, chosen).round().astype(int)).tolist()


def _diagram(found, strings, frames):
    plot = svg.Plot((0, 1), (0, 1), "highest posterior", "share of frames right")
    plot.line([(0, 0), (1, 1)], "#595959", "1 3")
    keys, rows = [], []
    for name, curve in found.items():
        colour, dash = _CURVES[name]
        known = curve.frames > 0
        points = zip(curve.confidence[known], curve.right[known], strict=True)
        plot.line(points, svg.OKABE_ITO[colour], dash, dots=True)
        keys.append((name, svg.OKABE_ITO[colour], dash))
        for number in np.flatnonzero(known):
            rows.append(
                (
                    name,
                    f"{number / _BINS:.1f}-{(number + 1) / _BINS:.1f}",
                    f"{curve.frames[number]:,}",
                    f"{curve.confidence[number]:.3f}",
                    f"{curve.right[number]:.3f}",
                )
            )
    listed = "; ".join(f"{name} {curve.error:.3f}" for name, curve in found.items())
    caption = (
        f"Reliability on {strings} test strings, {frames:,} frames. Expected "
        f"calibration error, the mean distance from the diagonal by frames: {listed}."
    )
    header = ["curve", "posterior", "frames", "mean posterior", "right"]
    behind = table(header, rows, texts=2)
    return figure(plot.picture("Reliability diagram"), caption, behind, legend(keys))


def _sureness(found, frames):
    curves = {"teacher": "black", "student": "vermillion"}
    shares = {
        name: 100 * found[f"{name}, against the words said"].frames / frames
        for name in curves
    }
    most = max(s.max() for s in shares.values())
    plot = svg.Plot((0, 1), (0, 1.05 * most), "highest posterior", "% of frames")
    for place, (name, values) in enumerate(shares.items()):
        for number, share in enumerate(values):
            start = (number + 0.05 + 0.45 * place) / _BINS
            hint = f"{name}, {number / _BINS:.1f}: {share:.1f} %"
            end = start + 0.45 / _BINS
            plot.bar((start, end), share, svg.OKABE_ITO[curves[name]], hint)
    rows = [
        (
            f"{number / _BINS:.1f}-{(number + 1) / _BINS:.1f}",
            *(f"{values[number]:.2f}" for values in shares.values()),
        )
        for number in range(_BINS)
    ]
    keys = [(name, svg.OKABE_ITO[colour], "bar") for name, colour in curves.items()]
    header = ["posterior", *(f"{name}, % of frames" for name in curves)]
    caption = "How sure the two are: frames by their highest posterior."
    return figure(
        plot.picture("Frames by their highest posterior"),
        caption,
        table(header, rows),
        legend(keys),
    )
