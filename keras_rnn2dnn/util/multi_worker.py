"""A way round Keras issue 20585: `fit` on several workers fails.

Keras reduces what a training step logs over axis 0 when it runs under
`tf.distribute.MultiWorkerMirroredStrategy`; but logs are scalars, which have none. So
they are given one here. And it builds models of a batch that it reduces over the
workers, which fails for most kinds of data: here of a batch of the worker's own.
`tests/distillation/test_multi_worker.py` tells when Keras can do without.
"""

import logging

import keras
import tensorflow as tf

_LOG = logging.getLogger(__name__)


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
    """A model that is built on several workers; its steps use `with_an_axis`."""

    def build_of_batch(self, batch: tuple) -> None:
        """Builds what is not built yet, under a strategy; before `fit` or `evaluate`.

        Args:
            batch: `(x, y, sample_weight)`.
        """
        if self._distribute_strategy is not None:
            with self.distribute_strategy.scope():
                self._symbolic_build(data_batch=batch)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if data_batch is not None:  # of `train_on_batch`
            super()._maybe_symbolic_build(data_batch=data_batch)


class SameEpoch(keras.callbacks.Callback):
    """Lets all workers begin with the same epoch and weights: those of the latest.

    Each worker restores a backup of its own. Where one was lost, its worker would begin
    at the first epoch, and the gradients of its weights and of others would be mixed.
    To stand behind the callback that restores.
    """

    def on_train_begin(self, logs=None):
        """Compares the epochs; where they differ, sends the weights of the latest."""
        model = self.model
        strategy = model.distribute_strategy
        several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        if not several or not strategy.extended._in_multi_worker_mode():
            return
        workers = _workers(strategy)
        own = workers.index(1)
        given = [0] * len(workers)
        given[own] = int(model._initial_epoch or 0)
        epochs = _sum_over_workers(strategy, tf.constant(given)).numpy().tolist()
        latest = max(epochs)
        if min(epochs) == latest:
            return
        sends = own == epochs.index(latest)
        for variable in [*model.variables, *model.optimizer.variables]:
            value = tf.convert_to_tensor(variable)
            value = value if sends else tf.zeros_like(value)
            variable.assign(_sum_over_workers(strategy, value))
        model._initial_epoch = latest
        _LOG.warning(
            "The workers' backups are of different epochs, %s: all go on with epoch %d",
            epochs,
            latest,
        )


def _workers(strategy):
    """Returns a 1 for this worker, and a 0 for each other."""
    resolver = strategy.cluster_resolver
    cluster = resolver.cluster_spec().as_dict()
    chiefs = cluster.get("chief", [])
    flags = [0] * (len(chiefs) + len(cluster.get("worker", [])))
    before = 0 if resolver.task_type == "chief" else len(chiefs)
    flags[before + resolver.task_id] = 1
    return flags


def _sum_over_workers(strategy, value):
    """Returns the sum over the workers, of the first replica of each."""
    local = len(strategy.extended.worker_devices)

    def reduced(value):
        context = tf.distribute.get_replica_context()
        first = context.replica_id_in_sync_group % local == 0
        own = tf.where(first, value, tf.zeros_like(value))
        return context.all_reduce(tf.distribute.ReduceOp.SUM, own)

    run = tf.function(lambda value: strategy.run(reduced, (value,)), autograph=False)
    return strategy.experimental_local_results(run(value))[0]
