"""What a Distiller computes of a batch: outputs, the loss, one step of training."""

import dataclasses
import warnings

import keras
import tensorflow as tf
from keras import ops

from keras_rnn2dnn.batches.fit_data import check_options
from keras_rnn2dnn.batches.inference import all_frames
from keras_rnn2dnn.batches.model_outputs import after_equal, single_output
from keras_rnn2dnn.batches.model_state import run_stateless
from keras_rnn2dnn.batches.replica_batches import never_empty, own_part
from keras_rnn2dnn.distillation import input_checks
from keras_rnn2dnn.distillation.frozen_teacher import TeacherHolder, as_list
from keras_rnn2dnn.distillation.hard_loss import hard_losses
from keras_rnn2dnn.distillation.loss_inputs import (
    SoftBatch,
    counting_frames,
    frame_weights,
    keras_mask,
    mean_of_sums,
    mean_over_frames,
    mean_posteriors,
    replica_share,
    split_inputs,
    without_stand_in,
)
from keras_rnn2dnn.distillation.losses import SoftAlignmentKL, frame_kl
from keras_rnn2dnn.distillation.not_a_number import finite
from keras_rnn2dnn.distillation.whole_utterances import (
    as_one_frame,
    check_levels,
)
from keras_rnn2dnn.models.masked_statistics import has_statistics, statistics_of
from keras_rnn2dnn.util.multi_worker import MultiWorkerModel, with_an_axis
from keras_rnn2dnn.util.running_means import add_to_mean, weighted_sums


class DistillationStep(TeacherHolder, MultiWorkerModel):
    """The steps of training and of evaluation; `Distiller` has the rest."""

    def train_step(self, data):
        """Trains on one batch; see `keras.Model.train_step`."""
        batch = keras.utils.unpack_x_y_sample_weight(data)
        x, y, sample_weight, own = never_empty(*batch)
        # The teacher first: its mask counts for the statistics of the student, too.
        x, soft = self._targets(x, y)
        counting = None
        if has_statistics(self.student):
            counting = counting_frames(soft, sample_weight)
        with tf.GradientTape() as tape:
            with statistics_of(self.student, counting):
                y_pred = self(x, training=True)
            loss = self._step_loss(soft, x, y, y_pred, sample_weight, training=True)
            scaled = self.optimizer.scale_loss(loss)
        variables = self.trainable_variables
        if variables:
            self._apply(tape.gradient(scaled, variables), variables)
        else:
            warnings.warn("The student has no trainable weights.", stacklevel=2)
        logs = self.compute_metrics(*own_part((x, y, y_pred, sample_weight), own))
        return with_an_axis(logs)

    def test_step(self, data):
        """Measures one batch; see `keras.Model.test_step`."""
        batch = keras.utils.unpack_x_y_sample_weight(data)
        x, y, sample_weight, own = never_empty(*batch)
        x, soft = self._targets(x, y)
        y_pred = self(x, training=False)
        self._step_loss(soft, x, y, y_pred, sample_weight, training=False)
        logs = self.compute_metrics(*own_part((x, y, y_pred, sample_weight), own))
        return with_an_axis(logs)

    def predict_step(self, data):
        """Returns the student's output of one batch; see `keras.Model.predict_step`."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        x, _, _, own = never_empty(x, None, None)
        return own_part(self(x, training=False), own)

    def _step_loss(self, soft, x, *arguments, training):
        """Calls `compute_loss`, also of a subclass, with what the teacher gave."""
        self._held.known = (x, soft)
        try:
            loss = self.compute_loss(x, *arguments, training=training)
            own = self._held.own_loss
        finally:
            self._held.known = self._held.own_loss = None
        if loss is not own:
            added = loss if own is None else loss - own
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            self._loss_tracker.update_state(added=added * replicas)
        return loss

    def _apply(self, gradients, variables):
        """Changes the weights, unless something was not a number."""
        if not self.optimizer.built:
            self.optimizer.build(variables)
        found = self._held.nan_watch.found()
        if tf.distribute.has_strategy():  # whose optimizers cannot work within `cond`
            gradients = [
                None if g is None else tf.where(found, tf.zeros_like(g), g)
                for g in gradients
            ]
            self.optimizer.apply(gradients, variables)
            return

        def apply():
            self.optimizer.apply(gradients, variables)
            return True

        tf.cond(found, lambda: False, apply)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Computes the loss of one batch; see the class."""
        batch = self.soft_batch(x, y, y_pred, sample_weight)
        batch = self._without_nan(batch, split_inputs(x)[1])
        shifted = batch.delayed(self.teacher_delay)
        values, counted = self._distillation_losses(shifted)
        kl = self._plain_kl(shifted, values)
        add_to_mean(self.kl_metric, *weighted_sums(kl, shifted.weights))
        agreement = weighted_sums(shifted.agreement(), shifted.weights)
        add_to_mean(self.agreement_metric, *agreement)
        sums = {"distillation": weighted_sums(values, counted)}
        if self.hard_loss is not None and batch.labels is not None:
            of_labels = hard_losses(self.hard_loss, batch, self._from_logits)
            values, counted, wrong = of_labels
            self._held.nan_watch.observe_hard_loss(wrong)
            sums["hard"] = weighted_sums(values, counted)
            add_to_mean(self.hard_loss_metric, *sums["hard"])
        share = self._student_loss_weight.tensor()
        shares = {"distillation": 1.0 - share, "hard": share}
        penalty = sum(self.losses) if self.losses else None
        loss = 0.0 if penalty is None else replica_share(penalty)
        for part, (total, weight) in sums.items():
            sums[part] = shares[part] * total, weight
            loss += mean_of_sums(*sums[part])
        if self.compiled:
            self._loss_tracker.update_state(penalty=penalty, **sums)
        self._held.own_loss = loss
        return loss

    def _distillation_losses(self, batch):
        """Returns the losses of the frames, and their weights."""
        loss = self.distillation_loss
        if hasattr(loss, "of_frames"):  # of whole utterances: it must know the padding
            values = loss.of_frames(batch.soft, batch.student, batch.weights)
        else:
            values = loss.call(batch.soft, batch.student)
        mask = keras_mask(values)
        if mask is None:
            return values, batch.weights
        return values, batch.weights * ops.cast(mask, batch.weights.dtype)

    def _without_nan(self, batch, student_x):
        """Keeps NaN out of the weights, also before `fit` stops for it."""
        bad = self._held.nan_watch.observe(batch.soft, batch.weights, student_x)
        bad_soft = ops.expand_dims(bad, tuple(range(2, len(batch.soft.shape))))
        soft = ops.cond(  # a pass over all classes, seldom needed
            ops.any(bad),
            lambda: ops.where(bad_soft, ops.zeros_like(batch.soft), batch.soft),
            lambda: batch.soft,
        )
        weights = ops.where(bad, 0.0, batch.weights)
        return dataclasses.replace(batch, soft=soft, weights=weights)

    def _plain_kl(self, batch, values):
        """Returns the KL at temperature 1; often it is the loss already."""

        def divergence():
            declared = self._teacher_from_logits, self._from_logits
            return frame_kl(batch.soft, batch.student, *declared)

        loss = self.distillation_loss
        if type(loss) is not SoftAlignmentKL:
            return divergence()
        return ops.cond(loss.is_plain(), lambda: values, divergence)

    @property
    def _has_metrics(self):
        return self.compiled and self._compile_metrics is not None

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Returns what is logged; metrics of `compile` are those of the hard labels."""
        labels = self._labels(y)
        check_options({}, self._has_metrics, labels is not None)
        if isinstance(sample_weight, dict):
            sample_weight = sample_weight["soft"]
        return super().compute_metrics(x, labels, y_pred, sample_weight)

    def soft_batch(self, x, y=None, y_pred=None, sample_weight=None) -> SoftBatch:
        """Runs the models on a batch and gathers what the loss is made of.

        Args:
            x: features for both models, or `{"teacher": ..., "student": ...}`.
            y: hard labels; without a teacher the soft targets, or
                `{"soft": ..., "labels": ...}`.
            y_pred: the student's output, where it is known already.
            sample_weight: `(batch,)` or `(batch, frames)`.

        Returns:
            A `SoftBatch`, not yet delayed.
        """
        x, soft = self._targets(x, y)
        if y_pred is None:
            y_pred = self.student_output(split_inputs(x)[1], training=False)
        return self._gathered(soft, y_pred, y, sample_weight)

    def student_output(self, x, training=None):
        """Returns the student's output, `(batch, frames, classes)`, of its input."""
        x = finite(x)
        return all_frames(
            "student", self.student, x, self.student(x, training=training)
        )

    def _targets(self, x, y):
        """Returns the inputs, there once the teacher is done, and its soft alignments.

        One model after the other: at the same time they take the cores from each other.
        """
        if self._held.known is not None and self._held.known[0] is x:
            return self._held.known
        if self.teacher is None:
            return x, y["soft"] if isinstance(y, dict) else y
        teacher_x, student_x = split_inputs(x)
        outputs = []
        for model in as_list(self.teacher):
            output = run_stateless(model, teacher_x)
            single_output("teacher", model, output)
            outputs.append(all_frames("teacher", model, teacher_x, output))
        if self.teacher_reduction and len(outputs[0].shape) == 3:
            reduce = mean_over_frames
            outputs = [reduce(z, self._teacher_from_logits) for z in outputs]
        soft = mean_posteriors(outputs, self.teacher_weights, self._teacher_from_logits)
        if tf.executing_eagerly():
            return x, soft
        with tf.control_dependencies([soft]):
            student_x = keras.tree.map_structure(tf.identity, student_x)
        return {"teacher": teacher_x, "student": student_x}, soft

    def _gathered(self, soft, y_pred, y, sample_weight):
        single_output("student", self.student, y_pred)
        check_levels(soft.shape, y_pred.shape, self.teacher is not None)
        soft, y_pred = as_one_frame(soft, y_pred)
        input_checks.check_shapes(soft.shape, y_pred.shape, self.teacher_delay)
        weights = frame_weights(y_pred, soft, sample_weight)
        frames = tf.shape(soft)[1], tf.shape(y_pred)[1]
        soft = after_equal(*frames, input_checks.DIFFERENT_FRAMES, soft)
        return SoftBatch(ops.stop_gradient(soft), y_pred, weights, self._labels(y))

    def _labels(self, y):
        if self.teacher is None:
            return y.get("labels") if isinstance(y, dict) else None
        return without_stand_in(y)
