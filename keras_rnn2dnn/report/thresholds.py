"""Section: what a threshold costs and saves, as `rnn2dnn tune` measured it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from keras_rnn2dnn.report.collect import THRESHOLDS, Run
from keras_rnn2dnn.report.html import LeftOut, Section, figure, table
from keras_rnn2dnn.report.svg import OKABE_ITO, Plot, span
from keras_rnn2dnn.scoring.thresholds import ThresholdPoint

_MOST_DECADES = 6
_TITLE = "Missed and false words"


def thresholds(run: Run) -> Section:
    """The curve of each bundle that was tuned."""
    figures = []
    for fold in run.folds:
        if fold.thresholds is None:
            continue
        found = fold.thresholds
        curve = [ThresholdPoint(**fields) for fields in found["curve"]]
        chosen = ThresholdPoint(**found["chosen"])
        caption = (
            f"{fold.name}: {found['hours']:.3g} hours in which none of the words is "
            f"said. The dot is the threshold of the bundle: {_said(chosen)}."
        )
        behind = table(
            ["threshold, nats", "false words an hour", "missed, %"],
            [_cells(point) for point in curve],
            texts=0,
        )
        figures.append(figure(_TITLE, picture(curve, chosen), caption, behind))
    if not figures:
        raise LeftOut(run.lacking(THRESHOLDS))
    text = (
        "What is left switched on hears much that is none of its words. A higher "
        "threshold leaves fewer false words, and misses more of those that are said."
    )
    return Section(text, figures)


def picture(curve: Sequence[ThresholdPoint], chosen: ThresholdPoint) -> str:
    """Draws misses, or where they are not known thresholds, against false words.

    Args:
        curve: of rising thresholds.
        chosen: one of its points; it has a dot.

    Returns:
        The SVG element. The axis of false words is logarithmic; at its left end is 0.
    """
    known = chosen.missed is not None
    marks = _decades(curve)
    least, most = min(marks), max(marks)

    def place(point):
        other = 100 * point.missed if known else point.threshold or 0.0
        if not point.false_per_hour:
            return least, other
        return max(math.log10(point.false_per_hour), least), other

    places = [place(point) for point in curve]
    drawn = Plot(
        x=(least, most),
        y=span([y for _, y in places], include=0.0),
        x_label="false words an hour",
        y_label="missed words, %" if known else "threshold, nats",
        x_marks=marks,
    )
    drawn.line(places, OKABE_ITO["blue"])
    drawn.line([place(chosen)], OKABE_ITO["vermillion"], dots=True)
    return drawn.picture(_TITLE)


def _decades(curve) -> Mapping[float, str]:
    """Returns the marks of the axis of false words; the first stands for none."""
    found = [p.false_per_hour for p in curve if p.false_per_hour > 0] or [1.0]
    high = max(1, math.ceil(math.log10(max(found)) - 1e-9))
    low = math.floor(math.log10(min(found)) + 1e-9)
    low = max(min(low, high - 1), high - _MOST_DECADES)
    marks = {
        k: f"{10.0**k:g}" if k < 3 else f"{10 ** (k - 3)}k"
        for k in range(low, high + 1)
    }
    return {low - 1: "0"} | marks


def _said(point: ThresholdPoint) -> str:
    threshold = "none" if point.threshold is None else f"{point.threshold:.2f} nats"
    missed = "" if point.missed is None else f", {point.missed:.1%} missed"
    return f"{threshold}, {point.false_per_hour:,.2f} false words an hour{missed}"


def _cells(point: ThresholdPoint) -> list[Any]:
    return [
        "none" if point.threshold is None else f"{point.threshold:.3f}",
        f"{point.false_per_hour:,.2f}",
        "-" if point.missed is None else f"{100 * point.missed:.1f}",
    ]
