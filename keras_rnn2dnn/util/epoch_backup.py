"""Backups of trainings that are whole at every moment: `EpochBackup`."""

import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_rnn2dnn.util.files import new_file
from keras_rnn2dnn.util.zip_files import DAMAGE, check_zip

_STATE, _WEIGHTS = "state.json", "model.weights.h5"
_REMEDY = "Remove it to begin anew"


class EpochBackup(keras.callbacks.Callback):
    """Keeps a training after every epoch, and goes on from there when it was stopped.

    Weights, optimizer and epoch are one file, which is written beside its place,
    flushed and renamed. So a kill at any moment leaves the backup of the last epoch or
    of the one before it, whole; `keras.callbacks.BackupAndRestore` writes two files in
    place, of which a kill may leave halves, or the weights of one epoch with the number
    of another. Give data whose order in an epoch depends on its number alone, as
    `store.dataset(..., first_epoch=backup.epoch)`; then the weights are those of a
    training that was not stopped.

    Args:
        path: of the file. It is removed at the end of the training.
        settings: what JSON can hold, and a training that goes on must have in common
            with the one that was stopped.
        keep: whether the file stays at the end.

    Raises:
        ValueError: if the file there is damaged, no backup, or of other settings; as
            the training begins, if it is of another model.

    Example:
        >>> from keras_rnn2dnn.util.epoch_backup import EpochBackup
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("adam", "mse")
        >>> x, y = np.ones((4, 2)), np.ones((4, 1))
        >>> def fit(epochs, keep):
        ...     backup = EpochBackup("training.backup", keep=keep)
        ...     history = model.fit(
        ...         x, y, epochs=epochs, callbacks=[backup], verbose=0)
        ...     return history.epoch
        >>> fit(2, keep=True)
        [0, 1]
        >>> fit(5, keep=False)
        [2, 3, 4]
    """

    def __init__(
        self,
        path: str | Path,
        settings: dict[str, Any] | None = None,
        keep: bool = False,
    ):
        super().__init__()
        self.path, self.keep = Path(path), keep
        self.settings = json.loads(json.dumps(settings or {}))
        self.epoch, self.logs, self._random = self._read()

    def _read(self) -> tuple[int, dict[str, float], list]:
        """Returns the epoch to go on with, what was logged before, random states."""
        if not self.path.exists():
            return 0, {}, []
        name = repr(str(self.path))
        if self.path.is_dir():
            raise ValueError(
                f"{name} is a directory, as earlier versions left it. Expected a "
                f"backup, which is a file. {_REMEDY}"
            )
        try:
            check_zip(self.path, (_STATE, _WEIGHTS))
            with zipfile.ZipFile(self.path) as archive:
                state = json.loads(archive.read(_STATE))
            before = state["settings"]
            found = int(state["epoch"]), dict(state["logs"]), list(state["random"])
            changed = [
                f"{key} {before.get(key)!r} against {self.settings.get(key)!r}"
                for key in {**self.settings, **before}
                if before.get(key) != self.settings.get(key)
            ]
        except (*DAMAGE, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{name} is no backup that can be used: {error}. {_REMEDY}"
            ) from error
        if changed:
            raise ValueError(
                f"{name} is of a training with other settings. Expected the same. "
                f"Received (there against here): {'; '.join(changed)}. {_REMEDY}"
            )
        return found

    def on_train_begin(self, logs=None):
        """Restores what is there."""
        self.epoch, self.logs, self._random = self._read()
        if not self.epoch:
            return
        optimizer = self.model.optimizer
        if optimizer is not None and not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        with (
            tempfile.TemporaryDirectory() as folder,
            zipfile.ZipFile(self.path) as archive,
        ):
            weights = archive.extract(_WEIGHTS, folder)
            try:
                self.model.load_weights(weights)
                for variable, value in zip(
                    _random_states(self.model), self._random, strict=True
                ):
                    variable.assign(value)
            except (ValueError, KeyError, OSError, TypeError) as error:
                raise ValueError(
                    f"{str(self.path)!r} is of another model: {error}. {_REMEDY}"
                ) from error
        self.model._initial_epoch = self.epoch  # as Keras's own callback does

    def on_epoch_end(self, epoch, logs=None):
        """Writes the file anew."""
        self.epoch = epoch + 1
        self.logs = {
            name: float(value)
            for name, value in (logs or {}).items()
            if np.ndim(value) == 0
        }
        state = {
            "epoch": self.epoch,
            "logs": self.logs,
            "settings": self.settings,
            "random": [np.asarray(v).tolist() for v in _random_states(self.model)],
        }
        with new_file(self.path) as temporary:
            weights = temporary.with_name(_WEIGHTS)
            self.model.save_weights(weights)
            with zipfile.ZipFile(temporary, "w") as archive:
                archive.write(weights, _WEIGHTS)
                archive.writestr(_STATE, json.dumps(state))

    def on_train_end(self, logs=None):
        """Removes the file."""
        if not self.keep:
            self.path.unlink(missing_ok=True)


def remove_backups(folder: Path) -> None:
    """Removes the backups of a search, and their directory where nothing is left."""
    for path in folder.glob("*.backup"):
        path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _random_states(model):
    """Returns the variables of dropout's like, which Keras does not save."""
    return [v for v in model.variables if v.name == "seed_generator_state"]
