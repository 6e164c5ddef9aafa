import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn.models.spliced_dense import SplicedDense
from keras_rnn2dnn.quantization.fake_quant import (
    FakeQuant,
    FakeQuantAverage,
    FakeQuantConv1D,
    FakeQuantConv2D,
    FakeQuantDense,
    FakeQuantDepthwiseConv2D,
    FakeQuantSplicedDense,
    plain_layer,
    quantized_kernel,
)
from keras_rnn2dnn.quantization.ranges import scale_and_zero_point

LAYERS = [
    lambda: FakeQuantDense(5, activation="relu"),
    lambda: FakeQuantConv1D(5, 3, padding="causal", dilation_rate=2),
    lambda: FakeQuantConv1D(6, 3, strides=2, groups=2, use_bias=False),
    lambda: FakeQuantSplicedDense(5, 2, 1, activation="relu6"),
]
IMAGE_LAYERS = [
    lambda: FakeQuantConv2D(5, 3, padding="same", strides=2, activation="relu"),
    lambda: FakeQuantConv2D(6, (3, 2), dilation_rate=2, groups=2, use_bias=False),
    lambda: FakeQuantDepthwiseConv2D(3, depth_multiplier=2, activation="relu6"),
]


@pytest.mark.parametrize("limits", [(-1.3, 2.1), (0.0, 6.0), (-0.7, 0.0)])
def test_values_are_rounded_to_256_steps(limits):
    x = np.random.default_rng(0).uniform(-3, 8, 4000)
    low, high = limits
    scale = (high - low) / 255
    zero_point = np.rint(-128 - low / scale)
    steps = np.clip(np.rint(x / scale) + zero_point, -128, 127)
    received = FakeQuant(low, high)(x).numpy()
    np.testing.assert_allclose(received, scale * (steps - zero_point), atol=1e-6)
    assert FakeQuant(low, high)(np.zeros(1)).numpy() == 0


def test_the_gradient_is_one_within_the_range_and_zero_outside():
    x = tf.constant([-2.0, -0.5, 0.3, 0.9, 1.5])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = FakeQuant(-1.0, 1.0)(x)
    assert tape.gradient(y, x).numpy().tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("limits", [(0.1, 1.0), (-1.0, -0.1), (0.0, 0.0)])
def test_a_range_without_zero_or_without_extent_is_refused(limits):
    with pytest.raises(ValueError) as error:
        FakeQuant(*limits)
    assert str(error.value) == (
        "Invalid value for `(low, high)`. Expected a range that holds 0 and more. "
        f"Received: (low, high)={limits}"
    )


def test_each_output_channel_of_a_kernel_has_its_scale():
    kernel = np.random.default_rng(0).normal(size=(3, 4, 5)) * [1, 10, 0.1, 0, 3]
    scale = np.abs(kernel).max((0, 1)) / 127
    safe = np.where(scale > 0, scale, 1)
    received = quantized_kernel(kernel.astype("float32")).numpy()
    np.testing.assert_allclose(received, np.rint(kernel / safe) * scale, rtol=1e-5)
    np.testing.assert_allclose(quantized_kernel(received), received, rtol=1e-6)


def test_a_depthwise_kernel_has_a_scale_for_each_channel_and_multiple_of_it():
    kernel = np.random.default_rng(0).normal(size=(3, 2, 4, 2))
    kernel *= np.array([1, 10, 0.1, 3])[:, None] * [1, 0.01]
    scale = np.abs(kernel).max((0, 1)) / 127
    received = quantized_kernel(kernel.astype("float32"), 2).numpy()
    np.testing.assert_allclose(received, np.rint(kernel / scale) * scale, rtol=1e-5)
    layer = FakeQuantDepthwiseConv2D(3, depth_multiplier=2)
    layer.build((None, 9, 9, 4))
    kernel = np.array(layer.kernel) * np.array([1, 50, 0.1, 3])[:, None]
    layer.set_weights([kernel, np.zeros(8)])
    x = np.random.default_rng(1).normal(size=(1, 3, 3, 4)).astype("float32")
    scale = np.abs(kernel).max((0, 1)) / 127
    rounded = np.rint(kernel / scale) * scale
    expected = (x[0, ..., None] * rounded).sum((0, 1)).reshape(-1)
    np.testing.assert_allclose(layer(x).numpy().reshape(-1), expected, rtol=1e-4)


def test_averages_are_rounded_as_integers_are_a_half_away_from_zero():
    low, high = -1.3, 2.1
    scale, zero_point = scale_and_zero_point(low, high)
    steps = np.random.default_rng(0).integers(-128, 128, (500, 4))
    sums = steps.sum(1)  # as the pooling of TensorFlow Lite Micro divides
    means = np.where(sums > 0, (sums + 2) // 4, -((-sums + 2) // 4))
    x = (scale * (steps - zero_point)).astype("float32").mean(1)
    received = FakeQuantAverage(low, high)(x).numpy()
    np.testing.assert_allclose(received, scale * (means - zero_point), atol=1e-6)
    values = tf.constant([-2.0, 0.3, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(values)
        y = FakeQuantAverage(low, high)(values)
    assert tape.gradient(y, values).numpy().tolist() == [0, 1, 0]


@pytest.mark.parametrize("build", [*LAYERS, *IMAGE_LAYERS])
def test_a_layer_computes_with_the_rounded_kernel_and_trains_its_own(build):
    layer = build()
    shape = (2, 9, 8, 4) if build in IMAGE_LAYERS else (2, 9, 4)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    with tf.GradientTape() as tape:
        y = layer(x)
        loss = tf.reduce_sum(y**2)
    before = layer.kernel.numpy()
    plain = plain_layer(layer)
    assert type(plain) is type(layer).plain_class and plain_layer(plain) is plain
    rounded = quantized_kernel(layer.kernel, layer.channel_axes)
    np.testing.assert_array_equal(plain.kernel, rounded)
    np.testing.assert_allclose(y, plain(x), atol=1e-5)
    assert np.abs(plain.kernel.numpy() - before).max() > 1e-4
    with tf.GradientTape() as plain_tape:
        plain_loss = tf.reduce_sum(plain(x) ** 2)
    for received, expected in zip(
        tape.gradient(loss, layer.trainable_weights),
        plain_tape.gradient(plain_loss, plain.trainable_weights),
        strict=True,
    ):
        np.testing.assert_allclose(received, expected, atol=1e-4)
    np.testing.assert_array_equal(layer.kernel, before)


def test_the_layers_keep_masks():
    layer = FakeQuantSplicedDense(3, 1, 2)
    x = np.random.default_rng(0).normal(size=(1, 6, 4)).astype("float32")
    mask = np.arange(6)[None] < 4
    x[:, 4:] = 0
    received = layer(x, mask=mask)[:, :4]
    np.testing.assert_allclose(received, layer(x[:, :4]), atol=1e-6)
    plain = SplicedDense(3, 1, 2)
    assert FakeQuant(-1, 1).supports_masking == plain.supports_masking
