"""The features of teacher and students: their settings, and what is adapted."""

from collections.abc import Sequence

from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.features import FeatureSpec, LogMel
from keras_rnn2dnn.audio.word_strings import make_strings
from keras_rnn2dnn.recipe.strings import string_seed

_ADAPTATION_STRINGS = 300


def feature_spec(sample_rate_hz: int) -> FeatureSpec:
    """Returns the features: 24 log-mel bins less a running mean.

    So a device can compute them in a stream. Where the running mean starts, and the
    variance, are for `feature_layer` to find.
    """
    return FeatureSpec(
        sample_rate_hz=sample_rate_hz,
        num_bins=24,
        low_hz=80.0,
        high_hz=min(3900.0, 0.4875 * sample_rate_hz),
        centering="running",
    )


def feature_layer(recordings: Sequence[Recording], seed: int) -> LogMel:
    """Returns the layer of `feature_spec`, adapted to noisy word strings.

    Args:
        recordings: of the training.
        seed: of the strings.

    Returns:
        The layer, with mean and variance.
    """
    layer = LogMel.from_spec(feature_spec(recordings[0].sample_rate_hz))
    seed = string_seed(seed, "train", 0)  # the first strings of the first bank
    strings = make_strings(recordings, _ADAPTATION_STRINGS, seed, layer.spec)
    layer.adapt(string.noisy[None] for string in strings)
    return layer
