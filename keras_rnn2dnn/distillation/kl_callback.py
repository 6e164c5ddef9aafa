"""Keras callback for the KL divergence, with schedules for the distillation."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_rnn2dnn.batches.fit_data import as_arguments, as_keras_takes_it
from keras_rnn2dnn.batches.iterating import iterate_batches
from keras_rnn2dnn.batches.model_state import left_as_found
from keras_rnn2dnn.batches.sample_weights import shared_weights
from keras_rnn2dnn.batches.utterance_lists import input_rank
from keras_rnn2dnn.distillation.distiller import Distiller
from keras_rnn2dnn.distillation.frozen_teacher import as_list
from keras_rnn2dnn.distillation.loss_inputs import split_inputs
from keras_rnn2dnn.distillation.losses import SoftAlignmentKL, frame_kl
from keras_rnn2dnn.distillation.not_a_number import NaNWatch
from keras_rnn2dnn.util.errors import invalid
from keras_rnn2dnn.util.running_means import weighted_sums
from keras_rnn2dnn.util.tensorboard import write_scalar

Schedule = Callable[[int], float]


class KLCallback(keras.callbacks.Callback):
    """Measures student against teacher after each epoch, and applies schedules.

    Puts `val_kl` and `val_agreement` into `logs`, where callbacks that stand behind
    it in the list find them: EarlyStopping, ModelCheckpoint, TensorBoard, CSVLogger.
    (Keras cannot guess the direction: give it as `mode="min"` for `val_kl`.)
    `val_kl` is the mean of `KL(teacher || student)` over frames by weight, always at
    temperature 1: a schedule does not move the yardstick. Of a student whose weights
    are no numbers any more it is NaN, as its `loss`, and `val_agreement` is 0; nothing
    is raised, and `keras.callbacks.TerminateOnNaN` stops such a training.

    Args:
        data: as for `Distiller.fit`: arrays, or a data set, or a tuple
            `(x, y)` or `(x, y, sample_weight)`. When a plain student is trained with
            `SoftAlignmentKL`, `y` holds the teacher's output.
        batch_size: utterances per batch, for arrays.
        temperature: `keras.optimizers.schedules` schedule, or a function of the
            epoch (from 0), for the temperature of `SoftAlignmentKL`.
        student_loss_weight: the same for the share of the hard loss.
        prefix: of the names in `logs`.
        log_dir: directory for TensorBoard: both numbers of each epoch are written
            there, under their names in `logs`. Writing needs no `tensorboard`.

    Raises:
        ValueError: if a schedule is not callable or has nothing to act on, or `data`
            can be read only once.

    Example:
        >>> student = keras.Sequential([keras.Input((None, 4)), keras.layers.Dense(3)])
        >>> distiller = Distiller(None, student)
        >>> distiller.compile("sgd")
        >>> x, soft = np.ones((2, 5, 4)), np.zeros((2, 5, 3))
        >>> callback = KLCallback((x, soft), temperature=lambda epoch: 2.0 - epoch / 2)
        >>> history = distiller.fit(x, soft, epochs=2, callbacks=callback, verbose=0)
        >>> "val_kl" in history.history, distiller.distillation_loss.temperature
        (True, 1.5)
    """

    def __init__(
        self,
        data,
        *,
        batch_size: int = 32,
        temperature: Schedule | None = None,
        student_loss_weight: Schedule | None = None,
        prefix: str = "val_",
        log_dir: str | Path | None = None,
    ):
        super().__init__()
        schedules = {
            "temperature": temperature,
            "student_loss_weight": student_loss_weight,
        }
        for name, schedule in schedules.items():
            if schedule is not None and not callable(schedule):
                expected = "a schedule or a function of the epoch"
                raise ValueError(invalid(name, expected, schedule))
        if isinstance(data, Iterator):
            expected = "arrays or a data set, which can be read after every epoch"
            raise ValueError(invalid("data", expected, type(data).__name__))
        self.data = data
        self.batch_size = batch_size
        self.temperature = temperature
        self.student_loss_weight = student_loss_weight
        self.prefix = prefix
        self.log_dir = log_dir
        self._distiller = self._measure = self._writer = None

    def set_model(self, model):
        """Takes the model of `fit`; see `keras.callbacks.Callback`."""
        super().set_model(model)
        distiller = isinstance(model, Distiller)
        loss = model.distillation_loss if distiller else model.loss
        soft = isinstance(loss, SoftAlignmentKL)
        if self.temperature and not soft:
            raise ValueError(
                "A schedule of the temperature needs `SoftAlignmentKL`. Received: "
                f"{'distillation_loss' if distiller else 'loss'}={loss!r}"
            )
        if self.student_loss_weight and not (distiller and model.hard_loss):
            received = "loss=None" if distiller else f"a model {model.name!r} alone"
            raise ValueError(
                "A schedule of the student_loss_weight needs a Distiller with a hard "
                f"loss. Expected `Distiller.compile(loss=...)`. Received: {received}"
            )
        if not distiller:
            model = Distiller(None, model, distillation_loss=loss if soft else None)
        self._distiller = model
        self._measure = _Measure(model)  # traced once, not in every epoch

    def on_train_begin(self, logs=None):
        """Looks at the first batch of the data, and opens the file for TensorBoard."""
        self._measure.check(self.data, self.batch_size)
        if self.log_dir is not None:
            Path(self.log_dir).mkdir(parents=True, exist_ok=True)
            self._writer = tf.summary.create_file_writer(str(self.log_dir))

    def on_train_end(self, logs=None):
        """Closes it."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def on_epoch_begin(self, epoch, logs=None):
        """Applies the schedules."""
        if self.temperature:
            value = float(self.temperature(epoch))
            self._distiller.distillation_loss.temperature = value
        if self.student_loss_weight:
            self._distiller.student_loss_weight = float(self.student_loss_weight(epoch))

    def on_epoch_end(self, epoch, logs=None):
        """Measures."""
        if logs is None:
            return
        kl, share = self._measure(self.data, self.batch_size)
        measured = {f"{self.prefix}kl": kl, f"{self.prefix}agreement": share}
        logs.update(measured)
        if self._writer is not None:
            with self._writer.as_default():
                for name, value in measured.items():
                    write_scalar(name, value, epoch)
            self._writer.flush()


def kl_and_agreement(
    distiller: Distiller, data, batch_size: int = 32
) -> tuple[float, float]:
    """Measures a student against its teacher, by weight, at temperature 1.

    Args:
        distiller: holds both; without a teacher `data` brings its outputs as `y`.
        data: arrays, a data set, or a tuple `(x, y)` or `(x, y, sample_weight)`.
        batch_size: utterances per batch, for arrays.

    Returns:
        The mean `KL(teacher || student)` in nats, and the share of frames in which
        both have the same best class.

    Raises:
        ValueError: if no frame counts.

    Example:
        >>> student = keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(3)])
        >>> x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
        >>> kl_and_agreement(Distiller(None, student), (x, student(x)))
        (0.0, 1.0)
    """
    return _Measure(distiller)(data, batch_size)


class _Measure:
    """Sums up KL and agreement of frames; compiled once for all epochs."""

    def __init__(self, distiller: Distiller):
        self._distiller, self._watch = distiller, NaNWatch()
        # A partial: see `Preparation._forward`.
        self._compiled = tf.function(
            functools.partial(self._sums), reduce_retracing=True, autograph=False
        )

    def _sums(self, x, y, sample_weight):
        """Returns the sums of KL, agreement and weights of a batch."""
        distiller = self._distiller
        loss = distiller.distillation_loss
        from_logits = getattr(loss, "from_logits", True)
        teacher_from_logits = getattr(loss, "teacher_from_logits", True)
        batch = distiller.soft_batch(x, y, None, sample_weight)
        self._watch.observe(batch.soft, batch.weights, split_inputs(x)[1])
        batch = batch.delayed(distiller.teacher_delay)
        kl = frame_kl(batch.soft, batch.student, teacher_from_logits, from_logits)
        kl, weight = weighted_sums(kl, batch.weights)
        agreement, _ = weighted_sums(batch.agreement(), batch.weights)
        return ops.stack([kl, agreement, weight])

    def _batches(self, data, batch_size):
        distiller = self._distiller
        inputs = getattr(distiller.student, "inputs", None) or [None]
        x, *others = as_arguments(data, len(inputs))
        rank = input_rank(distiller.student)
        taken = as_keras_takes_it(x, *others, batch_size=batch_size, rank=rank)
        return iterate_batches(*taken, batch_size=batch_size)

    def check(self, data, batch_size):
        """Refuses data which cannot be measured, by their first batch."""
        batch = next(iter(self._batches(data, batch_size)), None)
        if batch is not None:
            self._distiller.check_first_batch(*batch, trains=False)

    def __call__(self, data, batch_size):
        total = np.zeros(3)
        self._watch.reset()
        with left_as_found(as_list(self._distiller.teacher)):
            for x, y, weights in self._batches(data, batch_size):
                batch = x, y, shared_weights(weights, y)
                tensors = keras.tree.map_structure(
                    lambda a: None if a is None else ops.convert_to_tensor(a), batch
                )
                total += ops.convert_to_numpy(self._compiled(*tensors)).astype(
                    "float64"
                )
                if not np.isfinite(total).all() and self._watch.message():
                    break
        if self._watch.message():
            raise ValueError(self._watch.message())
        if not total[2] > 0:
            raise ValueError(
                "No frame counts. Expected at least one frame with a weight > 0. "
                "Received: masks and `sample_weight` that leave none"
            )
        return float(total[0] / total[2]), float(total[1] / total[2])
