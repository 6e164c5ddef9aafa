"""Words found in a stream against words said in it, by their times.

A stream has hours in which nothing is said that counts; so beside the words that are
missed it is told how many were found an hour where none was.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.scoring.thresholds import ThresholdPoint, threshold_curve
from keras_rnn2dnn.util.errors import invalid

_MS_PER_HOUR = 3_600_000


@dataclasses.dataclass(frozen=True)
class SpokenWord:
    """A word and when it was said.

    Args:
        text: the word.
        start_ms: since the start of the stream.
        end_ms: likewise.
    """

    text: str
    start_ms: float
    end_ms: float

    def later(self, ms: float) -> "SpokenWord":
        """Returns the word so much later."""
        times = {"start_ms": self.start_ms + ms, "end_ms": self.end_ms + ms}
        return dataclasses.replace(self, **times)


@dataclasses.dataclass(frozen=True)
class Detection(SpokenWord):
    """A word that was found.

    Args:
        text: the word.
        start_ms: since the start of the stream.
        end_ms: likewise.
        reported_ms: when it was told, likewise.
        confidence: the higher, the surer.
    """

    reported_ms: float = 0.0
    confidence: float = 0.0

    def later(self, ms: float) -> "Detection":
        """Returns the word so much later."""
        moved = super().later(ms)
        return dataclasses.replace(moved, reported_ms=self.reported_ms + ms)


@dataclasses.dataclass(frozen=True)
class DetectionScore:
    """What was found of what was said.

    Attributes:
        words: that were said.
        hits: of them, found in time as what they are.
        substituted: what was found in time in the place of another word.
        false_words: that were found where no word was, or a second time, or too late.
        hours: of the stream.
        latencies_ms: of the hits, from a word's end until it was told.
    """

    words: int
    hits: int
    substituted: tuple[Detection, ...]
    false_words: tuple[Detection, ...]
    hours: float
    latencies_ms: tuple[float, ...]

    @property
    def substitutions(self) -> int:
        """Words that were found in time as another word."""
        return len(self.substituted)

    @property
    def misses(self) -> int:
        """Words that were not found, neither right nor wrong."""
        return self.words - self.hits - self.substitutions

    @property
    def missed(self) -> float:
        """Words that were no hit, a fraction of those said."""
        return (self.words - self.hits) / self.words if self.words else 0.0

    @property
    def false_per_hour(self) -> float:
        """False words and substitutions an hour: what was told and was not said."""
        return (len(self.false_words) + self.substitutions) / self.hours

    def latency_ms(self, percentile: float) -> float:
        """Returns a percentile of the latencies; not a number without hits."""
        if not self.latencies_ms:
            return float("nan")
        return float(np.percentile(self.latencies_ms, percentile))


def score_detections(
    spoken: Sequence[SpokenWord],
    detections: Sequence[Detection],
    duration_ms: float,
    most_latency_ms: float = 1000.0,
) -> DetectionScore:
    """Pairs words that were found with words that were said.

    A pair overlaps in time, and is told no later than `most_latency_ms` after the
    word's end; each word is in one pair at most. Pairs of one word come first, and of
    them those that overlap most.

    Args:
        spoken: what was said.
        detections: what was found.
        duration_ms: of the stream.
        most_latency_ms: from the end of a word until it is told.

    Returns:
        The score.

    Raises:
        ValueError: if the duration is not above 0.

    Example:
        >>> said = [SpokenWord("on", 0, 400), SpokenWord("off", 2000, 2400)]
        >>> found = [Detection("on", 50, 380, reported_ms=600),
        ...          Detection("on", 1990, 2300, reported_ms=2500),
        ...          Detection("off", 9000, 9300, reported_ms=9500)]
        >>> score = score_detections(said, found, duration_ms=3_600_000)
        >>> score.hits, score.substitutions, score.misses, score.false_per_hour
        (1, 1, 0, 2.0)
    """
    if not duration_ms > 0:
        raise ValueError(invalid("duration_ms", "a number > 0", duration_ms))
    pairs = _in_time(spoken, detections, most_latency_ms)
    right = _chosen([p for p in pairs if spoken[p[1]].text == detections[p[2]].text])
    wrong = _chosen([p for p in pairs if p[1] not in right], set(right.values()))
    used = {*right.values(), *wrong.values()}
    late = (detections[d].reported_ms - spoken[s].end_ms for s, d in right.items())
    return DetectionScore(
        words=len(spoken),
        hits=len(right),
        substituted=tuple(detections[d] for d in sorted(wrong.values())),
        false_words=tuple(d for n, d in enumerate(detections) if n not in used),
        hours=duration_ms / _MS_PER_HOUR,
        latencies_ms=tuple(late),
    )


def detection_curve(
    spoken: Sequence[SpokenWord],
    detections: Sequence[Detection],
    duration_ms: float,
    most_latency_ms: float = 1000.0,
    suppress_ms: float = 0.0,
) -> list[ThresholdPoint]:
    """Scores what is left of detections at thresholds of their confidence.

    Args:
        spoken: what was said.
        detections: what was found without a threshold.
        duration_ms: of the stream.
        most_latency_ms: as for `score_detections`.
        suppress_ms: as for `reported`.

    Returns:
        Points of rising thresholds; see `threshold_curve`. Substitutions are false
        words, too.

    Raises:
        ValueError: as `score_detections`.

    Example:
        >>> said = [SpokenWord("on", 0, 400)]
        >>> found = [Detection("on", 0, 400, 500, confidence=3.0),
        ...          Detection("on", 900, 950, 999, confidence=1.0)]
        >>> curve = detection_curve(said, found, duration_ms=3_600_000)
        >>> [(p.threshold, p.missed, p.false_per_hour) for p in curve]
        [(None, 0.0, 1.0), (1.001, 0.0, 0.0)]
    """

    def score(threshold):
        left = reported(detections, threshold, suppress_ms)
        return score_detections(spoken, left, duration_ms, most_latency_ms)

    def measure(threshold):
        found = score(threshold)
        return found.false_per_hour, found.missed

    whole = score_detections(spoken, detections, duration_ms, most_latency_ms)
    wrong = [d.confidence for d in (*whole.false_words, *whole.substituted)]
    return threshold_curve(wrong, measure)


def reported(
    detections: Sequence[Detection],
    threshold: float | None = None,
    suppress_ms: float = 0.0,
) -> list[Detection]:
    """Returns what a recognizer reports of what it finds.

    Args:
        detections: what was found, in the order in which it was.
        threshold: least confidence; None: any will do.
        suppress_ms: after the end of what is reported, in which nothing else may end.

    Example:
        >>> found = [Detection("on", 0, end, confidence=end / 100)
        ...          for end in (100, 200, 300, 400)]
        >>> [d.end_ms for d in reported(found, 1.5, suppress_ms=150)]
        [200, 400]
    """
    least = -math.inf if threshold is None else threshold
    left: list[Detection] = []
    for found in detections:
        near = left and found.end_ms - left[-1].end_ms < suppress_ms
        if found.confidence >= least and not near:
            left.append(found)
    return left


def _in_time(spoken, detections, most_latency_ms):
    """Returns `(overlap, word, detection)` of all that can be a pair."""
    order = sorted(range(len(detections)), key=lambda n: detections[n].start_ms)
    starts = [detections[n].start_ms for n in order]
    longest = max((d.end_ms - d.start_ms for d in detections), default=0.0)
    pairs = []
    for number, word in enumerate(spoken):
        first, last = np.searchsorted(starts, [word.start_ms - longest, word.end_ms])
        for place in range(first, last):
            found = detections[order[place]]
            end = min(word.end_ms, found.end_ms)
            overlap = end - max(word.start_ms, found.start_ms)
            if overlap > 0 and found.reported_ms - word.end_ms <= most_latency_ms:
                pairs.append((overlap, number, order[place]))
    return pairs


def _chosen(pairs, taken=()):
    """Returns detections by word, the largest overlaps first; none is used twice."""
    chosen: dict[int, int] = {}
    used = set(taken)
    for _, word, found in sorted(pairs, key=lambda pair: (-pair[0], *pair[1:])):
        if word not in chosen and found not in used:
            chosen[word] = found
            used.add(found)
    return chosen
