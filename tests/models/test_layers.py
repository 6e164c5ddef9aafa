import keras
import numpy as np
import pytest

from keras_rnn2dnn import SpliceFrames
from keras_rnn2dnn.models.layers import StackFrames, UnstackFrames


def spliced(x, left, right, step):
    """Kaldi's splice-feats, frame by frame."""
    last = len(x) - 1
    offsets = range(-left, right + 1)
    return np.array(
        [
            np.concatenate([x[np.clip(t + k * step, 0, last)] for k in offsets])
            for t in range(len(x))
        ]
    )


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(2, 7, 3)).astype("float32")


@pytest.mark.parametrize(("left", "right", "step"), [(2, 1, 1), (0, 0, 1), (1, 2, 3)])
def test_splicing_is_that_of_kaldi(x, left, right, step):
    result = SpliceFrames(left, right, step)(x).numpy()
    for utterance, expected in zip(result, x, strict=True):
        np.testing.assert_array_equal(utterance, spliced(expected, left, right, step))


def test_splicing_repeats_the_last_frame_that_counts(x):
    mask = np.arange(7) < np.array([[5], [7]])
    result = SpliceFrames(2, 3)(x, mask=mask).numpy()
    np.testing.assert_array_equal(result[0, :5], spliced(x[0, :5], 2, 3, 1))
    np.testing.assert_array_equal(result[1], spliced(x[1], 2, 3, 1))


def test_splicing_hands_the_mask_on(x):
    x[0, 5:] = 0
    inputs = keras.Input((None, 3))
    outputs = SpliceFrames(1, 1)(keras.layers.Masking()(inputs))
    mask = keras.Model(inputs, outputs)(x)._keras_mask
    assert np.array(mask).sum(axis=1).tolist() == [5, 7]


@pytest.mark.parametrize("frames", [1, 5, 6, 7])
def test_unstacking_undoes_stacking_for_any_number_of_frames(x, frames):
    x = x[:, :frames]
    stacked = StackFrames(3)(x)
    assert stacked.shape == (2, -(-frames // 3), 9)
    np.testing.assert_array_equal(UnstackFrames(3)([stacked, x]), x)


def test_stacking_fills_up_with_the_last_frame_and_masks_by_the_first(x):
    mask = np.arange(7) < np.array([[4], [7]])
    layer = StackFrames(3)
    result = layer(x, mask=mask).numpy()
    np.testing.assert_array_equal(result[0, 1].reshape(3, 3), x[0, [3, 3, 3]])
    np.testing.assert_array_equal(result[1, 2].reshape(3, 3), x[1, [6, 6, 6]])
    assert layer.compute_mask(x, mask).tolist() == [[True, True, False], [True] * 3]


@pytest.mark.parametrize(
    "layer", [SpliceFrames(3, 2, step=2, name="a"), StackFrames(4), UnstackFrames(2)]
)
def test_layers_come_back_from_their_config(layer):
    config = keras.saving.serialize_keras_object(layer)
    restored = keras.saving.deserialize_keras_object(config)
    assert restored.get_config() == layer.get_config()


def test_symbolic_shapes_are_the_real_ones(x):
    assert SpliceFrames(1, 2).compute_output_shape((2, 7, 3)) == (2, 7, 12)
    assert StackFrames(3).compute_output_shape((2, 7, 3)) == (2, 3, 9)
    shapes = ((2, 3, 9), (2, 7, 3))
    assert UnstackFrames(3).compute_output_shape(shapes) == (2, 7, 3)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError) as error:
        SpliceFrames(left=-1, right=0)
    assert str(error.value) == (
        "Invalid value for `left`. Expected an integer >= 0. Received: left=-1"
    )
    with pytest.raises(ValueError, match="`step`. Expected an integer >= 1"):
        SpliceFrames(1, 1, step=0)
    with pytest.raises(ValueError, match="`stack`. Expected an integer >= 1"):
        StackFrames(0)
