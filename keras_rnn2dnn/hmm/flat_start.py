"""First alignments from features and transcripts alone: Gaussian mixtures and HMM."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_rnn2dnn.hmm.gaussian_mixtures import (
    GaussianMixtures,
    estimate,
    observations_of,
)
from keras_rnn2dnn.hmm.topology import Topology
from keras_rnn2dnn.hmm.transcript_graph import transcript_paths
from keras_rnn2dnn.hmm.utterances import Transcripts, as_utterances
from keras_rnn2dnn.util.errors import invalid, is_integer

_SELF_LOOP = 0.7


@dataclass(frozen=True, eq=False)
class FlatStart:
    """What `flat_start` found.

    Attributes:
        mixtures: the Gaussian mixtures of the states.
        alignments: the state of every frame, int32 `(batch, frames)`, or a list of
            `(frames,)`; padding as in `align`.
        log_likelihood_per_frame: of the best paths, transitions included, after each
            iteration.
    """

    mixtures: GaussianMixtures
    alignments: np.ndarray | list[np.ndarray]
    log_likelihood_per_frame: tuple[float, ...]


def flat_start(
    features: np.ndarray | Sequence[np.ndarray],
    transcripts: Transcripts,
    topology: Topology,
    num_frames: np.ndarray | None = None,
    iterations: int = 10,
    components: int = 2,
    seed: int = 0,
    cepstra: int | None = 13,
    normalized: bool = False,
    silent_frames: int = 3,
) -> FlatStart:
    """Aligns utterances from their transcripts alone (Viterbi training).

    Starts with equally long states and a silence at both ends; then estimates
    Gaussian mixtures for the states and aligns again, in turn. The first third of the
    iterations has single Gaussians. A state with few frames keeps a single Gaussian;
    one without any is given the mean and variance of all frames.

    Args:
        features: `(batch, frames, features)`, or a list of `(frames, features)`.
        transcripts: for each utterance a sequence of words, or a string of words.
        topology: the states of the words.
        num_frames: frames that count `(batch,)`; the others are padding at the end.
            Not with a list.
        iterations: of estimating and aligning, >= 1.
        components: Gaussians for each state, >= 1.
        seed: of the random frames from which the components start.
        cepstra: number of cepstral coefficients, for log-mel features: an orthogonal
            DCT-II, minus its mean over the utterance, and its delta
            (`numpy.gradient`). None takes the features as they are.
        normalized: whether these are divided by their deviation in the utterance: for
            noisy ones of several words.
        silent_frames: at either end of an utterance, with which the first estimate
            begins; at most a tenth of its frames.

    Returns:
        Mixtures, alignments, and the log-likelihood of each iteration.

    Raises:
        ValueError: if a number or shape does not fit, a feature is not finite, a word
            is not in the vocabulary, or an utterance is too short for its transcript.

    Example:
        >>> features = np.array([[0, 0, 0, 0, 5, 5, 5, 9, 9, 9, 9, 0]])[..., None]
        >>> topology = Topology(("a", "b"), states_per_unit=1)
        >>> result = flat_start(features, ["a b"], topology, components=1, cepstra=None)
        >>> result.alignments[0].tolist()
        [2, 2, 2, 2, 0, 0, 0, 1, 1, 1, 1, 2]
    """
    for name, value in (("iterations", iterations), ("components", components)):
        if not is_integer(value) or value < 1:
            raise ValueError(invalid(name, "an integer >= 1", value))
    if not is_integer(silent_frames) or silent_frames < 0:
        raise ValueError(invalid("silent_frames", "an integer >= 0", silent_frames))
    utterances = as_utterances(features, num_frames, "features")
    for index, utterance in enumerate(utterances):
        if not np.isfinite(utterance).all():
            expected, received = "finite features", "NaN or infinity"
            raise ValueError(invalid(f"features[{index}]", expected, received))
    observations = observations_of(utterances, cepstra, normalized)
    lengths = [len(utterance) for utterance in utterances]
    paths = transcript_paths(transcripts, topology, lengths)
    states = [
        _uniform(p, n, topology, silent_frames)
        for p, n in zip(paths, lengths, strict=True)
    ]
    frames = np.concatenate(observations)
    rng = np.random.default_rng(seed)
    mixtures, history = None, []
    for iteration in range(iterations):
        count = components if iteration >= iterations // 3 else 1
        if mixtures is not None and mixtures.weights.shape[1] != count:
            mixtures = None
        assigned = np.concatenate(states)
        given = frames, assigned, topology, count, mixtures, rng
        mixtures = estimate(*given, cepstra=cepstra, normalized=normalized)
        given = observations, paths, topology, _SELF_LOOP, states
        weight = mixtures.best_paths(*given)
        history.append(weight / len(frames))
    if not isinstance(features, (list, tuple)):
        padding = topology.silence_state or 0
        result = np.full(np.shape(features)[:2], padding, np.int32)
        for row, path in zip(result, states, strict=True):
            row[: len(path)] = path
        states = result
    return FlatStart(mixtures, states, tuple(history))


def _uniform(path, num_frames, topology, silent_frames):
    """Gives each word state an equal share of the frames, silence a few at the ends."""
    if not topology.silence:
        return path[np.arange(num_frames) * len(path) // num_frames].astype(np.int32)
    states = path[path != topology.silence_state]
    result = np.full(num_frames, topology.silence_state, np.int32)
    if len(states):
        silent = min(silent_frames, num_frames // 10, (num_frames - len(states)) // 2)
        spoken = num_frames - 2 * silent
        share = np.arange(spoken) * len(states) // spoken
        result[silent : num_frames - silent] = states[share]
    return result
