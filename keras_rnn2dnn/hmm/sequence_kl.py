"""Sequence-level distillation: divergence between paths through the word loop."""

import math
from collections.abc import Mapping

import keras
import tensorflow as tf
from keras import ops

from keras_rnn2dnn.distillation.dense_kl import posteriors
from keras_rnn2dnn.distillation.losses import ScheduledNumber, as_logits, frame_kl
from keras_rnn2dnn.distillation.top_k import dense_of_kept, is_top_k
from keras_rnn2dnn.hmm.decoding import WordLoopDecoder
from keras_rnn2dnn.hmm.loop_graph import LoopGraph
from keras_rnn2dnn.hmm.topology import Topology
from keras_rnn2dnn.util.errors import invalid


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class SequenceKL(keras.losses.Loss):
    """Divergence of the student's paths through the word loop from the teacher's.

    With the teacher's occupancies `g[t, k]`, the student's scores `s[t, k]` and the sum
    `Z` of `exp(score)` over all paths through the loop, per utterance

        log Z - sum_t sum_k g[t, k] * s[t, k]

    which is the KL divergence between distributions of paths, less what does not depend
    on the student; its gradient is the student's occupancies less the teacher's (Wong
    and Gales, "Sequence student-teacher training of deep neural networks", 2016). With
    the alignment of a transcript as `g` it is lattice-free MMI (Povey et al., "Purely
    sequence-trained neural networks for ASR based on lattice-free MMI", 2016). Decode
    with little prior scaling what was trained so.

    Frames without weight are cut out of the paths: let them be at the ends.

    With `boost`, `Z` is the sum of `exp(score - boost * sum_t g[t, state])`: paths that
    have more in common with the teacher's count less there, so that the student must
    beat the others by a margin (Povey et al., "Boosted MMI for model and feature-space
    discriminative training", 2008).

    On transcribed strings a boost of 1 took 16.1 % off the word errors of the same
    targets learnt frame by frame, no boost 3.4 %; for new speakers, in one round, what
    it took off is within chance (docs/results_0_1.md).

    Args:
        decoder: the loop: its topology, priors and their scale, insertion penalty and
            self-loop.
        frame_share: share of the frame-wise KL divergence beside it, from 0 to 1. It
            may be set anew during the training.
        boost: what a frame in common with the teacher's paths takes off a path in `Z`,
            from 0.
        from_logits: whether `y_pred` holds logits; otherwise probabilities.
        teacher_from_logits: whether `y_true` holds logits; otherwise probabilities.
        reduction: as of `keras.losses.Loss`.
        name: name of the loss.
        dtype: ignored by the computation, which is in float32.

    Call arguments:
        y_true: occupancies or their logarithms, `(batch, frames, states)`; or the
            targets of the k best, `(batch, frames, 2, k + 1)`, of which only those are
            counted.
        y_pred: student's logits or probabilities, `(batch, frames, states)`.

    Returns:
        `(batch, frames)` from `call`: the terms of each frame, with an equal part of
        `log Z`. The Distiller leaves padding out; other callers of `call` count all
        frames.

    Raises:
        ValueError: if the decoder has a bigram, `frame_share` or `boost` is out of its
            range, or a student has other classes than the topology has states.

    Example:
        >>> from keras_rnn2dnn.hmm import Topology
        >>> loop = WordLoopDecoder(Topology(("a",), states_per_unit=1), self_loop=0.5)
        >>> loss = SequenceKL(loop, frame_share=0)
        >>> always = np.log([[[1.0, 1e-9], [1.0, 1e-9]]])  # sil sil
        >>> float(loss(always, np.zeros((1, 2, 2))))  # ln(1 + 3/2) / 2 frames
        0.458...
    """

    def __init__(
        self,
        decoder: WordLoopDecoder | Mapping,
        frame_share: float = 0.1,
        boost: float = 0.0,
        from_logits: bool = True,
        teacher_from_logits: bool = True,
        reduction: str = "mean_with_sample_weight",
        name: str = "sequence_kl",
        dtype: str | None = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if isinstance(decoder, Mapping):
            decoder = WordLoopDecoder.from_dict(decoder)
        if not isinstance(boost, (int, float)) or not 0 <= boost < math.inf:
            raise ValueError(invalid("boost", "a number from 0", boost))
        self.boost = boost
        self._frame_share = ScheduledNumber(_checked_share(frame_share))
        self.graph = LoopGraph(decoder)
        self.from_logits = from_logits
        self.teacher_from_logits = teacher_from_logits

    @classmethod
    def of_words(
        cls, topology: Topology, self_loop: float = 0.7, boost: float = 1.0, **options
    ):
        """Returns the loss with the loop that docs/results_0_1.md is about.

        No priors are taken away, and each word costs a factor of ten.

        Args:
            topology: the states of the words.
            self_loop: see `WordLoopDecoder`.
            boost: see `SequenceKL`.
            **options: see `SequenceKL`.

        Example:
            >>> loss = SequenceKL.of_words(Topology(("yes", "no")))
            >>> round(loss.graph.decoder.insertion_penalty, 1)
            -2.3
        """
        decoder = WordLoopDecoder(
            topology, insertion_penalty=math.log(0.1), self_loop=self_loop
        )
        return cls(decoder, boost=boost, **options)

    @property
    def frame_share(self) -> float:
        """Share of the frame-wise divergence."""
        return self._frame_share.value

    @frame_share.setter
    def frame_share(self, value: float):
        self._frame_share.value = _checked_share(value)

    def call(self, y_true, y_pred):
        """Returns the loss of every frame, all frames counted, `(batch, frames)`."""
        return self.of_frames(y_true, y_pred, ops.ones(ops.shape(y_pred)[:2]))

    def of_frames(self, y_true, y_pred, weights):
        """Returns the loss of every frame; those without weight are left out."""
        states = self.graph.decoder.topology.num_states
        if y_pred.shape[-1] not in (None, states):
            expected = f"{states} states, as the topology has"
            raise ValueError(invalid("y_pred", expected, f"shape {y_pred.shape}"))
        declared = self.teacher_from_logits, self.from_logits
        frames = frame_kl(y_true, y_pred, *declared)
        share = self._frame_share.tensor()
        return ops.cond(
            share < 1,
            lambda: (
                (1 - share) * self.of_paths(y_true, y_pred, weights) + share * frames
            ),
            lambda: frames,
        )

    def of_paths(self, y_true, y_pred, weights):
        """Returns the loss of every frame without the share of the frame-wise one."""
        counted = ops.cast(weights > 0, "float32")
        occupied = ops.stop_gradient(self._occupied(y_true, y_pred.shape[-1]))
        given = as_logits(y_pred, self.from_logits), occupied, counted
        return tf.custom_gradient(self._of_paths)(*given)

    def _of_paths(self, logits, occupied, counted):
        """Returns `of_paths`, and its gradient in few passes over all states.

        Log-posteriors are logits less the same number for all states of a frame, which
        may as well be taken off what is summed up.
        """
        scaled, q, log_sums = posteriors(logits, tf.constant(1.0))
        mass = tf.reduce_sum(occupied, axis=-1)
        scores = self.graph.scores(scaled)
        expected = tf.reduce_sum(tf.math.multiply_no_nan(scores, occupied), axis=-1)
        expected -= mass * log_sums
        if self.boost:
            scores -= self.boost * occupied
        total, occupancies = self.graph.paths(scores, counted)
        total -= tf.reduce_sum(counted * log_sums, axis=1)
        shares = counted / tf.maximum(tf.reduce_sum(counted, 1, keepdims=True), 1.0)
        values = total[:, None] * shares - expected * counted

        def gradient(upstream):
            of_total = tf.reduce_sum(upstream * shares, axis=1)[:, None]
            upstream *= counted
            change = of_total[..., None] * occupancies()
            change -= upstream[..., None] * occupied
            change -= q * (counted * of_total - mass * upstream)[..., None]
            return change, None, None

        return values, gradient

    def _occupied(self, y_true, num_states):
        """Returns the teacher's occupancies of either form of targets."""
        if is_top_k(y_true):
            return dense_of_kept(y_true, num_states)
        return ops.softmax(as_logits(y_true, self.teacher_from_logits), axis=-1)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "decoder": self.graph.decoder.to_dict(),
            "frame_share": self.frame_share,
            "boost": self.boost,
            "from_logits": self.from_logits,
            "teacher_from_logits": self.teacher_from_logits,
        }


def _checked_share(value):
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(invalid("frame_share", "a number from 0 to 1", value))
    return value
