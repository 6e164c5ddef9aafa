"""One way to train whatever model, and what that looked like from epoch to epoch.

Warm-up, cosine decay, and going on after a stop.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn2dnn.batches.inference import Inference, inference_function
from keras_rnn2dnn.batches.predicting import map_by_length
from keras_rnn2dnn.quantization.comparison import compare_logits
from keras_rnn2dnn.scoring.word_errors import word_error_rate
from keras_rnn2dnn.util.epoch_backup import EpochBackup
from keras_rnn2dnn.util.files import new_file
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


class EpochRecorder(keras.callbacks.Callback):
    """Keeps the loss of each epoch, and what the model then gives for some strings.

    It computes nothing else while the model is trained, and draws nothing random: the
    trained model is the same with it and without it. What it kept is measured when
    teacher and decoder are there.

    Args:
        model: that is trained, alone or inside a `Distiller`; or its
            `inference_function`.
        features: `(frames, features)` of each string, each with a frame at least.
        keep: file in which all of it is kept after every epoch, for a training that was
            stopped and goes on; stand before its `EpochBackup` in the callbacks.

    Attributes:
        losses: training loss of each epoch.
        logits: of each epoch, `(frames, classes)` for each string.

    Example:
        >>> model = keras.Sequential([keras.Input((None, 2)), keras.layers.Dense(3)])
        >>> model.compile("sgd", "mse")
        >>> recorder = EpochRecorder(model, [np.ones((4, 2))])
        >>> data = np.ones((2, 5, 2)), np.ones((2, 5, 3))
        >>> _ = model.fit(*data, epochs=2, verbose=0, callbacks=[recorder])
        >>> len(recorder.losses), recorder.logits[1][0].shape
        (2, (4, 3))
    """

    def __init__(
        self,
        model: keras.Model | Inference,
        features: Sequence[np.ndarray],
        keep: Path | None = None,
    ):
        super().__init__()
        self.features, self.keep = list(features), keep
        self.losses: list[float] = []
        self.logits: list[list[np.ndarray]] = []
        is_run = isinstance(model, Inference)
        self._run = model if is_run else inference_function(model)

    def on_epoch_end(self, epoch, logs=None):
        """Keeps loss and logits."""
        self.losses.append(float(logs["loss"]))
        self.logits.append(map_by_length(self._run, self.features))
        if self.keep is not None:
            kept = {
                "losses": self.losses,
                "logits": [np.concatenate(z) for z in self.logits],
            }
            with new_file(self.keep) as path, open(path, "wb") as file:
                np.savez(file, **kept)

    def restore(self, epochs: int) -> None:
        """Takes up what was kept.

        Args:
            epochs: after which the training goes on; more of them may be kept.
        """
        if not epochs:
            return
        lengths = [len(x) for x in self.features]
        with np.load(self.keep) as found:
            self.losses = found["losses"][:epochs].tolist()
            self.logits = [
                np.split(logits, np.cumsum(lengths)[:-1])
                for logits in found["logits"][:epochs]
            ]

    def measured(
        self,
        teacher_logits: Sequence[np.ndarray] | None,
        decode: Callable[[list[np.ndarray]], list],
        references: Sequence[Sequence[str]],
    ) -> dict[str, list[float]]:
        """Measures what was kept.

        Args:
            teacher_logits: of the trained teacher on the same strings; None for the
                teacher itself, which then has no `kl` and no `agreement`.
            decode: the decoder chosen for the trained model, used for every epoch.
            references: words of each string.

        Returns:
            `loss`, `kl`, `agreement` and `wer`, one number for each epoch.
        """
        history = {"loss": self.losses}
        if teacher_logits is not None:
            found = [compare_logits(teacher_logits, logits) for logits in self.logits]
            history["kl"] = [compared["kl"] for compared in found]
            history["agreement"] = [compared["agreement"] for compared in found]
        history["wer"] = [
            word_error_rate(references, decode(logits), num_resamples=1).wer
            for logits in self.logits
        ]
        return history
