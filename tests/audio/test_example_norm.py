import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn import LogMel
from keras_rnn2dnn.audio.example_norm import example_normalized
from keras_rnn2dnn.audio.feature_spec import FeatureSpec

RNG = np.random.default_rng(0)
X = RNG.normal(-9, 3, size=(2, 50, 7)).astype("float32")
AUDIO = RNG.normal(0, 0.1, size=(2, 4000)).astype("float32")


def test_of_all_values_it_is_tensorflows_standardization():
    expected = tf.image.per_image_standardization(X[..., None])[..., 0]
    received = example_normalized(X, "all")
    np.testing.assert_allclose(received, expected, atol=1e-5)


def test_of_bins_padding_counts_nowhere():
    lengths = (50, 31)
    mask = np.arange(50) < np.array(lengths)[:, None]
    received = example_normalized(np.where(mask[..., None], X, 40.0), "bins", mask)
    for one, rows, length in zip(received.numpy(), X, lengths, strict=True):
        real = rows[:length].astype("float64")
        expected = (real - real.mean(0)) / real.std(0)
        np.testing.assert_allclose(one[:length], expected, atol=1e-5)


@pytest.mark.parametrize("over", ["all", "bins"])
def test_what_stands_still_is_zero(over):
    np.testing.assert_array_equal(example_normalized(np.ones((1, 9, 3)), over), 0.0)
    nothing = example_normalized(X, over, np.zeros((2, 50), bool))
    assert np.isfinite(nothing).all()


@pytest.mark.parametrize("options", [{}, {"compression": "pcen"}, {"num_cepstra": 10}])
def test_the_layer_normalizes_what_it_gives_without(options):
    plain = LogMel(8000, num_bins=24, **options)
    plain.adapt(AUDIO)
    spec = dict(plain.spec.to_dict(), example_norm="bins")
    x = plain(AUDIO).numpy().astype("float64")
    expected = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    np.testing.assert_allclose(LogMel(**spec)(AUDIO), expected, atol=1e-4)
    mask = np.arange(4000) < np.array([[4000], [2000]])
    short = LogMel(**spec)(AUDIO[1:, :2000])
    padded = LogMel(**spec)(AUDIO, mask=mask)[1:, : short.shape[1]]
    if not options.get("compression"):
        np.testing.assert_allclose(padded, short, atol=1e-4)


def test_adapt_sees_what_is_not_yet_normalized():
    one, other = LogMel(8000), LogMel(8000, example_norm="all")
    one.adapt(AUDIO)
    other.adapt(AUDIO)
    assert one.spec.mean == other.spec.mean
    assert LogMel.from_config(other.get_config()).spec == other.spec


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"example_norm": "clip"},
            "Invalid value for `example_norm`. Expected one of ('none', 'all', 'bins')."
            " Received: example_norm='clip'",
        ),
        (
            {"example_norm": "all", "centering": "running"},
            'Invalid value for `centering`. Expected "none" with example_norm. '
            "Received: centering='running'. The mean of an example is subtracted "
            "anyway",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(options, said):
    with pytest.raises(ValueError) as error:
        FeatureSpec(8000, **options)
    assert str(error.value) == said
