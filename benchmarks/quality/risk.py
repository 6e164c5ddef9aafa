"""Minimum Bayes risk as a loss of students, one of the losses."""

import tensorflow as tf

from keras_rnn2dnn.hmm import SequenceKL

_LARGEST_STEP = 0.01  # of a score, for the differences


class BayesRisk(SequenceKL):
    """Expected share of frames in which a path is not in the teacher's states.

    State-level minimum Bayes risk (Kingsbury, "Lattice-based optimization of sequence
    classification criteria for neural-network acoustic modeling", 2009) over the word
    loop instead of a lattice: of occupancies `g` of the teacher and `o` of the student
    at its acoustic scale, `1 - sum_k g[t, k] * o[t, k]`. The gradient, a product with
    the Hessian of the summed paths, is a central difference of occupancies. For logits,
    and for targets of the best class alone.
    """

    acoustic_scale = 0.3

    def of_paths(self, y_true, y_pred, weights):
        """Returns the risk of every frame."""
        scores = self.acoustic_scale * tf.nn.log_softmax(tf.cast(y_pred, "float32"))

        def occupancies(scores):
            with tf.GradientTape() as tape:
                tape.watch(scores)
                total = self.graph.log_sum(scores, weights)
            return tape.gradient(total, scores)

        @tf.custom_gradient
        def risk(scores):
            one_hot = tf.one_hot(tf.cast(y_true[:, :, 1, 0], "int32"), scores.shape[-1])

            def gradient(upstream):
                towards = -one_hot * upstream[..., None]
                step = _LARGEST_STEP / (tf.reduce_max(tf.abs(towards)) + 1e-20)
                ahead, behind = (
                    occupancies(scores + sign * step * towards) for sign in (1, -1)
                )
                return (ahead - behind) / (2 * step)

            return 1 - tf.reduce_sum(one_hot * occupancies(scores), axis=-1), gradient

        return risk(scores)
