"""A way round Keras issue 20585: `fit` on several workers fails.

Keras reduces what a training step logs over axis 0 when it runs under
`tf.distribute.MultiWorkerMirroredStrategy`; but logs are scalars, which have none. So
they are given one here. `tests/test_multi_worker.py` tells when Keras can do without.
"""

import keras
import tensorflow as tf


def on_several_workers() -> bool:
    """Tells whether this runs under `MultiWorkerMirroredStrategy`, in a cluster.

    Example:
        >>> on_several_workers()
        False
    """
    strategy = tf.distribute.get_strategy()
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return several and strategy.extended._in_multi_worker_mode()


def with_an_axis(logs: dict) -> dict:
    """Returns the logs of a step such that Keras can reduce them over the workers.

    Example:
        >>> with_an_axis({"loss": tf.constant(1.0)})["loss"].shape.rank
        0
    """
    if not on_several_workers():
        return logs
    return keras.tree.map_structure(lambda value: tf.reshape(value, (1,)), logs)


class MultiWorkerModel(keras.Model):
    """A model whose `fit` and `evaluate` work on several workers."""

    def train_step(self, data):
        """Trains on one batch; see `keras.Model.train_step`."""
        return with_an_axis(super().train_step(data))

    def test_step(self, data):
        """Measures one batch; see `keras.Model.test_step`."""
        return with_an_axis(super().test_step(data))
