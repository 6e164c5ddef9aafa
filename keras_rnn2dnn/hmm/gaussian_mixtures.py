"""Gaussian mixtures of states: their likelihoods, best paths, and estimation."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_rnn2dnn.hmm.alignment import viterbi
from keras_rnn2dnn.hmm.topology import Topology
from keras_rnn2dnn.hmm.transcript_graph import transcript_paths
from keras_rnn2dnn.hmm.utterances import Transcripts, as_utterances
from keras_rnn2dnn.util.errors import invalid, is_integer

_VARIANCE_FLOOR = 0.01
_SMALLEST_DEVIATION = 1e-3
_FRAMES_PER_COMPONENT = 10
_SPLIT_STEPS, _UPDATE_STEPS = 8, 2
_CHUNK_ELEMENTS = 2**22  # frames times Gaussians at a time
_PART_ELEMENTS = 2**26  # scores of nodes at a time


@dataclass(frozen=True, eq=False)
class GaussianMixtures:
    """One mixture of diagonal-covariance Gaussians for each state.

    Attributes:
        weights: float32 `(states, components)`, each row sums to 1.
        means: float32 `(states, components, observations)`.
        variances: float32 `(states, components, observations)`.
        cepstra: number of cepstral coefficients that are computed from the features,
            with their deltas; None takes the features as they are.
        normalized: whether these are divided by their deviation in the utterance.
    """

    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray
    cepstra: int | None = None
    normalized: bool = False

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
        observed = observations_of(utterances, self.cepstra, self.normalized)
        every = slice(None)
        scores = [self.scores(frames, every) for frames in observed]
        if isinstance(features, (list, tuple)):
            return scores
        result = np.zeros((*np.shape(features)[:2], len(self.weights)), np.float32)
        for row, score in zip(result, scores, strict=True):
            row[: len(score)] = score
        return result

    def align(
        self,
        features: Sequence[np.ndarray],
        transcripts: Transcripts,
        topology: Topology,
        self_loop: float = 0.7,
    ) -> list[np.ndarray]:
        """Finds the best paths, as `align` does of `log_likelihoods`.

        It computes them for the states of the transcripts alone, and so takes no longer
        for more states.

        Args:
            features: a list of `(frames, features)`.
            transcripts: for each utterance a sequence of words, or a string of words.
            topology: the states of the words.
            self_loop: probability of staying in a state from one frame to the next.

        Returns:
            The states of each, int32 `(frames,)`.

        Raises:
            ValueError: as `align`.

        Example:
            >>> one = np.ones((2, 1, 1), np.float32)
            >>> mixtures = GaussianMixtures(one[0], one * [[[0]], [[5]]], one)
            >>> topology = Topology(("a", "b"), states_per_unit=1, silence=False)
            >>> heard = np.array([[0], [1], [6]])
            >>> mixtures.align([heard], ["a b"], topology)[0].tolist()
            [0, 0, 1]
        """
        utterances = as_utterances(list(features), None, "features")
        observed = observations_of(utterances, self.cepstra, self.normalized)
        paths = transcript_paths(transcripts, topology, [len(u) for u in utterances])
        states = [np.empty(len(u), np.int32) for u in utterances]
        self.best_paths(observed, paths, topology, self_loop, states)
        return states

    def best_paths(self, observed, paths, topology, self_loop, out) -> float:
        """Writes the best path of each utterance to `out`; returns their weight.

        Args:
            observed: `(frames, observations)` of each.
            paths: of `transcript_paths`.
            topology: the states of the words.
            self_loop: probability of staying in a state from one frame to the next.
            out: int arrays `(frames,)`.
        """
        weight = 0.0
        for part in _parts(observed, paths):
            states = [np.unique(path, return_inverse=True) for path in paths[part]]
            scores = [
                self.scores(frames, chosen)
                for frames, (chosen, _) in zip(observed[part], states, strict=True)
            ]
            columns = [column for _, column in states]
            given = scores, paths[part], columns, topology, self_loop, out[part]
            weight += float(viterbi(*given).sum())
        return weight

    def scores(self, frames: np.ndarray, states: np.ndarray | slice) -> np.ndarray:
        """Returns the log-likelihoods of some states, float32 `(frames, states)`.

        Args:
            frames: observations, `(frames, observations)`.
            states: which of them.
        """
        centre, weights, constants = self._expanded
        size = len(centre)
        if frames.shape[1] != size:
            received = f"{frames.shape[1]} numbers a frame"
            raise ValueError(invalid("features", f"{size} numbers a frame", received))
        weights, constants = weights[:, states], constants[:, states]
        components, number = constants.shape
        weights = weights.reshape(components * number, 2 * size).T
        scores = np.empty((len(frames), number), np.float32)
        chunk = max(1, _CHUNK_ELEMENTS // (components * number))
        for start in range(0, len(frames), chunk):
            x = frames[start : start + chunk] - centre
            parts = np.concatenate([x, x**2], axis=1) @ weights
            parts = parts.reshape(len(x), components, number) + constants
            peak = parts.max(axis=1)
            parts -= peak[:, None]
            total = np.exp(parts, out=parts).sum(axis=1)
            scores[start : start + len(x)] = peak + np.log(total)
        return scores

    @functools.cached_property
    def _expanded(self):
        """Returns what turns the sums of squares into a product of matrices.

        The mean of all means, which is taken off to keep float32 terms small; weights
        of observations and their squares, `(components, states, 2 * observations)`;
        constants, `(components, states)`. Components come before states: quicker to sum
        over.
        """
        centre = self.means.mean(axis=(0, 1))
        means, precisions = self.means - centre, 1 / self.variances
        constants = np.log(np.maximum(self.weights, 1e-30)) - 0.5 * (
            np.log(2 * np.pi * self.variances) + means**2 * precisions
        ).sum(axis=2)
        weights = np.concatenate([means * precisions, -0.5 * precisions], axis=2)
        weights, constants = weights.swapaxes(0, 1), constants.T
        return centre, np.ascontiguousarray(weights), constants.astype(np.float32)


def _parts(observed, paths):
    """Yields slices of utterances whose scores fit into memory together."""
    start, elements = 0, 0
    for index, (frames, path) in enumerate(zip(observed, paths, strict=True)):
        if elements and elements + len(frames) * len(path) > _PART_ELEMENTS:
            yield slice(start, index)
            start, elements = index, 0
        elements += len(frames) * len(path)
    yield slice(start, len(paths))


def observations_of(utterances, cepstra, normalized=False):
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
        both = np.concatenate([static, delta], axis=1)
        if normalized and len(both):  # a constant stays 0
            both /= both.std(axis=0) + np.float32(_SMALLEST_DEVIATION)
        observations.append(both)
    return observations


def estimate(frames, states, topology, components, previous, rng, **observed):
    """Estimates the mixtures from aligned frames, `previous` ones as the start.

    A state with few frames keeps a single Gaussian; one without any is given the mean
    and variance of all frames.

    Args:
        frames: observations, `(frames, observations)`.
        states: of each frame, int `(frames,)`.
        topology: the states of the words.
        components: Gaussians for each state.
        previous: mixtures with as many, or None.
        rng: chooses the frames from which the components start.
        **observed: `cepstra` and `normalized` of `GaussianMixtures`.
    """
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
    return GaussianMixtures(weights, means, variances, **observed)


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
