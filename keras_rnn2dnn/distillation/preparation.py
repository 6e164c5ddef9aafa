"""What a Distiller does before its first step: takes the data, checks, builds."""

import functools

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_rnn2dnn.batches.fit_data import as_arguments, as_keras_takes_it
from keras_rnn2dnn.batches.model_state import check_not_shared, left_as_found
from keras_rnn2dnn.batches.sample_weights import shared_weights
from keras_rnn2dnn.batches.time_major import check_axes
from keras_rnn2dnn.batches.utterance_lists import input_rank
from keras_rnn2dnn.distillation import input_checks
from keras_rnn2dnn.distillation.frozen_teacher import as_list
from keras_rnn2dnn.distillation.hard_loss import check_labels
from keras_rnn2dnn.distillation.loss_inputs import SoftBatch, keep_weights, split_inputs
from keras_rnn2dnn.distillation.not_a_number import NaNWatch
from keras_rnn2dnn.distillation.training_step import DistillationStep


class Preparation(DistillationStep):
    """Data, checks and weights of a `Distiller`, before Keras trains it."""

    def _taken(self, x, y=None, sample_weight=None, batch_size=None, shuffle=False):
        """Makes batches of lists of utterances; see `fit_data.as_keras_takes_it`."""
        rank = input_rank(self.student)
        return as_keras_takes_it(x, y, sample_weight, batch_size, rank, shuffle)

    def _taken_for_validation(self, data, batch_size=None):
        """Returns validation data as Keras takes them: a tuple, or a data set."""
        if not isinstance(data, (tuple, list)):
            return data
        x, y, weights = self._taken(*as_arguments(data), batch_size=batch_size)
        if isinstance(x, tf.data.Dataset):
            return x
        return (x, *keep_weights(x, y, weights))

    def _build_all(self, batch: tuple) -> None:
        """Builds student and optimizer, or else the step is traced twice."""
        self.build_of_batch(batch)
        if self.compiled and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)

    def check_first_batch(self, x, y=None, sample_weight=None, trains=True) -> None:
        """Refuses a batch that cannot teach; called by `fit`.

        Args:
            x: as in `fit`.
            y: as in `fit`.
            sample_weight: as in `fit`.
            trains: whether the labels must be there that a training needs.

        Raises:
            ValueError: says what does not fit.
        """
        if self.teacher is None and y is None:
            raise ValueError(
                "A Distiller without a teacher learns from the data. Expected `y` to "
                "hold soft targets (batch, frames, classes). Received: y=None"
            )
        sample_weight = shared_weights(sample_weight, y)
        self._check_axes(x, y, sample_weight)
        teachers = as_list(self.teacher)
        with left_as_found(teachers, check=True):
            batch = self._forward(x, y, sample_weight)
        check_not_shared(teachers, self.student)
        if trains and self.student_loss_weight > 0 and batch.labels is None:
            raise ValueError(
                f"`student_loss_weight={self.student_loss_weight}` needs hard labels. "
                "Expected them as `y`. Received: none"
            )
        watch = NaNWatch()
        watch.observe(batch.soft, batch.weights, split_inputs(x)[1])
        if watch.message() and not np.any(batch.weights < 0):  # see `check_weights`
            raise ValueError(watch.message())
        input_checks.check_weights(batch.weights)
        check_labels(self.hard_loss, batch, self._from_logits)
        batch = batch.delayed(self.teacher_delay)
        input_checks.check_weights(batch.weights)
        input_checks.check_values(batch, self._from_logits, self._teacher_from_logits)

    def _check_axes(self, x, y, sample_weight):
        """Refuses time-major features, where labels or weights tell."""
        given = {"y": y} if not isinstance(y, dict) else dict(y)
        given["sample_weight"] = sample_weight
        shapes = {name: a.shape for name, a in given.items() if hasattr(a, "shape")}
        student_x = split_inputs(x)[1]
        if hasattr(student_x, "shape"):
            check_axes(student_x.shape, **shapes)

    def _forward(self, x, y, sample_weight):
        """Runs both models, compiled: a recurrent teacher is slow eagerly."""
        if self.run_eagerly:
            return self.soft_batch(x, y, None, sample_weight)
        if self._held.outputs is None:
            # A partial: of functions with the same code, one for each Distiller,
            # TensorFlow would warn that they are traced too often.
            self._held.outputs = tf.function(
                functools.partial(self._outputs), reduce_retracing=True, autograph=False
            )
        tensors = keras.tree.map_structure(
            lambda a: None if a is None else ops.convert_to_tensor(a),
            (x, y, sample_weight),
        )
        try:
            outputs = self._held.outputs(*tensors)
        except Exception:
            self._held.outputs = None  # one that failed in its tracing gives None
            raise
        return SoftBatch(*outputs, self._labels(y))

    def _outputs(self, x, y, sample_weight):
        batch = self.soft_batch(x, y, None, sample_weight)
        return batch.soft, batch.student, batch.weights
