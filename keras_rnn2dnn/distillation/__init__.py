"""The Distiller: a teacher, a student and batches in; a trained student out.

- `distiller`, `preparation`, `training_step`: the Keras model, and its way to a step
- `losses`, `dense_kl`, `top_k`: KL of `(batch, frames, classes)`, of all or the best k
- `hard_loss`, `ctc_loss`: losses of labels
- `kl_callback`: during `fit`
- `loss_inputs`, `input_checks`, `not_a_number`: of a batch
- `frozen_teacher`, `from_keras_distillation`, `model_files`: saving, migrating, loading
"""

from keras_rnn2dnn.distillation.distiller import Distiller
from keras_rnn2dnn.distillation.kl_callback import KLCallback
from keras_rnn2dnn.distillation.losses import SoftAlignmentKL

__all__ = ["Distiller", "KLCallback", "SoftAlignmentKL"]
