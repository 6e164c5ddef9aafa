"""Which layers and activations devices run, and what to use in place of the others."""

import keras

from keras_rnn2dnn.models.layers import SpliceFrames
from keras_rnn2dnn.models.spliced_dense import SplicedDense
from keras_rnn2dnn.quantization.fake_quant import FakeQuant
from keras_rnn2dnn.util.errors import invalid

MERGES = (
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.Concatenate,
    keras.layers.Multiply,
    keras.layers.Subtract,
)
IDENTITIES = (  # in inference
    keras.layers.ActivityRegularization,
    keras.layers.AlphaDropout,
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.Masking,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
)
_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.DepthwiseConv1D,
    keras.layers.SeparableConv1D,
)
_ALLOWED = (
    *(*_CONVOLUTIONS, *IDENTITIES, *MERGES),
    keras.layers.Activation,
    keras.layers.AveragePooling1D,
    keras.layers.BatchNormalization,
    keras.layers.Dense,
    keras.layers.LeakyReLU,
    keras.layers.Normalization,
    keras.layers.ReLU,
    keras.layers.Rescaling,
    keras.layers.ZeroPadding1D,
    FakeQuant,
    SpliceFrames,
    SplicedDense,
)
TWO_DIMENSIONAL = (
    keras.layers.AveragePooling2D,
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.MaxPooling2D,
    keras.layers.SeparableConv2D,
    keras.layers.ZeroPadding2D,
)
# Of students with two-dimensional layers.
_OF_IMAGES = (
    *(layer for layer in _ALLOWED if layer.__module__.startswith("keras.")),
    *TWO_DIMENSIONAL,
    FakeQuant,
    keras.layers.MaxPooling1D,
    keras.layers.Reshape,
)
# Of utterance-level students, whose window is the whole clip.
_OF_CLIPS = (
    *_OF_IMAGES,
    keras.layers.Flatten,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.GlobalMaxPooling2D,
)
_BY_KIND = {"frames": _ALLOWED, "images": _OF_IMAGES, "clip": _OF_CLIPS}
_ACTIVATIONS = (
    keras.activations.hard_silu,
    keras.activations.leaky_relu,
    keras.activations.linear,
    keras.activations.relu,
    keras.activations.relu6,
    keras.activations.sigmoid,
    keras.activations.silu,
    keras.activations.tanh,
)
_SOFTMAX = (
    "Remove it: convert wants logits, since an int8 softmax turns most posteriors "
    "into 0"
)
RECURRENT = (keras.layers.RNN, keras.layers.Bidirectional)
_RECURRENT_HINT = (
    "Recurrent: it cannot run on a window; distil it into a feed-forward student"
)
_FLOAT = "It leaves int8 on a device: use relu, silu or hard_silu instead"
_HINTS = {
    "Softmax": _SOFTMAX,
    "softmax": _SOFTMAX,
    "log_softmax": _SOFTMAX,
    "ELU": _FLOAT,
    "elu": _FLOAT,
    "gelu": _FLOAT,
    "GroupNormalization": "Use BatchNormalization, which folds into the weights",
    "LayerNormalization": "Use BatchNormalization, which folds into the weights",
    "RMSNormalization": "Use BatchNormalization, which folds into the weights",
    "Lambda": "Use Keras layers instead of own functions",
    "TimeDistributed": "Dense works on every frame by itself: leave it out",
    "PReLU": "Use ReLU, which the C code runs, or LeakyReLU, with one slope for all",
    "MaxPooling1D": "Use AveragePooling1D, or a Conv1D with strides",
}
_IMAGE_HINTS = {
    "Flatten": "Keep the frames: Reshape((-1, bins * channels))",
    "Permute": "Give the student features as (batch, frames, bins) or with a last 1",
    "SpliceFrames": 'Use Conv1D(units, window, padding="same") in its place',
    "SplicedDense": 'Use Conv1D(units, window, padding="same") in its place',
}


def refuse(layer: keras.Operation, hint: str) -> None:
    """Raises the error for a layer that cannot be converted."""
    received = f"{layer.name} ({type(layer).__name__})"
    expected = "layers that run in int8 on one context window"
    raise ValueError(invalid("student", expected, received, hint))


def check_layer(layer: keras.Operation, kind: str = "frames") -> None:
    """Checks that a layer can run in int8 on one context window.

    Args:
        layer: a layer, or another Keras operation.
        kind: of the student: `"frames"`, or `"images"` where some of its layers are
            two-dimensional, or `"clip"` where the window is the whole clip, which has
            edges of its own.

    Raises:
        ValueError: if it cannot; names the layer and says what to do.

    Example:
        >>> check_layer(keras.layers.Softmax(name="posteriors"))
        Traceback (most recent call last):
        ...
        ValueError: Invalid value for `student`. Expected layers that run in int8 on
        one context window. Received: student='posteriors (Softmax)'. Remove it: ...
    """
    if isinstance(layer, RECURRENT):
        refuse(layer, _RECURRENT_HINT)
    allowed = _BY_KIND[kind]
    if type(layer) not in allowed:
        hint = _IMAGE_HINTS.get(type(layer).__name__) if kind != "frames" else None
        refuse(layer, hint or _hint(type(layer), allowed))
    activation = getattr(layer, "activation", None)
    if activation is not None and activation not in _ACTIVATIONS:
        name = getattr(activation, "__name__", type(activation).__name__)
        refuse(layer, f"Its activation is {name}. {_hint(activation, _ACTIVATIONS)}")
    _check_options(layer, kind)


def _hint(given, allowed):
    """Says what to use in place of a class of layers, or of an activation."""
    name = getattr(given, "__name__", type(given).__name__)
    is_class = isinstance(given, type)
    names = {one.__name__: one for one in allowed}
    bases = [n for n, one in names.items() if is_class and issubclass(given, one)]
    if name in names or bases:
        place = "keras.layers" if is_class else "keras.activations"
        same = names.get(name) or names[bases[0]]
        place = place if same.__module__.startswith("keras.") else "keras_rnn2dnn"
        return (
            "It is one of your own, of which nothing is known: use "
            f"{place}.{same.__name__} itself"
        )
    return _HINTS.get(name, f"Allowed: {', '.join(sorted(names))}")


def _check_options(layer, kind):
    pads = getattr(layer, "padding", None) == "same"
    if pads and kind == "frames" and layer.strides[0] > 1:
        refuse(
            layer,
            'padding="same" with strides > 1 depends on the length of the '
            'utterance: use padding="causal" or "valid"',
        )
    if getattr(layer, "data_format", None) == "channels_first":
        refuse(layer, 'Use data_format="channels_last"')
    if isinstance(layer, keras.layers.ReLU) and (
        layer.max_value not in (None, 6) or layer.negative_slope or layer.threshold
    ):
        refuse(layer, "Use ReLU() or ReLU(max_value=6), or LeakyReLU")
    axis = getattr(layer, "axis", -1)
    if isinstance(layer, keras.layers.Normalization):
        axis = axis[0] if len(axis) == 1 else axis or -1
    rank = getattr(getattr(layer, "input_spec", None), "ndim", None) or 3
    any_axis = kind != "frames" and isinstance(layer, keras.layers.Concatenate)
    if axis not in (-1, rank - 1) and not any_axis:
        refuse(layer, f"Its axis is {axis}. Use the last one, axis=-1")
