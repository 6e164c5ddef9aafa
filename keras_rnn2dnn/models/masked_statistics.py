"""Batch normalization over the frames that count, however their padding was told.

Keras's own masks do not reach every `BatchNormalization`: a convolution before it drops
them, and weights are no masks. So each such layer of a student is told which frames
count, while the student runs in a training step.
"""

import contextlib
import functools

import keras
import tensorflow as tf
from keras import ops


@contextlib.contextmanager
def statistics_of(model: keras.Model, counting):
    """Makes batch normalization take its statistics from some frames alone.

    Args:
        model: in which its layers are found.
        counting: bool `(batch, frames)`, or None for all frames. Where a layer has
            another number of frames, the nearest of these tells.

    Example:
        >>> layer = keras.layers.BatchNormalization(momentum=0.0)
        >>> model = keras.Sequential([keras.Input((None, 1)), layer])
        >>> x = np.array([[[2.0], [4.0], [0.0]]], "float32")
        >>> with statistics_of(model, np.array([[True, True, False]])):
        ...     y = model(x, training=True)
        >>> layer.moving_mean.numpy().round(4).tolist()
        [3.0]
    """
    layers = [] if counting is None else _normalizations(model)
    for layer in layers:
        layer.call = functools.partial(
            _call, layer, layer.call, ops.convert_to_tensor(counting)
        )
    try:
        yield
    finally:
        for layer in layers:
            del layer.call  # the method of its class is found again


def has_statistics(model: keras.Model) -> bool:
    """Tells whether a model normalizes its batches, and learns from it.

    Example:
        >>> has_statistics(keras.Sequential([keras.layers.BatchNormalization()]))
        True
    """
    return any(layer.trainable for layer in _normalizations(model))


def _normalizations(model):
    layers = model._flatten_layers(include_self=True)
    return [n for n in layers if isinstance(n, keras.layers.BatchNormalization)]


def _call(layer, call, counting, inputs, training=None, mask=None):
    if len(inputs.shape) >= 3:
        counting = _of_frames(counting, tf.shape(inputs)[1])
        for _ in range(len(inputs.shape) - 3):
            counting = counting[..., None]
        mask = counting if mask is None else counting & ops.cast(mask, "bool")
    moving = layer.moving_mean, layer.moving_variance
    before = [ops.copy(variable) for variable in moving]
    outputs = call(inputs, training=training, mask=mask)
    if training and layer.trainable and mask is not None and not layer.synchronized:
        known = ops.any(mask)  # statistics of no frame at all are 0: they are not taken
        for variable, kept in zip(moving, before, strict=True):
            variable.assign(ops.where(known, variable, kept))
    return outputs


def _of_frames(counting, frames):
    """Returns the mask for another number of frames, of those nearest in time."""
    given = tf.shape(counting)[1]
    place = tf.range(frames) * given // tf.maximum(frames, 1)
    return tf.gather(counting, place, axis=1)
