"""What a threshold of confidence costs and saves: the points of a DET curve."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

CONFIDENCE_STEPS = 1000  # in a nat, as devices count
_MOST_POINTS = 100


@dataclasses.dataclass(frozen=True)
class ThresholdPoint:
    """What a threshold costs, and what it saves.

    Args:
        threshold: least confidence of a word, in nats; None: every word is reported.
        false_per_hour: words reported where none is said.
        missed: share of the words said that were not found; None where no words were
            said.
    """

    threshold: float | None
    false_per_hour: float
    missed: float | None


def threshold_curve(
    false: Sequence[float],
    measure: Callable[[float | None], tuple[float, float | None]],
) -> list[ThresholdPoint]:
    """Measures what is left at thresholds.

    Args:
        false: confidences of the false words that there are without a threshold.
        measure: gives false words an hour and the share of missed words at a threshold,
            or without any.

    Returns:
        Points of rising thresholds: without one, then such that one false word less is
        left, or several where there are many; at the last one none is.

    Example:
        >>> curve = threshold_curve([1.0, 2.5], lambda t: (sum(
        ...     x >= (t or 0) for x in (1.0, 2.5)), 0.1 * (t or 0)))
        >>> [(p.threshold, p.false_per_hour) for p in curve]
        [(None, 2), (1.001, 1), (2.501, 0)]
    """
    thresholds = [None, *_thresholds(false)]
    return [ThresholdPoint(threshold, *measure(threshold)) for threshold in thresholds]


def best_point(
    curve: Sequence[ThresholdPoint], false_per_hour: float
) -> ThresholdPoint:
    """Returns the point with the fewest misses, and of these the lowest threshold.

    Args:
        curve: of `threshold_curve`.
        false_per_hour: that is allowed.
    """
    allowed = [point for point in curve if point.false_per_hour <= false_per_hour]

    def cost(point):
        threshold = -math.inf if point.threshold is None else point.threshold
        return point.missed or 0.0, threshold

    return min(allowed, key=cost)


def _thresholds(confidences):
    """Returns the thresholds just above confidences."""
    found = np.array(sorted({round(c * CONFIDENCE_STEPS) + 1 for c in confidences}))
    if len(found) > _MOST_POINTS:  # the highest count most: few false words are left
        places = np.geomspace(1, len(found), _MOST_POINTS).round().astype(int)
        found = found[np.unique(len(found) - places)]
    return (found / CONFIDENCE_STEPS).tolist()
