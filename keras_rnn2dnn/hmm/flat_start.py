"""First alignments from features and transcripts alone: Gaussian mixtures and HMM."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_rnn2dnn.hmm.alignment import viterbi
from keras_rnn2dnn.hmm.topology import Topology
from keras_rnn2dnn.hmm.transcript_graph import transcript_paths
from keras_rnn2dnn.hmm.utterances import Transcripts, as_utterances
from keras_rnn2dnn.util.errors import invalid, is_integer

_SELF_LOOP = 0.7
_SILENT_FRAMES = 3
_VARIANCE_FLOOR = 0.01
_FRAMES_PER_COMPONENT = 10
_SPLIT_STEPS, _UPDATE_STEPS = 8, 2
_CHUNK_FRAMES = 2**15
_CHUNK_ELEMENTS = 2**24  # frames times Gaussians at a time
_PART_ELEMENTS = 2**28  # frames times states that are aligned at a time


@dataclass(frozen=True, eq=False)
class GaussianMixtures:
    """One mixture of diagonal-covariance Gaussians for each state.

    Attributes:
        weights: float32 `(states, components)`, each row sums to 1.
        means: float32 `(states, components, observations)`.
        variances: float32 `(states, components, observations)`.
        cepstra: number of cepstral coefficients that are computed from the features,
            with their deltas; None takes the features as they are.
    """

    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray
    cepstra: int | None = None

    def log_likelihoods(
        self,
        features: np.ndarray | Sequence[np.ndarray],
        num_frames: np.ndarray | None = None,
    ) -> np.ndarray | list[np.ndarray]:
        """Computes the log-likelihood of every state in every frame.

        `log sum_c weight[c] N(x; mean[c], diag(variance[c]))`.

        Args:
            features: `(batch, frames, features)`, or a list of `(frames, features)`.
            num_frames: frames that count `(batch,)`; the others are padding at the
                end, and get zeros. Not with a list.

        Returns:
            float32 `(batch, frames, states)`, or a list of `(frames, states)`.

        Raises:
            ValueError: if a shape does not fit.

        Example:
            >>> one = np.ones((1, 1, 1), np.float32)
            >>> mixtures = GaussianMixtures(one[0], 0 * one, one)
            >>> mixtures.log_likelihoods([np.zeros((1, 1))])[0].round(4).tolist()
            [[-0.9189...]]
        """
        utterances = as_utterances(features, num_frames, "features")
        scores = self._log_likelihoods(_observations(utterances, self.cepstra))
        if isinstance(features, (list, tuple)):
            return scores
        result = np.zeros((*np.shape(features)[:2], len(self.weights)), np.float32)
        for row, score in zip(result, scores, strict=True):
            row[: len(score)] = score
        return result

    def _log_likelihoods(self, observations):
        """Returns `(frames, states)` for each of the `(frames, observations)`."""
        frames = np.concatenate(observations)
        states, components, size = self.means.shape
        if frames.shape[1] != size:
            received = f"{frames.shape[1]} numbers a frame"
            raise ValueError(invalid("features", f"{size} numbers a frame", received))
        # Expanding the square turns the work into matrix products; centred means
        # keep its float32 terms small. Components before states: quicker to sum over.
        centre = self.means.mean(axis=(0, 1))
        means = (self.means - centre).swapaxes(0, 1).reshape(-1, size)
        variances = self.variances.swapaxes(0, 1).reshape(-1, size)
        precisions = 1 / variances
        constants = np.log(np.maximum(self.weights.T.ravel(), 1e-30)) - 0.5 * (
            np.log(2 * np.pi * variances) + means**2 * precisions
        ).sum(axis=1)
        linear, square = (means * precisions).T, -0.5 * precisions.T
        scores = np.empty((len(frames), states), np.float32)
        chunk = max(1, min(_CHUNK_FRAMES, _CHUNK_ELEMENTS // (components * states)))
        for start in range(0, len(frames), chunk):
            x = frames[start : start + chunk] - centre
            parts = x @ linear + x**2 @ square + constants
            parts = parts.reshape(len(x), components, states)
            peak = parts.max(axis=1)
            total = np.exp(parts - peak[:, None]).sum(axis=1)
            scores[start : start + len(x)] = peak + np.log(total)
        return np.split(scores, np.cumsum([len(o) for o in observations])[:-1])


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
) -> FlatStart:
    """Aligns utterances from their transcripts alone (Viterbi training).

    Starts with equally long states and a short silence at both ends; then estimates
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
    utterances = as_utterances(features, num_frames, "features")
    for index, utterance in enumerate(utterances):
        if not np.isfinite(utterance).all():
            expected, received = "finite features", "NaN or infinity"
            raise ValueError(invalid(f"features[{index}]", expected, received))
    observations = _observations(utterances, cepstra)
    lengths = [len(utterance) for utterance in utterances]
    paths = transcript_paths(transcripts, topology, lengths)
    states = [_uniform(p, n, topology) for p, n in zip(paths, lengths, strict=True)]
    frames = np.concatenate(observations)
    rng = np.random.default_rng(seed)
    mixtures, history = None, []
    for iteration in range(iterations):
        count = components if iteration >= iterations // 3 else 1
        if mixtures is not None and mixtures.weights.shape[1] != count:
            mixtures = None
        assigned = np.concatenate(states)
        mixtures = _estimate(frames, assigned, topology, count, mixtures, cepstra, rng)
        weight = 0.0
        for part in _parts(lengths, topology.num_states):
            scores = mixtures._log_likelihoods(observations[part])
            aligned = viterbi(
                scores, transcripts[part], topology, _SELF_LOOP, states[part]
            )
            weight += aligned.sum()
        history.append(float(weight / len(frames)))
    if not isinstance(features, (list, tuple)):
        padding = topology.silence_state or 0
        result = np.full(np.shape(features)[:2], padding, np.int32)
        for row, path in zip(result, states, strict=True):
            row[: len(path)] = path
        states = result
    return FlatStart(mixtures, states, tuple(history))


def _parts(lengths, num_states):
    """Yields slices of utterances whose scores fit into memory together."""
    start, frames = 0, 0
    for index, length in enumerate(lengths):
        if frames and (frames + length) * num_states > _PART_ELEMENTS:
            yield slice(start, index)
            start, frames = index, 0
        frames += length
    yield slice(start, len(lengths))


def _observations(utterances, cepstra):
    """Returns the numbers that the Gaussians see, a list of `(frames, numbers)`."""
    if cepstra is None:
        return utterances
    size = utterances[0].shape[1]
    if not is_integer(cepstra):
        raise ValueError(invalid("cepstra", "an integer or None", cepstra))
    if not 1 <= cepstra <= size:
        expected = f"1 to {size}, the number of features, or None"
        raise ValueError(invalid("cepstra", expected, cepstra))
    angles = np.outer(np.arange(size) + 0.5, np.arange(cepstra)) * np.pi / size
    transform = np.cos(angles) * np.sqrt(2 / size)
    transform[:, 0] /= np.sqrt(2)
    transform = transform.astype(np.float32)
    observations = []
    for utterance in utterances:
        static = utterance @ transform
        static -= static.mean(axis=0) if len(static) else 0
        delta = np.gradient(static, axis=0) if len(static) > 1 else 0 * static
        observations.append(np.concatenate([static, delta], axis=1))
    return observations


def _uniform(path, num_frames, topology):
    """Gives each word state an equal share of the frames, silence a few at the ends."""
    if not topology.silence:
        return path[np.arange(num_frames) * len(path) // num_frames].astype(np.int32)
    states = path[path != topology.silence_state]
    result = np.full(num_frames, topology.silence_state, np.int32)
    if len(states):
        silent = min(_SILENT_FRAMES, num_frames // 10, (num_frames - len(states)) // 2)
        spoken = num_frames - 2 * silent
        share = np.arange(spoken) * len(states) // spoken
        result[silent : num_frames - silent] = states[share]
    return result


def _estimate(frames, states, topology, components, previous, cepstra, rng):
    """Estimates the mixtures from aligned frames, `previous` ones as the start."""
    num_states, size = topology.num_states, frames.shape[1]
    floor = _VARIANCE_FLOOR * frames.var(axis=0) + np.float32(1e-8)
    weights = np.full((num_states, components), 1 / components, np.float32)
    means = np.empty((num_states, components, size), np.float32)
    variances = np.empty_like(means)
    order = np.argsort(states, kind="stable")
    ends = np.cumsum(np.bincount(states, minlength=num_states))
    means[:] = frames.mean(axis=0)  # also of states that no frame is in
    variances[:] = np.maximum(frames.var(axis=0), floor)
    for state, own in enumerate(np.split(frames[order], ends[:-1])):
        if len(own):
            means[state] = own.mean(axis=0)
            variances[state] = np.maximum(own.var(axis=0), floor)
        if components == 1 or len(own) < components * _FRAMES_PER_COMPONENT:
            continue
        split = (
            previous is None
            or (previous.means[state] == previous.means[state, 0]).all()
        )
        if split:
            means[state] = own[rng.choice(len(own), components, replace=False)]
            mixture = weights[state], means[state], variances[state]
        else:
            parts = (previous.weights, previous.means, previous.variances)
            mixture = tuple(part[state] for part in parts)
        for _ in range(_SPLIT_STEPS if split else _UPDATE_STEPS):
            mixture = _em_step(own, mixture, floor)
        weights[state], means[state], variances[state] = mixture
    return GaussianMixtures(weights, means, variances, cepstra)


def _em_step(frames, mixture, floor):
    """Returns the mixture after one step of expectation-maximisation."""
    weights, means, variances = mixture
    joint = np.empty((len(frames), len(weights)), np.float32)
    for c, (mean, variance) in enumerate(zip(means, variances, strict=True)):
        constant = np.log(weights[c] + 1e-30) - 0.5 * np.log(variance).sum()
        joint[:, c] = constant - 0.5 * ((frames - mean) ** 2 @ (1 / variance))
    joint -= joint.max(axis=1, keepdims=True)
    shares = np.exp(joint)
    shares /= shares.sum(axis=1, keepdims=True)
    counts = shares.sum(axis=0)
    means, variances = means.copy(), variances.copy()
    for c, count in enumerate(counts):
        # A component without frames stays as it is, with weight 0.
        if count > 1e-3:
            means[c] = shares[:, c] @ frames / count
            variance = shares[:, c] @ (frames - means[c]) ** 2 / count
            variances[c] = np.maximum(variance, floor)
    return counts / counts.sum(), means, variances
