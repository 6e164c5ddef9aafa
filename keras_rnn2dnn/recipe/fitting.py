"""One way to train whatever model: warm-up, cosine decay, and going on after a stop."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_rnn2dnn.util.epoch_backup import EpochBackup
from keras_rnn2dnn.util.learning_rate import warmup_cosine
from keras_rnn2dnn.util.progress import FitProgress


def steps_of(strings: Sequence[Any], batch_size: int) -> int:
    """Returns the updates of an epoch: as many as full batches would be."""
    return -(-len(strings) // batch_size)


def warmed_up_adam(
    learning_rate: float, steps: int, epochs: int
) -> keras.optimizers.Optimizer:
    """Returns the optimizer of teachers and students.

    Args:
        learning_rate: highest; it is reached after half an epoch.
        steps: of an epoch.
        epochs: of the training.
    """
    schedule = warmup_cosine(learning_rate, steps * epochs, steps // 2)
    return keras.optimizers.Adam(schedule, global_clipnorm=1.0)


def fit(
    model: keras.Model,
    batches: Callable[[int], tf.data.Dataset],
    loss: keras.losses.Loss | None,
    *,
    steps: int,
    epochs: int,
    learning_rate: float,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    backup: EpochBackup | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> None:
    """Trains a model; equal settings give equal steps.

    Args:
        model: is trained in place.
        batches: gives the batches from that update on, which is 0 but for a training
            that goes on.
        loss: as of `compile`.
        steps: updates in an epoch.
        epochs: of the training.
        learning_rate: highest.
        callbacks: of `fit`.
        backup: keeps the state after every epoch. A training that was stopped goes on
            from there, to the weights of one that was not.
        on_progress: called with the share that is done, from 0 to 1.
    """
    optimizer = warmed_up_adam(learning_rate, steps, epochs)
    optimizer.build(model.trainable_variables)  # else the first step is traced twice
    model.compile(optimizer=optimizer, loss=loss)
    callbacks = [*callbacks, *([backup] if backup else [])]
    if on_progress:
        callbacks.append(FitProgress(on_progress, steps, epochs))
    model.fit(
        batches(steps * backup.epoch if backup else 0),
        epochs=epochs,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=callbacks,
    )
