"""Training a student on a store, so that a stopped run can go on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import keras

from keras_rnn2dnn.alignments.store import SoftAlignments
from keras_rnn2dnn.distiller import Distiller
from keras_rnn2dnn.errors import invalid, is_integer
from keras_rnn2dnn.files import new_file
from keras_rnn2dnn.schedules import warmup_cosine

_SETTINGS = "training.json"


def train_student(
    student: keras.Model,
    store: SoftAlignments,
    *,
    epochs: int = 10,
    batch_size: int = 32,
    learning_rate: float = 3e-3,
    seed: int = 0,
    loss: keras.losses.Loss | None = None,
    teacher_delay: int = 0,
    backup: str | Path | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> dict:
    """Trains a student on soft alignments, with warm-up and cosine decay.

    Args:
        student: feed-forward Keras model; it is trained in place.
        store: of its features.
        epochs: passes through the store.
        batch_size: utterances per batch.
        learning_rate: highest.
        seed: of the order.
        loss: `SoftAlignmentKL()` by default.
        teacher_delay: frames by which the teacher lags, see `Distiller`.
        backup: directory in which the state is kept after every epoch. A run that was
            stopped goes on from there, to the weights of one that was not. It is
            removed at the end.
        on_progress: called with the share that is done, from 0 to 1.

    Returns:
        The last `loss`, `kl` and `agreement`.

    Raises:
        ValueError: if the student has other classes than the store, a number is out of
            its range, or the backup is of a training with other settings.

    Example:
        >>> teacher = keras.Sequential([
        ...     keras.Input((None, 4)), keras.layers.Dense(5, activation="tanh")])
        >>> x = np.random.default_rng(0).normal(size=(8, 20, 4)).astype("float32")
        >>> store = SoftAlignments.write("train.align", teacher, x)
        >>> student = keras.Sequential([keras.Input((None, 4)), keras.layers.Dense(5)])
        >>> logs = train_student(student, store, epochs=2, learning_rate=0.1)
        >>> sorted(logs)
        ['agreement', 'kl', 'loss']
    """
    if not is_integer(epochs) or epochs < 1:
        raise ValueError(invalid("epochs", "an integer >= 1", epochs))
    if not learning_rate > 0:
        raise ValueError(invalid("learning_rate", "a number > 0", learning_rate))
    _check_classes(student, store)
    made = store.manifest.settings
    settings = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "seed": seed,
        "parameters": student.count_params(),
        "teacher": made.teacher,
        "targets": [made.transform, made.one_best, made.top_k, made.temperature],
        "utterances": store.num_utterances,
    }
    if teacher_delay:
        settings["teacher_delay"] = teacher_delay
    if loss is not None:
        settings["loss"] = repr(loss.get_config())
    first_epoch, callbacks = 0, []
    if backup is not None:
        first_epoch = _first_epoch(Path(backup), settings)
        callbacks.append(keras.callbacks.BackupAndRestore(Path(backup) / "state"))
    data = store.dataset(batch_size, shuffle=True, seed=seed, first_epoch=first_epoch)
    steps = int(data.cardinality())
    if on_progress:
        callbacks.append(_Progress(on_progress, steps, epochs))
    schedule = warmup_cosine(learning_rate, steps * epochs, steps // 2)
    distiller = Distiller(None, student, loss, teacher_delay=teacher_delay)
    distiller.compile(keras.optimizers.Adam(schedule, global_clipnorm=1.0))
    history = distiller.fit(data, epochs=epochs, callbacks=callbacks, verbose=0).history
    if backup is not None:
        shutil.rmtree(backup)
    return {name: values[-1] for name, values in history.items()}


def _check_classes(student, store):
    given = student.output_shape[-1]
    if given not in (None, store.num_classes):
        expected = f"{store.num_classes} classes, as in the soft alignments"
        raise ValueError(invalid("student", expected, f"{given} classes"))


def _first_epoch(backup, settings):
    """Returns the epoch to go on with, and keeps the settings for the next time."""
    path = backup / _SETTINGS
    if not path.is_file():
        with new_file(path) as temporary:
            temporary.write_text(json.dumps(settings, indent=1) + "\n")
        return 0
    before = json.loads(path.read_text())
    changed = [
        f"{name} {before.get(name)!r} against {settings.get(name)!r}"
        for name in {**settings, **before}
        if before.get(name) != settings.get(name)
    ]
    if changed:
        raise ValueError(
            f"{str(backup)!r} is of a training with other settings. Expected the same. "
            f"Received (there against here): {'; '.join(changed)}. Remove it to begin "
            "anew"
        )
    state = backup / "state" / "training_metadata.json"
    return json.loads(state.read_text())["epoch"] if state.is_file() else 0


class _Progress(keras.callbacks.Callback):
    def __init__(self, report, steps, epochs):
        super().__init__()
        self.report, self.steps, self.epochs, self.epoch = report, steps, epochs, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.report((self.epoch + (batch + 1) / self.steps) / self.epochs)
