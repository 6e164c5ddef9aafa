import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn import SpliceFrames
from keras_rnn2dnn.models.spliced_dense import SplicedDense

CONTEXTS = [(2, 1, 1), (0, 0, 1), (1, 2, 3)]


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(2, 7, 3)).astype("float32")


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("use_bias", [True, False])
def test_it_is_a_dense_layer_on_spliced_frames_in_float64(x, context, use_bias):
    left, right, step = context
    layer = SplicedDense(4, *context, activation="relu", use_bias=use_bias)
    mask = np.arange(7) < np.array([[5], [7]])
    result = layer(x, mask=mask).numpy()
    weights = [np.random.default_rng(1).normal(size=w.shape) for w in layer.weights]
    layer.set_weights(weights)
    result = layer(x, mask=mask).numpy()
    for row, length in enumerate((5, 7)):
        for t in range(length):
            around = t + step * np.arange(-left, right + 1)
            window = x[row, np.clip(around, 0, length - 1)].reshape(-1)
            expected = window.astype("float64") @ weights[0]
            expected = expected + weights[1] if use_bias else expected
            np.testing.assert_allclose(
                result[row, t], np.maximum(expected, 0), atol=1e-5
            )


@pytest.mark.parametrize("context", CONTEXTS)
def test_it_learns_like_the_two_layers(x, context):
    inputs = keras.Input((None, 3))
    one = keras.Model(inputs, SplicedDense(4, *context, activation="tanh")(inputs))
    spliced = SpliceFrames(*context)(inputs)
    two = keras.Model(inputs, keras.layers.Dense(4, "tanh")(spliced))
    two.set_weights(one.get_weights())
    y = np.random.default_rng(1).normal(size=(2, 7, 4))
    for model in (one, two):
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(x, y, epochs=3, verbose=0)
    for left, right in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)


def test_it_is_saved_and_hands_the_mask_on(x, tmp_path):
    x[0, 5:] = 0
    inputs = keras.Input((None, 3))
    masked = keras.layers.Masking()(inputs)
    model = keras.Model(inputs, SplicedDense(4, 2, 1, 2, "relu", False)(masked))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    outputs = loaded(x)
    np.testing.assert_array_equal(outputs, model(x))
    assert np.array(outputs._keras_mask).sum(axis=1).tolist() == [5, 7]


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("stride", [2, 3, 7])
def test_a_stride_takes_every_nth_window(x, context, stride):
    every, some = (SplicedDense(4, *context, stride=n) for n in (1, stride))
    mask = np.arange(7) < np.array([[5], [7]])
    expected = every(x, mask=mask)[:, ::stride]
    some(x, mask=mask)
    some.set_weights(every.get_weights())
    result = some(x, mask=mask)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    assert some.compute_output_shape(x.shape) == result.shape
    assert SplicedDense.from_config(some.get_config()).strides == (stride,)


def test_a_bad_context_is_refused():
    with pytest.raises(ValueError, match="Invalid value for `left`"):
        SplicedDense(4, -1, 2)
    for units in (0, 2.5):
        with pytest.raises(ValueError, match="Invalid value for `units`"):
            SplicedDense(units, 1, 2)


def test_no_utterance_at_all_trains_nothing(x):
    """A replica may get none; see `tf.distribute`."""
    layer = SplicedDense(4, 2, 1)
    layer(x)

    @tf.function(input_signature=[tf.TensorSpec((None, None, 3))])
    def gradients(x):
        with tf.GradientTape() as tape:
            outputs = layer(x)
            loss = tf.reduce_sum(outputs)
        return outputs, tape.gradient(loss, layer.trainable_variables)

    outputs, found = gradients(x[:0])
    assert outputs.shape == (0, 7, 4)
    assert [np.any(gradient) for gradient in found] == [False, False]


def test_the_image_data_format_is_no_matter(x):
    layer = SplicedDense(4, 1, 1)
    expected = layer(x)
    keras.config.set_image_data_format("channels_first")
    try:
        np.testing.assert_array_equal(layer(x), expected)
    finally:
        keras.config.set_image_data_format("channels_last")
