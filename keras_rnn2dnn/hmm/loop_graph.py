"""The word loop as a graph of transitions: all of its paths summed, with gradients."""

import functools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_rnn2dnn.batches.predicting import map_by_length
from keras_rnn2dnn.hmm.decoding import WordLoopDecoder
from keras_rnn2dnn.util.errors import invalid

# A path may end inside of a word at this weight, so that some path always ends.
_ENDS_ANYWHERE = 1e-12
_FEW = 512  # nodes, up to which one product of matrices is faster than several steps
_SMALLEST = 1e-290  # of float64: scores may differ by 660 within a frame


class LoopGraph:
    """Sums over all state paths through the word loop of a decoder.

    A path weighs what it does in `WordLoopDecoder`. As every word enters all others
    alike, a frame costs no more than there are states of all words.

    Args:
        decoder: gives topology, priors and their scale, penalty and self-loop.

    Raises:
        ValueError: if the decoder has a bigram.

    Example:
        >>> from keras_rnn2dnn.hmm import Topology
        >>> topology = Topology(("a", "b"), states_per_unit=1, silence=False)
        >>> graph = LoopGraph(WordLoopDecoder(topology, self_loop=0.6))
        >>> (occupancies,) = graph.occupancies([np.log([[0.9, 0.1], [0.5, 0.5]])])
        >>> occupancies.round(2).tolist()
        [[0.8..., 0.1...], [0.67..., 0.33...]]
    """

    def __init__(self, decoder: WordLoopDecoder):
        if decoder.bigram is not None:
            hint = "Its paths remember words: leave it out here"
            raise ValueError(invalid("decoder", "none with a bigram", "a bigram", hint))
        self.decoder = decoder
        topology = decoder.topology
        chains = topology.chains
        last = np.cumsum([len(chain) for chain in chains]) - 1
        first = last - [len(chain) - 1 for chain in chains]
        silence = [topology.num_states - 1] * topology.silence
        self.states = np.concatenate([*chains, silence]).astype("int32")
        self._weights = self._transitions(first, last)
        final = np.full(len(self.states) + 1, _ENDS_ANYWHERE)
        final[last] = final[-1] = 1.0
        if topology.silence:
            final[-2] = 1.0
        self.final = final

    def _transitions(self, first, last):
        """Returns weights of the nodes; the last node stands before the start.

        `(6, nodes)`: of staying; of coming from the node before; of leaving for the
        start of a word, and for silence; whether a node is either.
        """
        move, enter = 1 - self.decoder.self_loop, np.exp(self.decoder.insertion_penalty)
        weights = np.zeros((6, len(self.states) + 1))
        stay, step, leave, pause, starts, silence = weights
        stay[:-1] = self.decoder.self_loop
        step[: last[-1] + 1] = move
        step[first] = 0
        leave[last], leave[-1], starts[first] = move * enter, enter, 1
        if self.decoder.topology.other:
            penalties = self.decoder.other_penalty, self.decoder.insertion_penalty
            starts[first[-1]] = np.exp(penalties[0] - penalties[1])
        if self.decoder.topology.silence:
            leave[-2] = move * enter
            pause[last], pause[-1], silence[-2] = move, 1, 1
        return weights

    @property
    def matrix(self) -> np.ndarray:
        """Weights from node to node, `(nodes, nodes)`; the last is before the start."""
        stay, step = self._weights[:2]
        shared = self._weights[2:4].T @ self._weights[4:]
        return np.diag(stay) + np.diag(step[1:], 1) + shared

    def _steps(self):
        """Returns what moves the mass of all nodes on by a frame, and back."""
        if len(self.final) <= _FEW:
            matrix = tf.constant(self.matrix)
            onward = functools.partial(tf.matmul, b=matrix)
            return onward, functools.partial(tf.matmul, b=matrix, transpose_b=True)
        weights = tf.constant(self._weights)
        onward = functools.partial(_onward, weights=weights)
        return onward, functools.partial(_back, weights=weights)

    def scores(self, logits) -> tf.Tensor:
        """Returns logits `(..., states)` less the priors as the decoder scales them."""
        scores = tf.cast(logits, "float32")
        if self.decoder.prior_scale:
            scores -= self.decoder.prior_scale * self.decoder.log_priors
        if self.decoder.other_bias:
            topology = self.decoder.topology
            bias = self.decoder.other_bias
            scores += bias * tf.one_hot(topology.other_state, topology.num_states)
        return scores

    def log_sum(self, logits, weights) -> tf.Tensor:
        """Returns the log of the summed weights of all paths of each utterance.

        Args:
            logits: logits or log-posteriors `(batch, frames, states)`.
            weights: a frame without weight is left out, `(batch, frames)`.

        Returns:
            float32 `(batch,)`; its gradient by the logits is the occupancy of each
            state in each frame.
        """
        counted = tf.cast(tf.cast(weights, "float32") > 0, "float32")
        scores = tf.gather(self.scores(logits), self.states, axis=-1)
        scores = tf.cast(scores, "float64")  # products of many frames need its range
        totals = _log_sum(self._steps(), tf.constant(self.final), scores, counted)
        return tf.cast(totals, "float32")

    def occupancies(self, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns the posterior of every state given all paths through the loop.

        Args:
            outputs: logits or log-posteriors `(frames, states)` of each utterance.

        Returns:
            float32 `(frames, states)` for each; every frame sums to 1.
        """
        spoken = [output for output in outputs if len(output)]
        found = iter(map_by_length(self._occupancies, spoken))
        silent = np.zeros((0, self.decoder.topology.num_states), "float32")
        return [next(found) if len(output) else silent for output in outputs]

    @functools.cached_property
    def _occupancies(self):
        def of_batch(logits):
            with tf.GradientTape() as tape:
                tape.watch(logits)
                total = self.log_sum(logits, tf.ones(tf.shape(logits)[:2]))
            return tape.gradient(total, logits)

        shape = None, None, self.decoder.topology.num_states
        return tf.function(of_batch, input_signature=[tf.TensorSpec(shape)])


def _log_sum(steps, final, scores, counted):
    """Sums all paths, forward; backward, on demand, the occupancies of the nodes.

    Args:
        steps: of `LoopGraph`, onward and back.
        final: weights of the ends.
        scores: of the nodes, `(batch, frames, nodes)`.
        counted: 1 where a frame counts, else 0, `(batch, frames)`.
    """
    summed = tf.custom_gradient(lambda *values: _with_gradient(steps, final, *values))
    return summed(scores, counted)


def _with_gradient(steps, final, scores, counted):
    onward, back = steps
    peaks = tf.reduce_max(scores, axis=-1)
    odds = tf.maximum(tf.exp(scores - peaks[..., None]), _SMALLEST)
    odds = tf.transpose(tf.pad(odds, [[0, 0], [0, 0], [0, 1]]), (1, 0, 2))
    present = tf.transpose(counted)[..., None] > 0
    alphas, sizes = _forward(odds, present, onward)
    ends = tf.reduce_sum(alphas[-1] * final, axis=-1)
    totals = tf.reduce_sum(tf.where(counted > 0, peaks, 0), axis=1)
    totals += tf.math.log(ends) + tf.reduce_sum(tf.math.log(sizes), axis=0)[:, 0]

    def gradient(upstream):
        last = tf.broadcast_to(final, tf.shape(alphas[-1]))
        # Where all products underflow (paths of 700 nats less than the best start and
        # the best end allow), the occupancies of the frame are 0.
        joint = alphas * _backward(odds, present, back, last)
        occupied = tf.math.divide_no_nan(joint, tf.reduce_sum(joint, -1, True))
        occupied = tf.where(present, occupied, 0)[..., :-1]
        by_utterance = tf.transpose(occupied, (1, 0, 2))
        return by_utterance * upstream[:, None, None], None

    return totals, gradient


def _onward(mass, weights):
    """Returns `mass` times the matrix of `LoopGraph`, by its weights."""
    shared = tf.matmul(tf.matmul(mass, weights[2:4], transpose_b=True), weights[4:])
    return mass * weights[0] + tf.roll(mass, 1, axis=-1) * weights[1] + shared


def _back(mass, weights):
    """Returns `mass` times the turned matrix."""
    shared = tf.matmul(tf.matmul(mass, weights[4:], transpose_b=True), weights[2:4])
    before = tf.roll(mass * weights[1], -1, axis=-1)
    return mass * weights[0] + before + shared


def _forward(odds, present, onward):
    """Returns the mass of each node, every frame summing to 1, and what it summed to.

    `(frames, batch, nodes)` and `(frames, batch, 1)`.
    """
    frames, batch, nodes = (tf.shape(odds)[axis] for axis in range(3))
    start = tf.one_hot(tf.fill((batch,), nodes - 1), nodes, dtype=odds.dtype)
    arrays = [tf.TensorArray(odds.dtype, frames) for _ in range(2)]

    def step(t, alpha, alphas, sizes):
        reached = onward(alpha) * odds[t]
        size = tf.reduce_sum(reached, axis=-1, keepdims=True)
        alpha = tf.where(present[t], reached / size, alpha)
        size = tf.where(present[t], size, 1)
        return t + 1, alpha, alphas.write(t, alpha), sizes.write(t, size)

    _, _, alphas, sizes = tf.while_loop(
        lambda t, *_: t < frames,
        step,
        (0, start, *arrays),
        parallel_iterations=1,
        maximum_iterations=frames,
    )
    alphas = tf.ensure_shape(alphas.stack(), odds.shape)
    return alphas, tf.ensure_shape(sizes.stack(), (*odds.shape[:2], 1))


def _backward(odds, present, back, last):
    """Returns the weight of all continuations, each frame on a scale of its own.

    On one scale they overflow where a student is very sure, and wrong.
    """
    frames = tf.shape(odds)[0]

    def step(t, beta, betas):
        betas = betas.write(t, beta)
        before = back(odds[t] * beta)
        before /= tf.reduce_sum(before, axis=-1, keepdims=True)
        return t - 1, tf.where(present[t], before, beta), betas

    _, _, betas = tf.while_loop(
        lambda t, *_: t >= 0,
        step,
        (frames - 1, last, tf.TensorArray(odds.dtype, frames)),
        parallel_iterations=1,
        maximum_iterations=frames,
    )
    return tf.ensure_shape(betas.stack(), odds.shape)
