"""Reference models: a feed-forward student and a recurrent teacher."""

import keras

from keras_rnn2dnn.models.layers import StackFrames, UnstackFrames
from keras_rnn2dnn.models.spliced_dense import SplicedDense
from keras_rnn2dnn.util.errors import invalid, is_integer

_CELLS = {
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "simple_rnn": keras.layers.SimpleRNN,
}


def dnn_student(
    num_features: int,
    num_classes: int,
    context: tuple[int, int] = (15, 5),
    units: tuple[int, ...] = (128, 128, 128),
    step: int = 1,
    stride: int = 1,
) -> keras.Model:
    """Builds a feed-forward student: context window -> Dense-ReLU layers -> logits.

    Frames whose features are all zero are padding: they are masked.

    Args:
        num_features: features per frame.
        num_classes: classes (acoustic states, characters, ...).
        context: frames before and after the current one. Each frame after it
            delays the output by one frame on a device.
        units: width of each hidden layer.
        step: distance between the frames of the context: with 2, `context=(5, 5)`
            reaches 10 frames to each side with half the weights.
        stride: input frames for each output frame, as of a teacher with strided
            convolutions: the output frame `t` is that of the window around the input
            frame `t * stride`.

    Returns:
        A Keras model `(batch, frames, num_features) -> (batch, ceil(frames / stride),
        num_classes)`.

    Raises:
        ValueError: if a number is not positive or `context` is not a pair.

    Example:
        >>> student = dnn_student(num_features=24, num_classes=51, units=(64, 64))
        >>> student.output_shape, student.count_params()
        ((None, None, 51), 39795)
    """
    num_features, num_classes, units = checked_sizes(num_features, num_classes, units)
    if len(tuple(context)) != 2:
        raise ValueError(invalid("context", "a pair (left, right) of frames", context))
    inputs = keras.Input((None, num_features), name="features")
    x = keras.layers.Masking(name="mask")(inputs)
    options = {"activation": "relu", "stride": stride, "name": "dense_1"}
    x = SplicedDense(units[0], *context, step, **options)(x)
    for number, width in enumerate(units[1:], 2):
        x = keras.layers.Dense(width, activation="relu", name=f"dense_{number}")(x)
    logits = keras.layers.Dense(num_classes, name="logits")(x)
    return keras.Model(inputs, logits, name="dnn_student")


def tdnn_student(
    num_features: int,
    num_classes: int,
    units: tuple[int, ...] = (48, 32, 32),
    steps: tuple[int, ...] = (1, 3, 6),
) -> keras.Model:
    """Builds a time-delay student: layers on three frames each, ever further apart.

    It sees `sum(steps)` frames to each side with far fewer weights than a dense layer
    on all of them, and costs as little on a device, which computes the newest frame of
    each layer alone (Peddinti, Povey and Khudanpur, "A time delay neural network
    architecture for efficient modeling of long temporal contexts", Interspeech 2015).

    Frames whose features are all zero are padding: they are masked.

    Args:
        num_features: features per frame.
        num_classes: classes (acoustic states, characters, ...).
        units: width of each hidden layer.
        steps: for each of them the distance of its three frames.

    Returns:
        A Keras model `(batch, frames, num_features) -> (batch, frames, num_classes)`.

    Raises:
        ValueError: if a number is not positive, or there is no step for a layer.

    Example:
        >>> student = tdnn_student(num_features=24, num_classes=51)
        >>> student.output_shape, student.count_params()
        ((None, None, 51), 12931)
    """
    num_features, num_classes, units = checked_sizes(num_features, num_classes, units)
    if len(steps) != len(units):
        expected = f"{len(units)} numbers, one for each layer"
        raise ValueError(invalid("steps", expected, steps))
    inputs = keras.Input((None, num_features), name="features")
    x = keras.layers.Masking(name="mask")(inputs)
    for number, (width, step) in enumerate(zip(units, steps, strict=True), 1):
        layer = SplicedDense(width, 1, 1, step, "relu", name=f"tdnn_{number}")
        x = layer(x)
    logits = keras.layers.Dense(num_classes, name="logits")(x)
    return keras.Model(inputs, logits, name="tdnn_student")


def rnn_teacher(
    num_features: int,
    num_classes: int,
    units: tuple[int, ...] = (128, 128),
    cell: str = "lstm",
    bidirectional: bool = True,
    stack: int = 1,
    dropout: float = 0.0,
) -> keras.Model:
    """Builds a reference recurrent teacher: stacked recurrent layers -> logits.

    Frames whose features are all zero are padding: they are masked.

    Args:
        num_features: features per frame.
        num_classes: classes (acoustic states, characters, ...).
        units: width of each recurrent layer (of each direction).
        cell: `"lstm"`, `"gru"` or `"simple_rnn"`.
        bidirectional: whether each layer also reads backwards.
        stack: frames per recurrent step; 3 makes training about three times faster.
        dropout: share of each recurrent layer's outputs dropped in training.

    Returns:
        A Keras model `(batch, frames, num_features) -> (batch, frames, num_classes)`.

    Raises:
        ValueError: if a number is not positive or `cell` is unknown.

    Example:
        >>> teacher = rnn_teacher(24, 51, units=(96, 96), stack=3)
        >>> teacher.output_shape
        (None, None, 51)
    """
    num_features, num_classes, units = checked_sizes(num_features, num_classes, units)
    if cell not in _CELLS:
        raise ValueError(invalid("cell", f"one of {sorted(_CELLS)}", cell))
    inputs = keras.Input((None, num_features), name="features")
    masked = keras.layers.Masking(name="mask")(inputs)
    x = masked if stack == 1 else StackFrames(stack, name="stack")(masked)
    for number, width in enumerate(units, 1):
        layer = _CELLS[cell](width, return_sequences=True, name=f"{cell}_{number}")
        if bidirectional:
            layer = keras.layers.Bidirectional(layer, name=f"bidirectional_{number}")
        x = layer(x)
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"dropout_{number}")(x)
    logits = keras.layers.Dense(stack * num_classes, name="logits")(x)
    if stack > 1:
        logits = UnstackFrames(stack, name="unstack")([logits, masked])
    return keras.Model(inputs, logits, name="rnn_teacher")


def checked_sizes(
    num_features: int, num_classes: int, units: tuple[int, ...]
) -> tuple[int, int, tuple[int, ...]]:
    """Returns the sizes of a model as ints of Python, which Keras insists on.

    Args:
        num_features: features per frame.
        num_classes: classes.
        units: width of each hidden layer.

    Raises:
        ValueError: if one of them is no positive integer.
    """
    sizes = {"num_features": [num_features], "num_classes": [num_classes]}
    for name, values in {**sizes, "units": list(units)}.items():
        if not values or any(not is_integer(v) or v < 1 for v in values):
            received = values[0] if name != "units" else units
            raise ValueError(invalid(name, "positive integers", received))
    return int(num_features), int(num_classes), tuple(int(v) for v in units)
