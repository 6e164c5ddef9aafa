"""Hard and soft alignments of utterances with their transcripts.

The path of an utterance runs from left to right through the states of its words;
silence is optional between words and at both ends. With the scores `s[t, state]` and
the probability `a` of a self-loop, a path `j[0], ..., j[T - 1]` weighs

    sum_t scale * s[t, j[t]] + stays * log(a) + moves * log(1 - a)

where skipping an optional silence is one move (Rabiner, "A tutorial on hidden Markov
models", 1989, with the transition probabilities tied).
"""

import functools
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.hmm.occupancies import emissions_of, occupancies, results_for
from keras_rnn2dnn.hmm.topology import Topology
from keras_rnn2dnn.hmm.transcript_graph import TranscriptGraph, transcript_paths
from keras_rnn2dnn.hmm.utterances import (
    Transcripts,
    as_utterances,
    batches,
    check_scores,
    check_self_loop,
)
from keras_rnn2dnn.util.errors import invalid


def align(
    log_scores: np.ndarray | Sequence[np.ndarray],
    transcripts: Transcripts,
    topology: Topology,
    num_frames: np.ndarray | None = None,
    self_loop: float = 0.7,
) -> np.ndarray | list[np.ndarray]:
    """Finds the best path through each transcript (Viterbi): one state a frame.

    Args:
        log_scores: log-posteriors or log-likelihoods `(batch, frames, states)`, or a
            list of `(frames, states)`. A constant per frame changes nothing.
        transcripts: for each utterance a sequence of words, or a string of words.
        topology: the states of the words.
        num_frames: frames that count `(batch,)`; the others are padding at the end.
            Not with a list.
        self_loop: probability of staying in a state from one frame to the next.

    Returns:
        States, int32 `(batch, frames)`, or a list of `(frames,)`. Padding frames hold
        the silence state, or 0 without silence.

    Raises:
        ValueError: if shapes do not fit, a score is NaN or positive infinity, a word
            is not in the vocabulary, or an utterance has fewer frames than its
            transcript has states.

    Example:
        >>> topology = Topology(("a", "b"), states_per_unit=1)
        >>> scores = np.log([[0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
        >>> align([scores], ["a b"], topology)[0].tolist()
        [0, 0, 1]
    """
    utterances = as_utterances(log_scores, num_frames, "log_scores")
    check_scores(utterances, topology.num_states, "log_scores")
    fill = topology.silence_state or 0
    result, views = results_for(log_scores, utterances, (), np.int32, fill)
    check_self_loop(self_loop)
    paths = transcript_paths(transcripts, topology, [len(u) for u in utterances])
    viterbi(utterances, paths, paths, topology, self_loop, views)
    return result


def forward_backward(
    log_scores: np.ndarray | Sequence[np.ndarray],
    transcripts: Transcripts,
    topology: Topology,
    num_frames: np.ndarray | None = None,
    scale: float = 1.0,
    self_loop: float = 0.7,
) -> np.ndarray | list[np.ndarray]:
    """Computes the posterior of every state in every frame, given the transcript.

    With `Z` the sum of `exp(weight)` over all paths of the transcript (the weight is
    the one of the module), the posterior is `d log Z / d (scale * log_scores)`.

    Args:
        log_scores: log-posteriors or log-likelihoods `(batch, frames, states)`, or a
            list of `(frames, states)`. A constant per frame changes nothing.
        transcripts: for each utterance a sequence of words, or a string of words.
        topology: the states of the words.
        num_frames: frames that count `(batch,)`; the others are padding at the end.
            Not with a list.
        scale: factor on the scores, > 0; below 1 the posteriors are softer.
        self_loop: probability of staying in a state from one frame to the next.

    Returns:
        Posteriors, float32 `(batch, frames, states)`, or a list of
        `(frames, states)`; each frame sums to 1. Padding frames are 1 for the silence
        state (for state 0 without silence).

    Raises:
        ValueError: as `align`, or if `scale` is not positive.

    Example:
        >>> topology = Topology(("a", "b"), states_per_unit=1, silence=False)
        >>> posteriors = forward_backward(np.zeros((1, 3, 2)), ["a b"], topology)
        >>> posteriors[0].round(2).tolist()
        [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    """
    utterances = as_utterances(log_scores, num_frames, "log_scores")
    check_scores(utterances, topology.num_states, "log_scores")
    if not scale > 0:
        raise ValueError(invalid("scale", "a number > 0", scale))
    check_self_loop(self_loop)
    paths = transcript_paths(transcripts, topology, [len(u) for u in utterances])
    graph_of = functools.partial(
        TranscriptGraph, topology=topology, self_loop=self_loop
    )
    padding_state = topology.silence_state or 0
    return occupancies(log_scores, utterances, paths, graph_of, padding_state, scale)


def viterbi(
    utterances: list[np.ndarray],
    paths: list[np.ndarray],
    columns: list[np.ndarray],
    topology: Topology,
    self_loop: float,
    out: list[np.ndarray],
) -> np.ndarray:
    """Writes the best path of each utterance to `out`; returns their weights.

    Args:
        utterances: log-scores, a list of `(frames, X)`.
        paths: of `transcript_paths`, `(nodes,)` each.
        columns: in which the scores of these nodes are, int `(nodes,)` each.
        topology: the states of the words.
        self_loop: probability of staying in a state from one frame to the next.
        out: int arrays `(frames,)` that receive the states.

    Returns:
        The weight of each best path, float64 `(batch,)`.
    """
    weights = np.zeros(len(utterances))
    for indices in batches([len(u) for u in utterances], max(map(len, paths))):
        graph = TranscriptGraph([paths[i] for i in indices], topology, self_loop)
        emissions, peaks = emissions_of(
            [utterances[i] for i in indices], [columns[i] for i in indices]
        )
        lengths = np.array([len(utterances[i]) for i in indices])
        best = _best_paths(emissions, graph, lengths, [out[i] for i in indices])
        weights[indices] = best + peaks + (lengths - 1) * np.log(self_loop)
    return weights


def _best_paths(emissions, graph, lengths, out):
    """Viterbi; `emissions` become the scores of the best path to each node."""
    num_frames, num_nodes, batch = emissions.shape
    back = np.zeros(emissions.shape, np.int8)
    emissions[0] += graph.start
    rows, skip = graph.skip_rows, graph.skip
    candidate = np.empty((num_nodes - 1, batch), np.float32)
    best = np.empty((num_nodes, batch), np.float32)
    for t in range(1, num_frames):
        before = emissions[t - 1]
        np.add(before[:-1], graph.move, out=candidate)
        np.greater(candidate, before[1:], out=back[t, 1:].view(bool))
        best[0] = before[0]
        np.maximum(candidate, before[1:], out=best[1:])
        if rows.size:
            jump, stay = before[rows - 2] + skip, best[rows]
            back[t, rows] = np.where(jump > stay, np.int8(2), back[t, rows])
            best[rows] = np.maximum(jump, stay)
        emissions[t] += best
    columns = np.arange(batch)
    final = emissions[lengths - 1, :, columns].T + graph.final
    last = final.argmax(axis=0)
    states = np.empty((batch, num_frames), np.int32)
    node = np.zeros(batch, np.intp)
    for t in range(num_frames - 1, -1, -1):
        node = np.where(t == lengths - 1, last, node)
        states[:, t] = graph.nodes[node, columns]
        node -= back[t, node, columns]
    for path, length, target in zip(states, lengths, out, strict=True):
        target[:] = path[:length]
    return final.max(axis=0).astype(np.float64)
