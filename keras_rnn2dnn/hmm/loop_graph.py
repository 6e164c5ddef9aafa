"""The word loop as a matrix of transitions: all of its paths summed, with gradients."""

import functools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_rnn2dnn.batches import map_by_length
from keras_rnn2dnn.errors import invalid
from keras_rnn2dnn.hmm.decoding import WordLoopDecoder

# A path may end inside of a word at this weight, so that some path always ends.
_ENDS_ANYWHERE = 1e-12
_SMALLEST = 1e-290  # of float64: scores may differ by 660 within a frame


class LoopGraph:
    """Sums over all state paths through the word loop of a decoder.

    A path weighs what it does in `WordLoopDecoder`. The graph is a dense matrix of the
    states of all words, so that a frame costs the square of their number.

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
        chains = [topology.states_of(word) for word in topology.words]
        last = np.cumsum([len(chain) for chain in chains]) - 1
        first = last - [len(chain) - 1 for chain in chains]
        silence = [topology.num_states - 1] * topology.silence
        self.states = np.concatenate([*chains, silence]).astype("int32")
        self.matrix = self._transitions(first, last)
        final = np.full(len(self.states) + 1, _ENDS_ANYWHERE)
        final[last] = final[-1] = 1.0
        if topology.silence:
            final[-2] = 1.0
        self.final = final

    def _transitions(self, first, last):
        """Returns weights from node to node; the last node stands before the start."""
        stay, move = self.decoder.self_loop, 1 - self.decoder.self_loop
        enter = np.exp(self.decoder.insertion_penalty)
        begin = len(self.states)
        matrix = np.zeros((begin + 1, begin + 1))
        matrix[:begin, :begin] = np.diag(np.full(begin, stay))
        inner = np.setdiff1d(np.arange(last[-1]), last)
        matrix[inner, inner + 1] = move
        matrix[np.ix_(last, first)] += move * enter
        matrix[begin, first] = enter
        if self.decoder.topology.silence:
            silence = begin - 1
            matrix[last, silence] = move
            matrix[silence, first] = move * enter
            matrix[begin, silence] = 1.0
        return matrix

    def scores(self, logits) -> tf.Tensor:
        """Returns logits `(..., states)` less the priors as the decoder scales them."""
        scores = tf.cast(logits, "float32")
        if self.decoder.prior_scale:
            scores -= self.decoder.prior_scale * self.decoder.log_priors
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
        totals = _log_sum(
            scores, counted, tf.constant(self.matrix), tf.constant(self.final)
        )
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


@tf.custom_gradient
def _log_sum(scores, counted, matrix, final):
    """Sums all paths, forward; backward, on demand, the occupancies of the nodes.

    Args:
        scores: of the nodes, `(batch, frames, nodes)`.
        counted: 1 where a frame counts, else 0, `(batch, frames)`.
        matrix: weights from node to node, and from the one before the start.
        final: weights of the ends.
    """
    peaks = tf.reduce_max(scores, axis=-1)
    odds = tf.maximum(tf.exp(scores - peaks[..., None]), _SMALLEST)
    odds = tf.transpose(tf.pad(odds, [[0, 0], [0, 0], [0, 1]]), (1, 0, 2))
    present = tf.transpose(counted)[..., None] > 0
    alphas, sizes = _forward(odds, present, matrix)
    ends = tf.reduce_sum(alphas[-1] * final, axis=-1)
    totals = tf.reduce_sum(tf.where(counted > 0, peaks, 0), axis=1)
    totals += tf.math.log(ends) + tf.reduce_sum(tf.math.log(sizes), axis=0)[:, 0]

    def gradient(upstream):
        last = tf.broadcast_to(final, tf.shape(alphas[-1]))
        # Where all products underflow (paths of 700 nats less than the best start and
        # the best end allow), the occupancies of the frame are 0.
        joint = alphas * _backward(odds, present, matrix, last)
        occupied = tf.math.divide_no_nan(joint, tf.reduce_sum(joint, -1, True))
        occupied = tf.where(present, occupied, 0)[..., :-1]
        by_utterance = tf.transpose(occupied, (1, 0, 2))
        return by_utterance * upstream[:, None, None], None, None, None

    return totals, gradient


def _forward(odds, present, matrix):
    """Returns the mass of each node, every frame summing to 1, and what it summed to.

    `(frames, batch, nodes)` and `(frames, batch, 1)`.
    """
    frames, batch, nodes = (tf.shape(odds)[axis] for axis in range(3))
    start = tf.one_hot(tf.fill((batch,), nodes - 1), nodes, dtype=odds.dtype)
    arrays = [tf.TensorArray(odds.dtype, frames) for _ in range(2)]

    def step(t, alpha, alphas, sizes):
        reached = tf.matmul(alpha, matrix) * odds[t]
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


def _backward(odds, present, matrix, last):
    """Returns the weight of all continuations, each frame on a scale of its own.

    On one scale they overflow where a student is very sure, and wrong.
    """
    frames = tf.shape(odds)[0]

    def step(t, beta, betas):
        betas = betas.write(t, beta)
        before = tf.matmul(odds[t] * beta, matrix, transpose_b=True)
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
