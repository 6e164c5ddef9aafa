"""What scales and shifts each channel by itself, in the form that can be folded."""

import keras
import numpy as np

from keras_rnn2dnn.quantization.layer_rules import refuse


class Affine(keras.layers.Layer):
    """Computes `scale * x + offset`, each by channel or one for all.

    Args:
        scale: number, or `(channels,)`.
        offset: number, or `(channels,)`.
        **kwargs: of `keras.layers.Layer`.

    Example:
        >>> Affine([1, 2], 0.5)(np.ones((1, 2))).numpy().tolist()
        [[1.5, 2.5]]
    """

    def __init__(self, scale, offset, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        # float64: what is folded is rounded once, at its end
        self.scale, self.offset = (np.asarray(v, np.float64) for v in (scale, offset))
        self.supports_masking = True

    @property
    def terms(self) -> tuple[np.ndarray, np.ndarray]:
        """Scale and offset."""
        return self.scale, self.offset

    def call(self, inputs):
        """Scales and shifts; what changes nothing is left out."""
        if np.any(self.scale != 1):
            inputs = inputs * self.scale.astype(np.float32)
        if np.any(self.offset != 0):
            inputs = inputs + self.offset.astype(np.float32)
        return inputs

    def compute_output_shape(self, input_shape):
        """Returns the shape of the input."""
        return input_shape

    def get_config(self):
        """Returns the arguments of the constructor."""
        own = {"scale": self.scale.tolist(), "offset": self.offset.tolist()}
        return {**super().get_config(), **own}


def affine_form(layer: keras.Operation) -> keras.Operation:
    """Returns BatchNormalization, Normalization and Rescaling as `Affine`.

    Args:
        layer: any.

    Returns:
        The `Affine`, with what the layer computes in inference; or the layer itself.

    Raises:
        ValueError: if a Normalization was not adapted.

    Example:
        >>> affine = affine_form(keras.layers.Rescaling(2.0, offset=1.0))
        >>> affine.scale.tolist(), affine.offset.tolist()
        (2.0, 1.0)
    """
    if type(layer) is keras.layers.BatchNormalization:
        scale, offset = _of_batch_norm(layer)
    elif type(layer) is keras.layers.Normalization:
        scale, offset = _of_normalization(layer)
    elif type(layer) is keras.layers.Rescaling:
        scale, offset = layer.scale, layer.offset
    else:
        return layer
    return Affine(scale, offset, name=layer.name)


def _of_batch_norm(layer):
    scale = 1 / np.sqrt(_array(layer.moving_variance) + layer.epsilon)
    if layer.scale:
        scale = scale * _array(layer.gamma)
    offset = -_array(layer.moving_mean) * scale
    return scale, offset + _array(layer.beta) if layer.center else offset


def _of_normalization(layer):
    if layer.mean is None:
        refuse(layer, "It knows no mean yet: call its `adapt` with features first")
    mean, variance = (_array(v).reshape(-1) for v in (layer.mean, layer.variance))
    deviation = np.maximum(np.sqrt(variance), keras.config.epsilon())
    if layer.invert:
        return deviation, mean
    return 1 / deviation, -mean / deviation


def _array(values):
    return np.asarray(keras.ops.convert_to_numpy(values), np.float64)
