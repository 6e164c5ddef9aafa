"""Reference models of whole clips: a convolutional student and a recurrent teacher."""

import keras

from keras_rnn2dnn.models.reference import checked_sizes
from keras_rnn2dnn.util.errors import invalid, is_integer

# Channels of all layers, strides of the first convolution and of the first depthwise
# one, and depthwise separable layers.
_SIZES = {
    "S": (64, (2, 2), 1, 4),
    "M": (172, (2, 1), 2, 4),
    "L": (276, (2, 1), 2, 5),
}
_FIRST_KERNEL = (10, 4)  # frames and bins


def ds_cnn_student(
    num_features: int,
    num_classes: int,
    frames: int = 49,
    size: str = "S",
    dropout: float = 0.0,
) -> keras.Model:
    """Builds a depthwise separable convolutional student of whole clips.

    A convolution over 10 frames and 4 bins, then depthwise convolutions of 3 x 3 with
    one over channels behind each, all with batch normalization and ReLU, the mean over
    the clip, and a dense layer (Zhang, Suda, Lai and Chandra, "Hello Edge: keyword
    spotting on microcontrollers", 2017, DS-CNN). `convert` makes int8 of it, and the C
    code of a bundle runs it.

    Its batch normalization has Keras's momentum of 0.99. In evaluation it needs some
    hundreds of updates to know the statistics of the data: before, the student may give
    one class for all, however good its accuracy in training is. Train longer, in
    smaller batches, or set `momentum` of its BatchNormalization layers to 0.9 before
    the training.

    Args:
        num_features: bins per frame; the paper's are 10.
        num_classes: keywords, and whatever else a clip may be.
        frames: of a clip; the paper's are 49, of 20 ms each.
        size: `"S"` (64 channels), `"M"` (172) or `"L"` (276).
        dropout: share of each layer's channels dropped in training.

    Returns:
        A Keras model `(batch, frames, num_features) -> (batch, num_classes)`, logits.

    Raises:
        ValueError: if a number is not positive, or `size` is unknown.

    Example:
        >>> student = ds_cnn_student(10, 12)
        >>> student.input_shape, student.output_shape
        ((None, 49, 10), (None, 12))
        >>> sum(weight.value.numpy().size for weight in student.trainable_weights)
        23180
    """
    num_features, num_classes, _ = checked_sizes(num_features, num_classes, (1,))
    if not is_integer(frames) or frames < 1:
        raise ValueError(invalid("frames", "a positive integer", frames))
    if size not in _SIZES:
        raise ValueError(invalid("size", f"one of {sorted(_SIZES)}", size))
    channels, first, second, count = _SIZES[size]
    inputs = keras.Input((int(frames), num_features), name="features")
    x = keras.layers.Reshape((int(frames), num_features, 1), name="image")(inputs)
    conv = keras.layers.Conv2D(
        channels, _FIRST_KERNEL, first, "same", use_bias=False, name="conv"
    )
    x = _normalized(conv(x), "conv", dropout)
    for number in range(1, count + 1):
        strides = second if number == 1 else 1
        depthwise = keras.layers.DepthwiseConv2D(
            3, strides, "same", use_bias=False, name=f"depthwise_{number}"
        )
        x = _normalized(depthwise(x), f"depthwise_{number}", 0.0)
        pointwise = keras.layers.Conv2D(
            channels, 1, use_bias=False, name=f"pointwise_{number}"
        )
        x = _normalized(pointwise(x), f"pointwise_{number}", dropout)
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    logits = keras.layers.Dense(num_classes, name="logits")(x)
    return keras.Model(inputs, logits, name="ds_cnn_student")


def crnn_teacher(
    num_features: int,
    num_classes: int,
    filters: int = 32,
    kernel: tuple[int, int] = (20, 5),
    strides: tuple[int, int] = (8, 2),
    units: tuple[int, ...] = (32, 32),
    dense: int = 64,
    dropout: float = 0.0,
) -> keras.Model:
    """Builds a convolutional recurrent teacher of whole clips.

    A convolution over frames and bins, bidirectional GRUs over what it gives, and a
    dense layer on their last states (Arik et al., "Convolutional recurrent neural
    networks for small-footprint keyword spotting", Interspeech 2017, whose best model
    the defaults are: for frames of 10 ms; with clips of few frames take smaller
    strides).

    Args:
        num_features: bins per frame.
        num_classes: keywords, and whatever else a clip may be.
        filters: of the convolution.
        kernel: frames and bins that it spans.
        strides: frames and bins from step to step.
        units: width of each recurrent layer, of each direction.
        dense: width of the dense layer before the logits.
        dropout: share of each recurrent layer's outputs dropped in training.

    Returns:
        A Keras model `(batch, frames, num_features) -> (batch, num_classes)`, logits,
        for clips of any number of frames.

    Raises:
        ValueError: if a number is not positive, or a pair is none.

    Example:
        >>> crnn_teacher(40, 12).output_shape
        (None, 12)
    """
    num_features, num_classes, units = checked_sizes(num_features, num_classes, units)
    for name, value in (("filters", filters), ("dense", dense)):
        if not is_integer(value) or value < 1:
            raise ValueError(invalid(name, "a positive integer", value))
    for name, pair in (("kernel", kernel), ("strides", strides)):
        if len(tuple(pair)) != 2:
            raise ValueError(invalid(name, "a pair (frames, bins)", pair))
    inputs = keras.Input((None, num_features), name="features")
    x = keras.layers.Reshape((-1, num_features, 1), name="image")(inputs)
    conv = keras.layers.Conv2D(
        int(filters), kernel, strides, "same", activation="relu", name="conv"
    )
    x = conv(x)
    x = keras.layers.Reshape((-1, x.shape[2] * x.shape[3]), name="steps")(x)
    for number, width in enumerate(units, 1):
        gru = keras.layers.GRU(
            width, return_sequences=number < len(units), name=f"gru_{number}"
        )
        x = keras.layers.Bidirectional(gru, name=f"bidirectional_{number}")(x)
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"dropout_{number}")(x)
    x = keras.layers.Dense(int(dense), activation="relu", name="dense")(x)
    logits = keras.layers.Dense(num_classes, name="logits")(x)
    return keras.Model(inputs, logits, name="crnn_teacher")


def _normalized(x, name, dropout):
    x = keras.layers.BatchNormalization(name=f"{name}_norm")(x)
    x = keras.layers.ReLU(name=f"{name}_relu")(x)
    if not dropout:
        return x
    return keras.layers.SpatialDropout2D(dropout, name=f"{name}_dropout")(x)
