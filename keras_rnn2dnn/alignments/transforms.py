"""Transforms of soft alignments put together, for `SoftAlignments.write`."""

from collections.abc import Callable, Sequence

import numpy as np

Transform = Callable[[list[np.ndarray], Sequence], list[np.ndarray]]


def by_transcript(known: Transform, unknown: Transform) -> Transform:
    """Returns a transform that treats utterances with a transcript in another way.

    Args:
        known: for utterances with one, such as `hmm.constrained(topology)`.
        unknown: for the others, such as of `match_priors` and then `hmm.decoded`.

    Returns:
        A function of lists of log-posteriors and of transcripts (or None) to
        log-posteriors; for `SoftAlignments.write`.

    Example:
        >>> same, none = lambda z, words: z, lambda z, words: [0 * one for one in z]
        >>> transform = by_transcript(same, none)
        >>> [z.tolist() for z in transform([np.ones(2), np.ones(2)], ["a", None])]
        [[1.0, 1.0], [0.0, 0.0]]
    """

    def transform(log_posteriors, transcripts):
        result = list(log_posteriors)
        for of, has in ((known, True), (unknown, False)):
            chosen = [n for n, t in enumerate(transcripts) if (t is not None) == has]
            if chosen:
                changed = _applied(of, has, log_posteriors, transcripts, chosen)
                for number, one in zip(chosen, changed, strict=True):
                    result[number] = one
        return result

    transform.__name__ = f"by_transcript({_name(known)}, {_name(unknown)})"
    return transform


def _applied(transform, known, log_posteriors, transcripts, chosen):
    """Applies a transform to some utterances; its errors number these alone."""
    try:
        return transform(
            [log_posteriors[n] for n in chosen], [transcripts[n] for n in chosen]
        )
    except ValueError as error:
        kind = "with" if known else "without"
        raise ValueError(
            f"Of the utterances {kind} a transcript, numbered alone: {error}"
        ) from error


def chained(*transforms: Transform) -> Transform:
    """Returns a transform that applies several, one after the other.

    Args:
        *transforms: such as of `match_priors` and of `hmm.decoded`.

    Returns:
        A function of lists of log-posteriors and of transcripts (or None) to
        log-posteriors; for `SoftAlignments.write`.

    Example:
        >>> twice, add = (
        ...     lambda z, words: [2 * one for one in z],
        ...     lambda z, words: [one + 1 for one in z],
        ... )
        >>> [z.tolist() for z in chained(twice, add)([np.ones(2)], [None])]
        [[3.0, 3.0]]
    """

    def transform(log_posteriors, transcripts):
        for one in transforms:
            log_posteriors = one(log_posteriors, transcripts)
        return log_posteriors

    transform.__name__ = f"chained({', '.join(map(_name, transforms))})"
    return transform


def _name(transform):
    """Returns the name of a function; other things that can be called have none."""
    return getattr(transform, "__name__", "unnamed")
