"""Soft alignments that know the transcript, for the store."""

import functools
import zlib
from collections.abc import Callable

import numpy as np

from keras_rnn2dnn.hmm.alignment import forward_backward
from keras_rnn2dnn.hmm.occupancies import transcript_transform
from keras_rnn2dnn.hmm.topology import Topology
from keras_rnn2dnn.hmm.utterances import Transcripts


def constrained(
    topology: Topology, scale: float = 1.0, self_loop: float = 0.7
) -> Callable[[list[np.ndarray], Transcripts], list[np.ndarray]]:
    """Returns a transform of soft alignments: `forward_backward` over the transcripts.

    Args:
        topology: the states of the words.
        scale: see `forward_backward`.
        self_loop: see `forward_backward`.

    Returns:
        A function of lists of log-posteriors `(frames, states)` and of transcripts,
        to the log of the posteriors given the transcripts; for `SoftAlignments.write`.

    Example:
        >>> topology = Topology(("a", "b"), states_per_unit=1, silence=False)
        >>> transform = constrained(topology)
        >>> np.exp(transform([np.zeros((3, 2))], ["a b"])[0]).round(2).tolist()
        [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    """
    states = f"{topology.num_states} states {zlib.crc32(repr(topology).encode()):08x}"
    return transcript_transform(
        functools.partial(
            forward_backward, topology=topology, scale=scale, self_loop=self_loop
        ),
        f"forward_backward({states}, scale={scale}, self_loop={self_loop})",
    )
