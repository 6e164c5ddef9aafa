"""Section: how sure the models are, and how often they are right."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn import hmm
from keras_rnn2dnn.report import svg
from keras_rnn2dnn.report.html import LeftOut, Section, figure, legend, table
from keras_rnn2dnn.report.models import FoldModels
from keras_rnn2dnn.util.log_softmax import log_softmax

_BINS = 10
_CURVES = {
    "student, by the teacher's best states": ("blue", "2 3"),
    "student, by the words said": ("vermillion", "6 3"),
    "teacher, by the words said": ("black", ""),
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


def calibration(folds: Sequence[FoldModels]) -> Section:
    """How sure teacher and student are, and how often they are right."""
    pairs: dict[str, list] = {name: [] for name in _CURVES}
    strings = 0
    for models in folds:
        numbers = models.sample(len(folds))
        strings += len(numbers)
        teacher, student = (
            models.logits(name, numbers) for name in ("teacher", "student")
        )
        if models.test.transcripts is None:
            raise LeftOut(f"no transcripts in {models.fold.name}/test.npz")
        said = [models.test.transcripts[n] for n in numbers]
        topology = models.decoder("student").topology
        by_teacher, by_student = (
            np.concatenate(hmm.align(z, said, topology)) for z in (teacher, student)
        )
        p, q = (np.exp(log_softmax(np.concatenate(z))) for z in (teacher, student))
        measured = (q, p.argmax(axis=1)), (q, by_teacher), (p, by_student)
        for name, pair in zip(_CURVES, measured, strict=True):
            pairs[name].append(pair)
    found = {
        name: reliability(*map(np.concatenate, zip(*parts, strict=True)))
        for name, parts in pairs.items()
    }
    frames = int(next(iter(found.values())).frames.sum())
    text = (
        "How often the best state is right, by its posterior; on the diagonal a model "
        "is as sure as it is right, below it too sure. Nobody knows the true states of "
        "the test. They are taken to be the teacher's best states; or those of the "
        "words said, aligned by the posteriors of the other model, as a model that "
        "aligns for itself is flattered."
    )
    return Section(text, [_diagram(found, strings, frames), _sureness(found, frames)])


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
        f"On {strings} test strings, {frames:,} frames. Expected "
        f"calibration error, the mean distance from the diagonal by frames: {listed}."
    )
    header = ["curve", "posterior", "frames", "mean posterior", "right"]
    behind = table(header, rows, texts=2)
    title = "Reliability"
    return figure(title, plot.picture(title), caption, behind, legend(keys))


def _sureness(found, frames):
    curves = {"teacher": "black", "student": "vermillion"}
    shares = {
        name: 100 * found[f"{name}, by the words said"].frames / frames
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
    title = "How sure the models are"
    return figure(
        title,
        plot.picture(title),
        f"The same {frames:,} frames by their highest posterior.",
        table(header, rows),
        legend(keys),
    )
