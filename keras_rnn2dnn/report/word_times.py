"""When words were said or heard: spans of a state path, and where paths differ."""

from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn import hmm


def word_spans(
    logits: np.ndarray, words: Sequence[str], topology: hmm.Topology
) -> list[tuple[str, int, int]]:
    """Aligns words with the posteriors of a model.

    Args:
        logits: of an utterance, `(frames, states)`.
        words: what is to be aligned, in order.
        topology: of the words.

    Returns:
        Each word with its first frame and the one after its last.

    Raises:
        ValueError: if the utterance is too short for the words, or one is unknown.

    Example:
        >>> topology = hmm.Topology(("a", "b"), states_per_unit=1)
        >>> logits = np.log([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1]])
        >>> word_spans(logits, ["a", "b"], topology)
        [('a', 0, 1), ('b', 2, 3)]
    """
    if not words:
        return []
    return spans_of_path(hmm.align([logits], [words], topology)[0], words, topology)


def spans_of_path(
    path: np.ndarray, words: Sequence[str], topology: hmm.Topology
) -> list[tuple[str, int, int]]:
    """Returns each word with its first frame and the one after its last.

    Args:
        path: state of each frame, along the words.
        words: in order.
        topology: of the words.
    """
    chains = topology.states_of_transcript(words)
    nodes = [(n, state) for n, chain in enumerate(chains) for state in chain.tolist()]
    starts, ends, place, before = [0] * len(words), [0] * len(words), -1, None
    for frame, state in enumerate(path.tolist()):
        if state != topology.silence_state:
            if state != before:
                place += 1
                while nodes[place][1] != state:  # a word of one state, said twice
                    place += 1
                if place == 0 or nodes[place][0] != nodes[place - 1][0]:
                    starts[nodes[place][0]] = frame
            ends[nodes[place][0]] = frame + 1
        before = state
    return list(zip(words, starts, ends, strict=True))


def stretches(marks: np.ndarray) -> list[tuple[int, int]]:
    """Returns first frame and the one after the last of each run of True.

    Example:
        >>> stretches(np.array([True, True, False, True]))
        [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(np.pad(marks.astype(np.int8), 1)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
