"""Which utterances of a store make up a batch: those of like length."""

import bisect
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class LengthBuckets:
    """Groups of like length, each of which fills its batches.

    What is left over in the groups at the end is sorted by length and batched
    together; so small stores are batched as large ones, with little padding and no
    small batches but the last.

    Args:
        bounds: longest utterance of each group, in frames, ascending.
        counts: utterances in each group.
        sizes: utterances in a batch of each group.

    Example:
        >>> buckets = LengthBuckets((2, 4), counts=(3, 2), sizes=(2, 2))
        >>> list(buckets.batches([1, 4, 2, 3, 1], num_frames=int))
        [[1, 2], [4, 3], [1]]
        >>> buckets.num_batches
        3
    """

    bounds: tuple[int, ...]
    counts: tuple[int, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of_lengths(
        cls,
        lengths: dict[int, int],
        buckets: int,
        batch_size: int,
        batch_frames: int | None = None,
    ) -> "LengthBuckets":
        """Parts utterances into groups of about one number of utterances.

        Args:
            lengths: number of utterances by their number of frames.
            buckets: groups, at most.
            batch_size: utterances per batch.
            batch_frames: frames per batch, padding included, in place of `batch_size`.

        Example:
            >>> LengthBuckets.of_lengths({10: 2, 20: 1, 40: 1}, 2, 32, batch_frames=80)
            LengthBuckets(bounds=(10, 40), counts=(2, 2), sizes=(8, 2))
        """
        ordered = sorted(lengths)
        share = np.cumsum([lengths[n] for n in ordered]) / sum(lengths.values())
        cuts = np.searchsorted(share, np.arange(1, buckets) / buckets - 1e-9)
        bounds = sorted({*(ordered[cut] for cut in cuts), ordered[-1]})
        counts = dict.fromkeys(bounds, 0)
        for length in ordered:
            counts[bounds[np.searchsorted(bounds, length)]] += lengths[length]
        sizes = [
            max(1, batch_frames // n) if batch_frames else batch_size for n in bounds
        ]
        return cls(tuple(bounds), tuple(counts.values()), tuple(sizes))

    @property
    def num_batches(self) -> int:
        """Batches of all utterances; it does not depend on their order."""
        pairs = list(zip(self.counts, self.sizes, strict=True))
        left = [[None] * (count % size) for count, size in pairs]
        return sum(count // size for count, size in pairs) + len(self._together(left))

    def batches(
        self,
        utterances: Iterable[Any],
        num_frames: Callable[[Any], int],
        rng: np.random.Generator | None = None,
    ) -> Iterator[list]:
        """Yields lists of utterances.

        Args:
            utterances: of the lengths counted.
            num_frames: gives the length of one.
            rng: shuffles the batches of what is left over at the end.
        """
        waiting: list[list] = [[] for _ in self.bounds]
        for utterance in utterances:
            bucket = bisect.bisect_left(self.bounds, num_frames(utterance))
            waiting[bucket].append(utterance)
            if len(waiting[bucket]) == self.sizes[bucket]:
                yield waiting[bucket]
                waiting[bucket] = []
        ordered = [sorted(group, key=num_frames, reverse=True) for group in waiting]
        left = self._together(ordered)
        if rng is not None:
            left = [left[n] for n in rng.permutation(len(left))]
        yield from left

    def _together(self, waiting):
        """Batches what is left over in the groups, the longest first."""
        groups = reversed(list(zip(waiting, self.sizes, strict=True)))
        left = [(item, size) for group, size in groups for item in group]
        batches = []
        while left:
            size = left[0][1]
            batches.append([item for item, _ in left[:size]])
            left = left[size:]
        return batches
