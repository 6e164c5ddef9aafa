"""All paths through a loop of words, summed forward and back in blocks of frames.

The mass of all nodes moves on by a frame in as many steps as there are nodes: each
keeps some, gives some to the node after it, and what leaves the words is added up and
shared out again. XLA compiles a block of frames, once for a size of batch and loop, so
that a frame costs no overhead of operations.

Masses are of float64, a scale for each frame: scores of a frame may differ by 660.
"""

import functools

import numpy as np
import tensorflow as tf

from keras_rnn2dnn.util.xla import can_compile, compiled_by_xla

_FRAMES = 32  # of a block
_ROWS = 8  # the batch is padded to a multiple of it: few sizes are compiled
_POWER = 8  # of it float32 takes the root of odds, so that their range suffices
_UNDERFLOW = 1e-300
_LEAST = float(np.log(1e-290))


def summed_paths(scores, counted, weights, final):
    """Returns the log of the summed weights of all paths, and how to get occupancies.

    Args:
        scores: of the nodes but the last one, float32 `(batch, frames, nodes - 1)`.
        counted: whether a frame counts, `(batch, frames)`.
        weights: of the steps between nodes, see `LoopGraph`, float64 `(6, nodes)`.
        final: weights of the ends, float64 `(nodes,)`.

    Returns:
        `(totals, occupancies)`: float64 `(batch,)`, and a function without arguments
        that returns float32 `(batch, frames, nodes - 1)`, 0 where no frame counts.
    """
    peaks = tf.reduce_max(scores, axis=-1, keepdims=True)
    scales = tf.where(counted, tf.cast(peaks[..., 0], tf.float64), 0)
    blocks = _Blocks(tf.exp(tf.maximum(scores - peaks, _LEAST) / _POWER), counted)
    weights, nodes = tf.constant(weights), len(final)

    def onward(number, alpha, logs, starts):
        starts = starts.write(number, alpha)
        alpha, more = _compiled(_forward_block)(weights, *blocks[number], alpha)
        logs += tf.ensure_shape(more, (None,))
        return number + 1, tf.ensure_shape(alpha, (None, nodes)), logs, starts

    first = tf.one_hot(tf.fill((blocks.rows,), nodes - 1), nodes, dtype=tf.float64)
    starts = tf.TensorArray(tf.float64, blocks.number, element_shape=(None, nodes))
    begin = (0, first, tf.zeros((blocks.rows,), tf.float64), starts)
    _, last, logs, starts = _loop(
        lambda n, *_: n < blocks.number, onward, begin, blocks.number
    )
    logs += tf.math.log(tf.reduce_sum(last * final, axis=-1))
    totals = logs[: tf.shape(scores)[0]] + tf.reduce_sum(scales, axis=1)
    starts = starts.stack()  # XLA takes no array of tensors out of a condition
    return totals, lambda: _occupancies(blocks, starts, weights, final)


def _occupancies(blocks, starts, weights, final):
    """Returns what `summed_paths` promises; `starts` are the masses before blocks."""
    nodes = len(final)

    def back(number, beta, found):
        given = *blocks[number], starts[number], beta
        beta, occupied = _compiled(_backward_block)(weights, *given)
        beta = tf.ensure_shape(beta, (None, nodes))
        return number - 1, beta, found.write(number, occupied)

    ends = tf.broadcast_to(tf.constant(final), (blocks.rows, nodes))
    shape = (None, None, nodes)
    found = tf.TensorArray(tf.float32, blocks.number, element_shape=shape)
    begin = (blocks.number - 1, ends, found)
    _, _, found = _loop(lambda n, *_: n >= 0, back, begin, blocks.number)
    found = tf.reshape(found.stack(), (-1, blocks.rows, nodes))
    return tf.transpose(found[: blocks.frames, : blocks.batch, :-1], (1, 0, 2))


class _Blocks:
    """The frames of a batch in blocks of one size, padded by what does not count.

    Args:
        roots: of the odds, float32 `(batch, frames, nodes - 1)`.
        counted: whether a frame counts, `(batch, frames)`.
    """

    def __init__(self, roots, counted):
        self.batch, self.frames = tf.shape(counted)[0], tf.shape(counted)[1]
        self.rows, self.length, self.number = self.batch, self.frames, 1
        padding = [[0, 0], [0, 0]]
        if not compiled_by_xla():  # else all of it is compiled already
            self.rows, self.length = -(-self.batch // _ROWS) * _ROWS, _FRAMES
            self.number = -(-self.frames // _FRAMES)
            frames = self.number * _FRAMES
            padding = [[0, self.rows - self.batch], [0, frames - self.frames]]
        self._roots = tf.pad(roots, [*padding, [0, 1]])
        self._present = tf.pad(counted, padding)

    def __getitem__(self, number):
        """Returns `(rows, length, nodes)` and `(rows, length)` of a block."""
        if isinstance(self.number, int):
            return self._roots, self._present
        begin, size = (0, number * self.length), (self.rows, self.length)
        roots = tf.slice(self._roots, (*begin, 0), (*size, self._roots.shape[2]))
        return roots, tf.slice(self._present, begin, size)


def _loop(condition, body, begin, steps):
    options = {"parallel_iterations": 1, "maximum_iterations": steps}
    return tf.while_loop(condition, body, begin, **options)


@functools.cache
def _compiled(function):
    """Returns the function of a block, compiled where that can be."""
    return tf.function(function, jit_compile=True) if can_compile() else function


def _forward_block(weights, roots, present, alpha):
    """Returns the mass after a block, summing to 1, and the log of what it lost."""
    alphas, sizes = _forward(weights, roots, present, alpha)
    return alphas[-1], tf.reduce_sum(tf.math.log(sizes), axis=(0, 2))


def _backward_block(weights, roots, present, alpha, beta):
    """Returns the weight of all continuations before a block, and its occupancies.

    The masses of the block are computed once more: kept for all frames, they would
    take several times the memory of the scores.
    """
    stay, step, starts, silence = (weights[row] for row in (0, 1, 4, 5))
    leave, pause = weights[2], weights[3]
    alphas, _ = _forward(weights, roots, present, alpha)
    after = tf.roll(step, -1, axis=0)
    reached = stay + step + starts * tf.reduce_sum(leave)
    reached += silence * tf.reduce_sum(pause)
    sums = tf.stack([starts, silence, reached], axis=1)

    def move(t, beta, found):
        joint = alphas[t] * beta
        # Where all products underflow (paths of 700 nats less than the best start and
        # the best end allow), the occupancies of the frame are 0.
        total = tf.matmul(joint, one)
        counts = present[:, t, None]
        share = tf.where(counts & (total > _UNDERFLOW), 1 / total, 0)
        found = found.write(t, tf.cast(joint * share, tf.float32))
        mass = _odds(roots, t) * beta
        total = tf.matmul(mass, sums)
        before = mass * stay + tf.roll(mass, -1, axis=-1) * after
        before += total[:, :1] * leave + total[:, 1:2] * pause
        return t - 1, tf.where(counts, before * (1 / total[:, 2:]), beta), found

    one = tf.ones((alpha.shape[1], 1), tf.float64)
    frames = tf.shape(present)[1]
    found = tf.TensorArray(tf.float32, frames, element_shape=alpha.shape)
    begin = (frames - 1, beta, found)
    _, beta, found = _loop(lambda t, *_: t >= 0, move, begin, frames)
    return beta, found.stack()


def _forward(weights, roots, present, alpha):
    """Returns the mass of each node in each frame, and what a frame's was divided by.

    `(frames, batch, nodes)`, summing to 1, and `(frames, batch, 1)`.
    """
    stay, step, starts, silence = (weights[row] for row in (0, 1, 4, 5))
    sums = tf.stack([weights[2], weights[3], tf.ones_like(stay)], axis=1)

    def move(t, alpha, shared, alphas, sizes):
        reached = alpha * stay + tf.roll(alpha, 1, axis=-1) * step
        reached += shared[:, :1] * starts + shared[:, 1:2] * silence
        reached *= _odds(roots, t)
        counts = present[:, t, None]
        total = tf.matmul(reached, sums)
        size = tf.where(counts, total[:, 2:], 1)
        alpha = tf.where(counts, reached * (1 / size), alpha)
        shared = tf.where(counts, total * (1 / size), shared)
        return t + 1, alpha, shared, alphas.write(t, alpha), sizes.write(t, size)

    frames = tf.shape(present)[1]
    arrays = [
        tf.TensorArray(tf.float64, frames, element_shape=(alpha.shape[0], width))
        for width in (alpha.shape[1], 1)
    ]
    begin = (0, alpha, tf.matmul(alpha, sums), *arrays)
    *_, alphas, sizes = _loop(lambda t, *_: t < frames, move, begin, frames)
    return alphas.stack(), sizes.stack()


def _odds(roots, t):
    """Returns the odds of the nodes in a frame, float64 `(batch, nodes)`."""
    odds = tf.cast(roots[:, t], tf.float64)
    for _ in range(3):  # to the eighth power
        odds *= odds
    return odds
