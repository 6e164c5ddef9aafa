"""Means over all frames of an epoch, and the loss that is logged.

`keras.metrics.Mean` of values `(batch, frames)` counts utterances: it takes the mean of
the weights of each. So the sums over a batch are taken here, and frames are counted.
"""

import keras
from keras import ops


def weighted_sums(values, weights):
    """Returns `sum(weights * values)` and `sum(weights)`; both of frames that count.

    Example:
        >>> sums = weighted_sums(np.array([1.0, 4.0, np.nan]), np.array([1.0, 0.5, 0]))
        >>> [float(value) for value in sums]
        [3.0, 1.5]
    """
    weights = ops.convert_to_tensor(weights)
    counted = ops.where(weights > 0, values * weights, 0.0)
    return ops.sum(counted), ops.sum(weights)


def add_to_mean(metric: keras.metrics.Mean, total, weight) -> None:
    """Adds what `weighted_sums` gave to a mean.

    Example:
        >>> metric = keras.metrics.Mean()
        >>> for values in ([1.0, 1.0, 1.0], [5.0]):  # batches of different size
        ...     add_to_mean(metric, *weighted_sums(values, np.ones(len(values))))
        >>> float(metric.result())
        2.0
    """
    metric.update_state(ops.divide_no_nan(total, weight), sample_weight=weight)


class TotalLoss(keras.metrics.Metric):
    """The loss of an epoch: the sum of the means of its parts.

    Each part is a mean over what it counts itself: frames of the distillation loss,
    frames with a label or utterances of the hard loss, batches of the penalties.
    """

    def __init__(self, name: str = "loss"):
        super().__init__(name=name)
        self.distillation = keras.metrics.Mean(name="distillation_part")
        self.hard = keras.metrics.Mean(name="hard_part")
        self.penalties = keras.metrics.Mean(name="penalty_part")
        self.added = keras.metrics.Mean(name="added_part")

    def update_state(self, distillation=None, hard=None, penalty=None, added=None):
        """Adds a batch.

        Args:
            distillation: sum and weight of this part, as of `weighted_sums`.
            hard: the same of the hard loss.
            penalty: of the student, such as that of a regularizer.
            added: to the loss, by a subclass of the Distiller.
        """
        for part, sums in ((self.distillation, distillation), (self.hard, hard)):
            if sums is not None:
                add_to_mean(part, *sums)
        for part, value in ((self.penalties, penalty), (self.added, added)):
            if value is not None:
                part.update_state(value)

    def result(self):
        """Returns the loss of all batches so far."""
        parts = (self.distillation, self.hard, self.penalties, self.added)
        return sum(part.result() for part in parts)
