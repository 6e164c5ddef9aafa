"""The teacher's pass on many machines: `alignments.on_ray` under its earlier name."""

from keras_rnn2dnn.alignments.on_ray import align_on_ray

__all__ = ["align_on_ray"]
