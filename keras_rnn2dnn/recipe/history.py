"""What a model's training looked like from epoch to epoch."""

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from keras_rnn2dnn.batches.inference import Inference, inference_function
from keras_rnn2dnn.batches.predicting import map_by_length
from keras_rnn2dnn.quantization.comparison import compare_logits
from keras_rnn2dnn.scoring.word_errors import word_error_rate
from keras_rnn2dnn.util.files import new_file


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
