"""Training a student on a store, so that a stopped run can go on."""

from collections.abc import Callable
from pathlib import Path

import keras

from keras_rnn2dnn.alignments.shards.data_sums import projections
from keras_rnn2dnn.alignments.store import SoftAlignments
from keras_rnn2dnn.distillation.distiller import Distiller
from keras_rnn2dnn.util.epoch_backup import EpochBackup
from keras_rnn2dnn.util.errors import invalid, is_integer
from keras_rnn2dnn.util.files import new_file
from keras_rnn2dnn.util.learning_rate import warmup_cosine
from keras_rnn2dnn.util.progress import FitProgress


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
    keep_backup: bool = False,
    out: str | Path | None = None,
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
        backup: file in which the state is kept after every epoch; see `EpochBackup`. A
            run that was stopped goes on from there, to the weights of one that was
            not. It is removed at the end.
        keep_backup: whether it stays: of a training that came to its end, a later one
            has the weights at once.
        out: `.keras` file in which the student is kept at the end, before its backup is
            removed.
        on_progress: called with the share that is done, from 0 to 1.

    Returns:
        The last `loss`, `kl` and `agreement`.

    Raises:
        ValueError: if the student has other classes than the store, a number is out of
            its range, or the backup is damaged, or of a training with other settings or
            another store.
        OSError: if the backup or the student cannot be written; names it.

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
        "student": _sums_of(student),
        "teacher": made.teacher,
        "targets": [made.transform, made.one_best, made.top_k, made.temperature],
        "utterances": store.num_utterances,
        "store": store.manifest.fingerprint,
    }
    if teacher_delay:
        settings["teacher_delay"] = teacher_delay
    if loss is not None:
        settings["loss"] = repr(loss.get_config())
    state = EpochBackup(backup, settings, keep=True) if backup is not None else None
    callbacks: list[keras.callbacks.Callback] = [state] if state else []
    data = store.dataset(
        batch_size,
        shuffle=True,
        seed=seed,
        first_epoch=state.epoch if state else 0,
    )
    steps = int(data.cardinality())
    if on_progress:
        callbacks.append(FitProgress(on_progress, steps, epochs))
    schedule = warmup_cosine(learning_rate, steps * epochs, steps // 2)
    distiller = Distiller(None, student, loss, teacher_delay=teacher_delay)
    distiller.compile(keras.optimizers.Adam(schedule, global_clipnorm=1.0))
    history = distiller.fit(data, epochs=epochs, callbacks=callbacks, verbose=0).history
    logs = {name: values[-1] for name, values in history.items()}
    if state:
        logs = logs or state.logs  # of the last epoch, after which it was stopped
    if out is not None:
        with new_file(out) as path:
            student.save(path)
    if state and not keep_backup:
        state.path.unlink(missing_ok=True)
    return logs


def _sums_of(student):
    """Returns what tells a student from another; rounded, as kernels may differ."""
    return [float(f"{value:.4g}") for value in projections(student.get_weights())]


def _check_classes(student, store):
    given = student.output_shape[-1]
    if given not in (None, store.num_classes):
        expected = f"{store.num_classes} classes, as in the soft alignments"
        raise ValueError(invalid("student", expected, f"{given} classes"))
