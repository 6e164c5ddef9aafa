"""Features against their formula, and what float32 may leave between them."""

import dataclasses
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.bundles import MFCC, parts, recordings
from helpers.cepstra import cepstra64
from helpers.pcen import pcen64

from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.audio.mel import mel_matrix
from keras_rnn2dnn.deploy.device.features import device_features, feature_tables
from keras_rnn2dnn.deploy.golden import edge_signals, pcm_bytes
from keras_rnn2dnn.deploy.verify.feature_accuracy import (
    BEYOND_ROUNDING,
    against_formula,
    exact_features,
    feature_rounding,
)

KINDS = {
    "log": {},
    "few bins": {"num_bins": 12},
    "cepstra": {"num_cepstra": 10},
    "running": {"centering": "running"},
    "pcen": {"compression": "pcen"},
    "log of pcen": {"compression": "pcen", "power": 0.0, "gain": 1.0},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("window", ["hamming", "hann"])
def test_sound_features_of_any_window_are_within_the_rounding(kind, window):
    """Constants, a sweep and clicks: some bins hold next to nothing beside a loud one.

    Windows of 32 and 64 ms at 8 and 16 kHz are as long as the FFT.
    """
    most = 0.0
    for rate, ms in itertools.product((8000, 16000), (20, 25, 32, 64)):
        spec = FeatureSpec(rate, ms, 20.0, window=window, **KINDS[kind])
        for pcm in edge_signals(rate):
            error = np.abs(exact_features(pcm, spec) - device_features(pcm, spec))
            rounding = feature_rounding(pcm, spec)
            assert error.shape == rounding.shape
            most = max(most, (error - rounding).max(initial=0.0))
    assert most < BEYOND_ROUNDING / 4


def test_a_loud_frame_leaves_much_where_nothing_is_heard_and_real_audio_little():
    spec = FeatureSpec(8000, 32.0, 20.0, num_bins=12)
    loud = np.full(4000, 32767, np.int16)
    assert feature_rounding(loud, spec).max() > 1e-3
    t = np.arange(4000) / 8000
    noise = np.random.default_rng(0).normal(0, 300, 4000)
    heard = (8000 * np.sin(2 * np.pi * 440 * t) + noise).astype(np.int16)
    assert feature_rounding(heard, spec).max() < 1e-4
    assert feature_rounding(loud[:10], spec).shape == (0, 12)


def changed(tables):
    """A hundredth more of one weight of a triangle, as a wrong table has it."""
    first, *others = tables.mel_weights
    return dataclasses.replace(tables, mel_weights=(first * np.float32(1.01), *others))


def judged(spec, heard, tables=None):
    """What the stage says of recordings that a device with these tables has heard."""
    found = [device_features(pcm, spec, tables) for pcm in heard]
    files = {
        "recordings.pcm": pcm_bytes(heard),
        "features.f32": np.concatenate(found).tobytes(),
    }
    recognizer = SimpleNamespace(spec=spec)
    bundle = SimpleNamespace(recognizer=recognizer, golden=files.__getitem__)
    (outcome,) = against_formula(bundle, None, ())
    return outcome


def test_wrong_tables_are_found():
    spec, heard = parts()["feature_spec"], [*edge_signals(8000), *recordings()]
    assert judged(spec, heard).status == "passed"
    outcome = judged(spec, heard, changed(feature_tables(spec)))
    assert outcome.status == "FAILED"
    assert (
        "beyond what the FFT rounds (allowed: 1e-02, 1e-03; natural" in outcome.detail
    )


def test_a_floor_below_the_rounding_is_found():
    """Kaldi's: in silent bins float32 hears its own rounding."""
    loud = [np.full(8000, 32767, np.int16)]
    for floor, status in ((1e-6, "passed"), (1e-16, "FAILED")):
        spec = FeatureSpec(8000, 32.0, num_bins=24, window="hann", floor=floor)
        assert judged(spec, loud).status == status


@pytest.mark.parametrize("power", [0, 0.5])
def test_exact_features_of_pcen_are_those_without_a_recursion(power):
    spec = FeatureSpec(
        8000, num_bins=5, compression="pcen", power=power, mean=(1.0,) * 5
    )
    plain = dataclasses.replace(spec, compression="log", mean=None)
    energies = np.exp(exact_features(recordings(1)[0], plain))
    found = exact_features(recordings(1)[0], spec)
    np.testing.assert_allclose(found, pcen64(energies, spec) - 1, atol=1e-9)


def test_exact_features_of_cepstra_are_those_of_the_exact_bins():
    spec = dataclasses.replace(MFCC, centering="none", mean=None, variance=None)
    plain = dataclasses.replace(spec, num_cepstra=None, cepstral_lifter=0)
    bins = exact_features(recordings(1)[0], plain)
    found = exact_features(recordings(1)[0], spec)
    np.testing.assert_allclose(found, cepstra64(bins, spec), atol=1e-9)


def test_exact_features_are_the_formula_frame_by_frame():
    spec = parts()["feature_spec"]
    pcm = recordings(1)[0]
    found = exact_features(pcm, spec)
    mean = np.array(spec.mean)
    for t in range(3):
        frame = pcm[80 * t : 80 * t + 200] / 32768 * np.hamming(200)
        k = np.arange(129)[:, None]
        angles = 2 * np.pi * k * np.arange(200) / 256
        power = (frame * np.cos(angles)).sum(1) ** 2 + (frame * np.sin(angles)).sum(
            1
        ) ** 2
        x = np.log(power @ mel_matrix(spec).astype(float) + 1e-6)
        mean = mean + (x - mean) / min(spec.prior_frames + t + 1, spec.memory_frames)
        assert found[t] == pytest.approx((x - mean) / 2.0, abs=1e-9)
