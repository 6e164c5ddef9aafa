import dataclasses

import numpy as np
import pytest

from keras_rnn2dnn.audio.features import FeatureSpec, LogMel
from keras_rnn2dnn.audio.word_strings import num_label_frames
from keras_rnn2dnn.recipe.material import feature_layer, feature_spec
from keras_rnn2dnn.recipe.strings import training_banks


def test_the_features_fit_any_rate():
    assert feature_spec(8000) == FeatureSpec(
        8000,
        num_bins=24,
        low_hz=80.0,
        high_hz=3900.0,
        centering="running",
        memory_ms=3000.0,
        prior_ms=300.0,
    )
    assert feature_spec(16000).high_hz == 3900.0
    assert feature_spec(6000).high_hz == 2925.0


@pytest.mark.slow  # 600 strings
def test_the_running_mean_starts_at_that_of_noisy_training_strings(marked_split, layer):
    result = feature_layer(marked_split.train, seed=3)
    again = feature_layer(marked_split.train, seed=3)
    assert result.spec == again.spec
    assert result.spec != feature_layer(marked_split.train, seed=4).spec
    spec = feature_spec(8000)
    assert dataclasses.replace(result.spec, mean=None, variance=None) == spec
    states = [np.zeros(num_label_frames(r, layer.spec)) for r in marked_split.train]
    raw = LogMel.from_spec(dataclasses.replace(spec, centering="none"))
    banks, _ = training_banks(marked_split, states, raw, 0, (300, 0), 1, seed=3)
    frames = np.concatenate([s.noisy for s in banks[0]]).astype("float64")
    np.testing.assert_allclose(result.spec.mean, frames.mean(axis=0), atol=1e-4)
    banks, _ = training_banks(marked_split, states, result, 0, (300, 0), 1, seed=3)
    frames = np.concatenate([s.noisy for s in banks[0]]).astype("float64")
    np.testing.assert_allclose(frames.std(axis=0), 1.0, atol=1e-3)


def test_pcen_is_adapted_too(marked_split):
    found = feature_layer(marked_split.train, seed=3, features="pcen")
    spec = feature_spec(8000, "pcen")
    assert (spec.compression, spec.centering, spec.gain) == ("pcen", "none", 1.0)
    assert dataclasses.replace(found.spec, mean=None, variance=None) == spec
    samples = 0.1 * np.random.default_rng(0).normal(size=(1, 8000))
    values = found(samples.astype("float32")).numpy()
    assert np.abs(values).mean() < 3
