"""Forward-backward over graphs of states in a row, some of which may be skipped.

A graph has the nodes of each utterance as columns; see `topology.TranscriptGraph`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_rnn2dnn.hmm.topology import NEVER
from keras_rnn2dnn.hmm.utterances import batches
from keras_rnn2dnn.util.errors import invalid

# The least score beside the best one of a frame: forced paths keep their differences.
_FLOOR = np.float32(-1e6)


def occupancies(
    values: np.ndarray | Sequence[np.ndarray],
    utterances: list[np.ndarray],
    paths: list[np.ndarray],
    graph_of: Callable[[list[np.ndarray]], Any],
    padding_state: int,
    scale: float,
) -> np.ndarray | list[np.ndarray]:
    """Computes the posterior of every state in every frame, given the graphs.

    Args:
        values: the scores as they were given: `(batch, frames, states)` or a list.
        utterances: log-scores of the frames that count, `(frames, states)` each.
        paths: states along the graph of each utterance, `(nodes,)`.
        graph_of: makes the graph of several paths.
        padding_state: has all of the mass in padding frames.
        scale: factor on the scores.

    Returns:
        float32 `(batch, frames, states)`, or a list of `(frames, states)`, as `values`.
    """
    num_states = utterances[0].shape[1]
    padding = np.zeros(num_states, np.float32)
    padding[padding_state] = 1
    result, views = results_for(values, utterances, (num_states,), np.float32, padding)
    for indices in batches([len(u) for u in utterances], max(map(len, paths))):
        chosen = [paths[i] for i in indices]
        graph = graph_of(chosen)
        emissions, _ = emissions_of([utterances[i] for i in indices], chosen, scale)
        lengths = np.array([len(utterances[i]) for i in indices])
        _posteriors(emissions, graph, lengths, [views[i] for i in indices])
    return result


def transcript_transform(
    posteriors_of: Callable[[list[np.ndarray], Sequence[str]], list[np.ndarray]],
    name: str,
) -> Callable[[list[np.ndarray], Sequence[str]], list[np.ndarray]]:
    """Returns a transform of soft alignments, for `SoftAlignments.write`.

    Args:
        posteriors_of: gives posteriors by log-posteriors and transcripts, both lists.
        name: what the store calls it; another name is another transform.

    Raises:
        ValueError: when it is used, if a transcript is missing.
    """

    def of_known(log_posteriors, transcripts):
        if any(transcript is None for transcript in transcripts):
            hint = 'Give them with the features: (x, {"transcripts": ["turn on", ...]})'
            expected = "one for each utterance"
            raise ValueError(invalid("transcripts", expected, None, hint))
        return posteriors_of(log_posteriors, transcripts)

    return log_transform(of_known, name)


def log_transform(posteriors_of: Callable, name: str) -> Callable:
    """Returns a transform to the log of posteriors; see `transcript_transform`."""

    def transform(log_posteriors, transcripts):
        posteriors = posteriors_of(log_posteriors, transcripts)
        with np.errstate(divide="ignore"):
            return [np.log(p, out=p) for p in posteriors]

    transform.__name__ = name
    return transform


def emissions_of(utterances, columns, scale=1.0):
    """Gathers the scores of the nodes, `(frames, nodes, batch)`, each frame's best 0.

    Also returns what was subtracted, summed over the frames, `(batch,)`.

    Args:
        utterances: scores, `(frames, X)` each.
        columns: those of the nodes in them, int `(nodes,)` for each utterance.
        scale: factor on the scores.
    """
    num_nodes, longest = max(map(len, columns)), max(map(len, utterances))
    gathered = np.full((len(utterances), longest, num_nodes), _FLOOR, np.float32)
    peaks = np.zeros(len(utterances))
    for row, (scores, chosen) in enumerate(zip(utterances, columns, strict=True)):
        scores = np.maximum(scores[:, chosen], NEVER) * np.float32(scale)
        peak = scores.max(axis=1, keepdims=True)
        scores -= peak
        np.maximum(scores, _FLOOR, out=gathered[row, : len(scores), : len(chosen)])
        peaks[row] = peak.sum(dtype=np.float64)
    return np.ascontiguousarray(gathered.transpose(1, 2, 0)), peaks


def _posteriors(emissions, graph, lengths, out):
    """Forward-backward in the log domain, each frame shifted so that its best is 0."""
    num_frames = len(emissions)
    rows, skip = graph.skip_rows, graph.skip
    alphas = np.empty_like(emissions)
    alphas[0] = emissions[0] + graph.start
    for t in range(1, num_frames):
        before = alphas[t - 1]
        after = _log_sum(
            before, before[:-1] + graph.move, before[rows - 2] + skip, rows
        )
        after += emissions[t]
        np.subtract(after, after.max(axis=0), out=alphas[t])
    beta = graph.final.copy()
    for t in range(num_frames - 1, -1, -1):
        if t < num_frames - 1:
            # Backwards, in mirrored order, the graph looks the same.
            after = (beta + emissions[t + 1])[::-1]
            mirrored = len(beta) + 1 - rows
            skips = after[mirrored - 2] + skip
            beta = _log_sum(after, after[:-1] + graph.move, skips, mirrored)[::-1]
            beta = beta - beta.max(axis=0)
            beta = np.where(t == lengths - 1, graph.final, beta)
        posterior = alphas[t] + beta
        posterior -= posterior.max(axis=0)
        np.exp(posterior, out=posterior)
        np.divide(posterior, posterior.sum(axis=0), out=alphas[t])
    by_utterance = np.ascontiguousarray(alphas.transpose(2, 0, 1))
    for occupancy, path, length, target in zip(
        by_utterance, graph.paths, lengths, out, strict=True
    ):
        # Nodes of a state next to each other: their sums go where the state is.
        order = np.argsort(path, kind="stable")
        states, first = np.unique(path[order], return_index=True)
        occupancy = occupancy[:length].take(order, axis=1)
        target.fill(0)
        target[:, states] = np.add.reduceat(occupancy, first, axis=1)


def _log_sum(stay, move, skip, rows):
    """Returns log(exp(stay) + exp(move) + exp(skip)), `(nodes, batch)`."""
    peak = stay.copy()
    np.maximum(peak[1:], move, out=peak[1:])
    peak[rows] = np.maximum(peak[rows], skip)
    total = np.exp(stay - peak)
    total[1:] += np.exp(move - peak[1:])
    total[rows] += np.exp(skip - peak[rows])
    np.log(total, out=total)
    total += peak
    return total


def results_for(values, utterances, shape, dtype, padding):
    """Returns what to give back, and a view of it for the frames of each utterance."""
    if isinstance(values, (list, tuple)):
        result = [np.empty((len(u), *shape), dtype) for u in utterances]
        return result, result
    result = np.empty((*np.shape(values)[:2], *shape), dtype)
    for utterance, row in zip(utterances, result, strict=True):
        row[len(utterance) :] = padding
    return result, [r[: len(u)] for u, r in zip(utterances, result, strict=True)]
