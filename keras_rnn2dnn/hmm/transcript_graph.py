"""The states along transcripts, from left to right."""

from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.hmm.topology import NEVER, Topology
from keras_rnn2dnn.scoring.pairing import check_utterances
from keras_rnn2dnn.util.errors import invalid


def transcript_paths(
    transcripts: Sequence[str | Sequence[str]],
    topology: Topology,
    num_frames: Sequence[int],
) -> list[np.ndarray]:
    """Returns the states along each transcript, silences included: int arrays.

    Args:
        transcripts: for each utterance a sequence of words, or a string of words.
        topology: the states of the words.
        num_frames: the number of frames of each utterance.

    Returns:
        For each utterance the states `(nodes,)`, optional silences included.

    Raises:
        TypeError: if the transcripts are something else, such as a mapping or numbers.
        ValueError: if there is not one transcript for each utterance, a word is not
            in the vocabulary, or an utterance is too short for its states.
    """
    check_utterances(transcripts, "transcripts")
    if len(transcripts) != len(num_frames):
        expected = f"one transcript for each of the {len(num_frames)} utterances"
        received = f"{len(transcripts)} transcripts"
        raise ValueError(invalid("transcripts", expected, received))
    silence = np.full(int(topology.silence), topology.num_states - 1)
    paths = []
    for index, transcript in enumerate(transcripts):
        words = topology.states_of_transcript(transcript, index)
        needed, frames = max(1, sum(map(len, words))), num_frames[index]
        if not words and not topology.silence:
            expected = "at least one word, as the topology has no silence"
            raise ValueError(invalid(f"transcripts[{index}]", expected, transcript))
        if frames < needed:
            expected = (
                f"at least {needed} frames in utterance {index}, "
                f"one for each state of its transcript {transcript!r}"
            )
            hint = "Leave the utterance out, or use fewer states per unit"
            raise ValueError(invalid(f"num_frames[{index}]", expected, frames, hint))
        parts = [silence] + [part for states in words for part in (states, silence)]
        paths.append(np.concatenate(parts))
    return paths


class TranscriptGraph:
    """The paths of a batch as columns of nodes, from left to right, some optional.

    Args:
        paths: of `transcript_paths`, one for each utterance.
        topology: the states of the words.
        self_loop: probability of staying in a node from one frame to the next.
    """

    def __init__(self, paths: list[np.ndarray], topology: Topology, self_loop: float):
        self.paths = paths
        self.lengths = np.array([len(path) for path in paths])
        self.nodes = np.zeros((self.lengths.max(), len(paths)), np.int32)
        for column, path in enumerate(paths):
            self.nodes[: len(path), column] = path
        # Relative to staying, so that staying costs nothing and needs no addition.
        self.move = np.float32(np.log((1 - self_loop) / self_loop))
        optional = topology.silence & (self.nodes == topology.silence_state)
        allowed = (
            optional[1:-1] & (np.arange(2, len(self.nodes)) < self.lengths[:, None]).T
        )
        self.skip_rows = np.flatnonzero(allowed.any(axis=1)) + 2
        self.skip = np.where(allowed[self.skip_rows - 2], self.move, NEVER)
        # Both ends may lie beside an optional silence, unless there is nothing else.
        ends = 1 + (topology.silence & (self.lengths > 1))
        rows = np.arange(len(self.nodes))[:, None]
        last = self.lengths - 1
        self.start = np.where(rows < ends, np.float32(0), NEVER)
        final = (rows <= last) & (rows > last - ends)
        self.final = np.where(final, np.float32(0), NEVER)
