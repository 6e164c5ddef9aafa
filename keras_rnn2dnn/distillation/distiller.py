"""The Distiller: a Keras model that trains a student on a teacher's soft alignments."""

import logging

import keras
import tensorflow as tf

from keras_rnn2dnn.batches.fit_data import check_options
from keras_rnn2dnn.batches.iterating import first_batch
from keras_rnn2dnn.batches.model_state import check_not_shared, left_as_found
from keras_rnn2dnn.distillation import input_checks
from keras_rnn2dnn.distillation.from_keras_distillation import (
    STUDENT_LOSS_WEIGHT,
    as_distillation_loss,
    is_keras_form,
)
from keras_rnn2dnn.distillation.frozen_teacher import as_list
from keras_rnn2dnn.distillation.loss_inputs import keep_weights, split_inputs
from keras_rnn2dnn.distillation.losses import ScheduledNumber
from keras_rnn2dnn.distillation.not_a_number import NaNWatch, with_watch
from keras_rnn2dnn.distillation.preparation import Preparation
from keras_rnn2dnn.distillation.whole_utterances import check_reduction
from keras_rnn2dnn.util.errors import invalid, is_integer
from keras_rnn2dnn.util.multi_worker import SameEpoch
from keras_rnn2dnn.util.running_means import TotalLoss

_LOG = logging.getLogger(__name__)


def _deploy():
    """Imports what comes behind this package, once it is needed."""
    from keras_rnn2dnn import deploy

    return deploy


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class Distiller(Preparation):
    """Trains a student to give its teacher's posteriors, by `compile` and `fit`.

    The loss is

        (1 - student_loss_weight) * distillation_loss + student_loss_weight * loss

    where `loss` is the one given to `compile`, if any (the convention of
    `keras.distillation`). Both are means over frames by weight: `sample_weight`
    times the masks of both models.

    Logged are `loss`; `kl`, the KL divergence of the student from the teacher at
    temperature 1, whatever the loss; `agreement`, the share of frames with the same
    best class; and `hard_loss`, if there is one.

    Only the student's weights are trained, saved in checkpoints and counted. The
    teacher runs in inference mode and is left as it was found. `save("d.keras")`
    keeps the teacher too, so that a loaded Distiller goes on training.

    Args:
        teacher: Keras model `(batch, frames, ...) -> (batch, frames, classes)`, or
            `-> (batch, classes)` as classifiers of keywords; or a list of them, an
            ensemble, whose mean posteriors are learned; or None if the targets come
            with the data.
        student: Keras model with the same outputs.
        distillation_loss: a `keras.losses.Loss` of teacher's and student's outputs
            that gives `(batch, frames)`; `SoftAlignmentKL()` by default.
        student_loss_weight: share of the hard loss, from 0 to 1; by default 0, unless
            the distillation loss is one of `keras.distillation`: then 0.5, as there.
        teacher_delay: frames by which the teacher lags: student frame `t` learns
            teacher frame `t + teacher_delay`. The last frames get no weight.
        teacher_weights: weights of the members of an ensemble; equal by default.
        teacher_reduction: `"mean"` where a student of `(batch, classes)` learns the
            mean posterior of the frames of its teacher.
        name: name of the model.
        **kwargs: of `keras.Model`.

    Call arguments:
        inputs: the features for both models; or a dict
            `{"teacher": ..., "student": ...}` that gives each its own.

    Returns:
        The student's output, `(batch, frames, classes)` or `(batch, classes)`.

    Raises:
        TypeError: if something is not a Keras model.
        ValueError: if numbers of classes differ, a model ends in a softmax where
            logits are declared, or a number is out of its range.

    Example:
        >>> teacher = keras.Sequential([
        ...     keras.Input((None, 8)),
        ...     keras.layers.LSTM(16, return_sequences=True),
        ...     keras.layers.Dense(5),
        ... ])
        >>> student = keras.Sequential([keras.Input((None, 8)), keras.layers.Dense(5)])
        >>> distiller = Distiller(teacher, student)
        >>> distiller.compile("adam")
        >>> x = np.random.default_rng(0).normal(size=(4, 20, 8))
        >>> history = distiller.fit(x, epochs=2, verbose=0)
        >>> sorted(history.history)
        ['agreement', 'kl', 'loss']
    """

    def __init__(
        self,
        teacher: keras.Model | list[keras.Model] | None,
        student: keras.Model,
        distillation_loss: keras.losses.Loss | None = None,
        student_loss_weight: float | None = None,
        teacher_delay: int = 0,
        teacher_weights: list[float] | None = None,
        teacher_reduction: str | None = None,
        name: str = "distiller",
        **kwargs,
    ):
        if student_loss_weight is None:
            form_of_keras = is_keras_form(distillation_loss, kwargs)
            student_loss_weight = STUDENT_LOSS_WEIGHT if form_of_keras else 0.0
        loss = as_distillation_loss(distillation_loss, kwargs)
        super().__init__(name=name, **kwargs)
        input_checks.check_models(teacher, student)
        check_not_shared(as_list(teacher), student)
        teachers = as_list(teacher)
        if not is_integer(teacher_delay) or teacher_delay < 0:
            raise ValueError(invalid("teacher_delay", "an integer >= 0", teacher_delay))
        self.distillation_loss = loss
        for model in teachers:
            input_checks.check_softmax("teacher", model, self._teacher_from_logits)
        input_checks.check_softmax("student", student, self._from_logits)
        self._student_loss_weight = ScheduledNumber(
            input_checks.checked_share(student_loss_weight)
        )
        self.teacher_delay = int(teacher_delay)
        self.teacher_weights = input_checks.checked_weights(teacher_weights, teachers)
        self.teacher_reduction = check_reduction(teacher_reduction)
        self.hold(
            teacher=teacher,
            outputs=None,
            nan_watch=NaNWatch(),
            told=False,
            known=None,
            own_loss=None,
        )
        self.student = student
        self.kl_metric = keras.metrics.Mean(name="kl")
        self.agreement_metric = keras.metrics.Mean(name="agreement")
        self.hard_loss = None
        self.built = student.built

    @property
    def student_loss_weight(self) -> float:
        """Share of the hard loss; a compiled model follows when it is assigned."""
        return self._student_loss_weight.value

    @student_loss_weight.setter
    def student_loss_weight(self, value: float):
        self._student_loss_weight.value = input_checks.checked_share(value)

    @property
    def _from_logits(self):
        return getattr(self.distillation_loss, "from_logits", True)

    @property
    def _teacher_from_logits(self):
        return getattr(self.distillation_loss, "teacher_from_logits", True)

    def compile(self, optimizer="adam", loss=None, **kwargs):
        """Configures the training.

        Args:
            optimizer: of the student.
            loss: hard loss of labels and the student's output; needed only where
                `student_loss_weight > 0`. Of `keras.losses.CTC()` and
                `ctc.CTCLoss(blank)` padding is left out, in labels and in frames.
            **kwargs: of `keras.Model.compile`. `jit_compile` is False by default: it
                compiles every length of utterances anew, and not every teacher can be.

        Raises:
            ValueError: if `loss` is missing or expects probabilities where the
                student gives logits.
        """
        if loss is None and self.student_loss_weight > 0:
            raise ValueError(
                f"`student_loss_weight={self.student_loss_weight}` needs a hard loss. "
                "Expected `compile(loss=...)`. Received: loss=None"
            )
        input_checks.check_hard_loss(loss, self._from_logits)
        kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=optimizer, loss=loss, **kwargs)
        self.hard_loss = None if loss is None else keras.losses.get(loss)
        # Both are made of frames, by weight: see `DistillationStep.compute_loss`.
        self._compile_loss = None
        # Past the tracking of attributes: Keras lists this metric by its name.
        object.__setattr__(self, "_loss_tracker", TotalLoss())
        if loss is not None:
            self.hard_loss_metric = keras.metrics.Mean(name="hard_loss")

    def call(self, inputs, training=None):
        """Returns the student's output; see the class."""
        return self.student_output(split_inputs(inputs)[1], training=training)

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        **kwargs,
    ):
        """Trains the student, after a check of the first batch.

        Args:
            x: features `(batch, frames, features)`, `{"teacher": ..., "student":
                ...}`, or a data set of `x`, `(x, y)` or `(x, y, sample_weight)`.
            y: hard labels, needed only where `student_loss_weight > 0`; without a
                teacher the soft targets, or `{"soft": ..., "labels": ...}`. Soft
                targets are outputs `(batch, frames, classes)`, or those of the k best
                classes, `(batch, frames, 2, k + 1)`. Without frames `(batch, ...)`.
            batch_size: utterances per batch, for arrays.
            epochs: passes through the data.
            verbose: as of `keras.Model.fit`.
            callbacks: Keras callbacks.
            **kwargs: of `keras.Model.fit`; `sample_weight` is `(batch,)` or
                `(batch, frames)`, and soft targets and labels share it.

        Returns:
            The `keras.callbacks.History` with `loss`, `kl`, `agreement`, where there
            is a hard loss `hard_loss`, and `val_` of each.

        Raises:
            ValueError: before any training step, if the first batch cannot teach;
                later, if the teacher's output or the student's input is not a
                number, which does not reach the weights.
        """
        # What was given, in batches.
        weights = kwargs.pop("sample_weight", None)
        shuffle = bool(kwargs.get("shuffle", True))
        x, y, weights = self._taken(x, y, weights, batch_size, shuffle)
        batch, x = first_batch(x, y, weights, batch_size)
        # The first of them must be able to teach.
        self.check_first_batch(*batch)
        self._tell_of_conversion()
        check_options(kwargs, self._has_metrics, self._labels(batch[1]) is not None)
        # Keras keeps the weights of all frames, and finds all variables there.
        y, kwargs["sample_weight"] = keep_weights(x, y, weights)
        size = kwargs.get("validation_batch_size") or batch_size
        given = kwargs.get("validation_data")
        kwargs["validation_data"] = self._taken_for_validation(given, size)
        if isinstance(x, tf.data.Dataset):  # Keras warns of its own default
            kwargs["shuffle"] = False
        self._build_all(batch)
        # The training; the teacher is left as it was found.
        callbacks = with_watch(callbacks, self._held.nan_watch)
        callbacks.append(SameEpoch())  # behind what restores
        with left_as_found(as_list(self.teacher)):
            return super().fit(x, y, batch_size, epochs, verbose, callbacks, **kwargs)

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        **kwargs,
    ):
        """Measures `loss`, `kl`, `agreement` and `hard_loss`; arguments as of `fit`."""
        x, y, sample_weight = self._taken(x, y, sample_weight, batch_size)
        if not kwargs.get("_use_cached_eval_dataset"):  # as `fit` calls it
            batch, x = first_batch(x, y, sample_weight, batch_size)
            self.check_first_batch(*batch, trains=False)
            self.build_of_batch(batch)
        y, sample_weight = keep_weights(x, y, sample_weight)
        callbacks = with_watch(callbacks, self._held.nan_watch)
        with left_as_found(as_list(self.teacher)):
            return super().evaluate(
                x, y, batch_size, verbose, sample_weight, steps, callbacks, **kwargs
            )

    def convert(self, directory, calibration, **options):
        """Converts the student to int8; see `keras_rnn2dnn.convert`."""
        return _deploy().convert(self.student, directory, calibration, **options)

    def _tell_of_conversion(self):
        """Warns, once, of a student that trains, and that no device will run."""
        if self._held.told:
            return
        self._held.told = True
        if (said := _deploy().refusal(self.student)) is not None:
            _LOG.warning("This student can be trained, but `convert` says: %s", said)

    def get_config(self):
        """Returns the arguments of the constructor, models included."""
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            # Of float16 the optimizer scales the loss, and its state is another one.
            "dtype": serialize(self.dtype_policy),
            "teacher": serialize(self.teacher),
            "student": serialize(self.student),
            "distillation_loss": serialize(self.distillation_loss),
            "student_loss_weight": self.student_loss_weight,
            "teacher_delay": self.teacher_delay,
            "teacher_weights": self.teacher_weights,
            "teacher_reduction": self.teacher_reduction,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds a Distiller from `get_config`."""
        config = dict(config)
        for key in ("teacher", "student", "distillation_loss"):
            config[key] = keras.saving.deserialize_keras_object(
                config[key], custom_objects=custom_objects
            )
        return cls(**config)
