import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from helpers.cepstra import cepstra64
from helpers.pcen import pcen64

from keras_rnn2dnn.audio.features import FeatureSpec, LogMel
from keras_rnn2dnn.audio.mel import mel_matrix
from keras_rnn2dnn.deploy.device.features import (
    device_features,
    feature_tables,
    quantized_features,
)
from keras_rnn2dnn.deploy.device.normalizing import (
    Normalizer,
    exponential,
    logarithm,
)


def numbers(count, low, high, seed):
    return np.random.default_rng(seed).uniform(low, high, count).tolist()


RUNNING = FeatureSpec(
    8000,
    num_bins=24,
    centering="running",
    mean=numbers(24, -12, -2, 1),
    variance=numbers(24, 0.3, 5, 2),
    memory_ms=400,
    prior_ms=70,
)
PCEN = dataclasses.replace(
    RUNNING,
    centering="none",
    compression="pcen",
    time_constant_ms=170,
    mean=numbers(24, -0.5, 0.5, 3),
)
CEPSTRA = FeatureSpec(
    8000,
    num_bins=24,
    num_cepstra=10,
    cepstral_norm="ortho",
    cepstral_lifter=22,
    mean=numbers(10, -40, 10, 4),
    variance=numbers(10, 3, 300, 5),
    memory_ms=400,
)
SPECS = {
    "8 kHz": FeatureSpec(8000, num_bins=24),
    "16 kHz": FeatureSpec(16000),
    "20 ms": FeatureSpec(8000, 20, num_bins=20, high_hz=3500),
    "gaps": FeatureSpec(8000, 10, 25, num_bins=12),
    "window of a power of two": FeatureSpec(16000, 32, 16, num_bins=30, low_hz=0),
    "11025 Hz": FeatureSpec(11025, num_bins=16),
    "short": FeatureSpec(1000, 6, 4, num_bins=3),
    "empty triangles": FeatureSpec(8000, num_bins=128, floor=1e-4),
    "mean and variance": dataclasses.replace(RUNNING, centering="none"),
    "running": RUNNING,
    "running without start": FeatureSpec(
        8000, num_bins=24, centering="running", prior_ms=0, memory_ms=200
    ),
    "running, short memory": dataclasses.replace(RUNNING, memory_ms=30, prior_ms=90),
    "cepstra": CEPSTRA,
    "cepstra, running": dataclasses.replace(CEPSTRA, centering="running"),
    "hann": FeatureSpec(16000, 40, 20, window="hann", num_cepstra=10),
    "povey": FeatureSpec(8000, num_bins=24, window="povey"),
    "all cepstra": FeatureSpec(16000, num_bins=40, num_cepstra=40, cepstral_lifter=22),
    "pcen": PCEN,
    "pcen, logarithm": dataclasses.replace(PCEN, gain=1, bias=0.1, power=0),
    "pcen, plain": FeatureSpec(
        8000, num_bins=24, compression="pcen", power=1, gain=0.5
    ),
}


def formula(pcm, spec):
    """The features in float64, as the documentation of `FeatureSpec` says."""
    samples = pcm.astype(np.float64) / 32768
    n, length = np.arange(spec.frame_length), spec.frame_length
    window = {
        "hamming": np.hamming(length),
        "hann": 0.5 - 0.5 * np.cos(2 * np.pi * n / length),
        "povey": np.hanning(length) ** 0.85,
    }[spec.window]
    matrix = mel_matrix(spec).astype(np.float64)
    variance = np.array(spec.variance or [1.0] * spec.num_features)
    mean = np.array(spec.mean or [0.0] * spec.num_features)
    features, start, energies = [], 0, []
    while start + spec.frame_length <= len(pcm):
        frame = samples[start : start + spec.frame_length] * window
        power = np.abs(np.fft.rfft(frame, spec.fft_length)) ** 2
        energies.append(power @ matrix + spec.floor)
        x = np.log(energies[-1])
        if spec.num_cepstra:
            x = cepstra64(x, spec)
        if spec.centering == "running":
            t = len(features)
            mean = mean + (x - mean) / min(
                spec.prior_frames + t + 1, spec.memory_frames
            )
        features.append((x - mean) / np.sqrt(variance))
        start += spec.frame_step
    if spec.compression == "pcen":
        features = (pcen64(np.array(energies), spec) - mean) / np.sqrt(variance)
    return np.array(features).reshape(-1, spec.num_features)


def noise(spec, frames=60, seed=0, level=3000):
    """Noise with a tone whose frequency goes up, loud and soft by turns."""
    count = spec.num_samples(frames)
    time = np.arange(count) / count
    tone = np.sin(2 * np.pi * spec.sample_rate_hz / 5 * time**2 * count / 8000)
    samples = np.random.default_rng(seed).normal(size=count) * (0.01 + time) + tone
    return np.clip(samples * level * (1 + np.sin(40 * time)), -32768, 32767).astype(
        np.int16
    )


@pytest.mark.parametrize("name", SPECS)
def test_features_are_those_of_the_formula(name):
    spec = SPECS[name]
    pcm = noise(spec)
    found, expected = device_features(pcm, spec), formula(pcm, spec)
    assert found.dtype == np.float32
    assert found.shape == expected.shape == (60, spec.num_features)
    assert np.abs(found - expected).max() < 4e-5
    assert expected.std(axis=0).max() > 0.5


def test_the_numbers_of_the_specifications_are_those_meant():
    assert (SPECS["gaps"].frame_length, SPECS["gaps"].frame_step) == (80, 200)
    assert SPECS["window of a power of two"].frame_length == 512
    short = SPECS["short"]
    assert (short.frame_length, short.frame_step, short.fft_length) == (6, 4, 8)
    empty = (mel_matrix(SPECS["empty triangles"]) == 0).all(axis=0)
    assert empty.sum() == 4
    found = device_features(noise(SPECS["empty triangles"]), SPECS["empty triangles"])
    assert np.abs(found[:, empty] - math.log(1e-4)).max() < 2e-6
    memory = SPECS["running, short memory"]
    assert (memory.prior_frames, memory.memory_frames) == (9, 3)


SIGNALS = {
    "silence": lambda n: np.zeros(n),
    "highest": lambda n: np.full(n, 32767),
    "lowest": lambda n: np.full(n, -32768),
    "square": lambda n: np.where(np.arange(n) // 7 % 2, 32767, -32768),
    "highest frequency": lambda n: np.where(np.arange(n) % 2, 32767, -32768),
    "impulse": lambda n: np.where(np.arange(n) == 150, 32767, 0),
    "one bit": lambda n: np.arange(n) // 3 % 2,
}


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize(
    "spec", ["8 kHz", "running", "cepstra", "pcen", "pcen, logarithm"]
)
def test_features_of_extreme_signals_are_those_of_the_formula(name, spec):
    spec = SPECS[spec]
    pcm = SIGNALS[name](1200).astype(np.int16)
    found = device_features(pcm, spec)
    assert np.abs(found - formula(pcm, spec)).max() < 4e-5


def test_silence_is_the_logarithm_of_the_floor():
    spec = SPECS["8 kHz"]
    found = device_features(np.zeros(400, np.int16), spec)
    assert found.shape == (3, 24)
    assert np.abs(found - math.log(1e-6)).max() < 1e-6


@pytest.mark.parametrize("name", SPECS)
def test_features_are_close_to_those_of_training(name):
    spec = SPECS[name]
    pcm = noise(spec, seed=3)
    trained = LogMel.from_spec(spec)(pcm[None] / np.float32(32768)).numpy()[0]
    found = device_features(pcm, spec)
    assert np.abs(found - trained).max() < 5e-5


@pytest.mark.parametrize(
    "name", ["8 kHz", "gaps", "running", "cepstra", "pcen", "short"]
)
def test_the_features_of_a_prefix_are_a_prefix(name):
    spec = SPECS[name]
    pcm = noise(spec, frames=30)
    whole = device_features(pcm, spec)
    length, step = spec.frame_length, spec.frame_step
    for samples in (0, 1, length - 1, length, length + step - 1, length + step, 999):
        samples = min(samples, len(pcm))
        frames = 0 if samples < length else 1 + (samples - length) // step
        found = device_features(pcm[:samples], spec)
        assert found.shape == (frames, spec.num_features)
        np.testing.assert_array_equal(found, whole[:frames])


def test_a_loop_of_a_stream_gives_the_same_bits():
    """Frame by frame, each by itself; the mean is carried in float32."""
    plain = dataclasses.replace(RUNNING, centering="none", mean=None, variance=None)
    pcm = noise(RUNNING, frames=90)
    mean = np.array(RUNNING.mean, np.float32)
    factor = (1 / np.sqrt(np.array(RUNNING.variance))).astype(np.float32)
    for t, found in enumerate(device_features(pcm, RUNNING)):
        (x,) = device_features(pcm[80 * t : 80 * t + 200], plain)
        count = np.float32(min(7 + t + 1, 40))
        mean = mean + (x - mean) / count
        np.testing.assert_array_equal(found, (x - mean) * factor)


def test_the_logarithm_is_right_to_three_units_of_the_last_place():
    generator = np.random.default_rng(0)
    exponents = np.float32(2.0) ** np.arange(-126, 128, dtype=np.float32)
    near = np.float32(1) + np.arange(-5000, 5000, dtype=np.float32) * np.float32(2**-24)
    x = np.concatenate(
        [
            10 ** generator.uniform(-37.9, 38.5, 200_000),
            generator.uniform(0.4, 3, 200_000),
            near,
            exponents,
            np.nextafter(exponents[1:], np.float32(0)),
            np.nextafter(exponents, np.float32(np.inf)),
            exponents * np.float32(math.sqrt(2)),
            exponents * np.nextafter(np.float32(math.sqrt(2)), np.float32(0)),
            exponents * np.nextafter(np.float32(math.sqrt(2)), np.float32(2)),
        ]
    ).astype(np.float32)
    expected = np.log(x.astype(np.float64))
    found = logarithm(x)
    assert found.dtype == np.float32
    unit = np.spacing(np.abs(expected).astype(np.float32)).astype(np.float64)
    assert (np.abs(found - expected) / unit).max() < 3
    assert logarithm(np.ones(1, np.float32)) == 0


def test_the_exponential_is_right_to_a_unit_of_the_last_place():
    generator = np.random.default_rng(0)
    x = np.concatenate(
        [
            generator.uniform(-87, 88, 200_000),
            generator.uniform(-1, 1, 200_000),
            math.log(2) * (np.arange(-250, 250) / 2 + generator.normal(0, 1e-7, 500)),
        ]
    ).astype(np.float32)
    expected = np.exp(x.astype(np.float64))
    found = exponential(x)
    assert found.dtype == np.float32
    assert (np.abs(found - expected) / np.spacing(found)).max() < 1.5
    assert exponential(np.zeros(1, np.float32)) == 1


@pytest.mark.parametrize("name", ["pcen", "pcen, logarithm"])
def test_pcen_stands_still_in_silence_for_weeks(name):
    """The mean comes to rest at normal numbers, so that nothing more changes, ever."""
    spec = SPECS[name]
    pcm = np.concatenate([noise(spec), np.zeros(80 * 900, np.int16), noise(spec)])
    found = device_features(pcm, spec)
    silent = found[800:950]
    assert (silent == silent[0]).all()
    normalizer = Normalizer(feature_tables(spec))
    normalizer.push(np.full((1, 24), 3e3, np.float32))
    silence = np.full((600, 24), spec.floor, np.float32)
    for _ in range(2):
        normalizer.push(silence)
    mean, frames = normalizer._mean, normalizer._frames
    normalizer.push(silence)
    np.testing.assert_array_equal(normalizer._mean, mean)
    np.testing.assert_allclose(mean, spec.floor, rtol=1e-5)
    assert normalizer._frames == frames == spec.time_constant_frames
    # The same words after it give the same as after two minutes more.
    later = np.insert(pcm, 80 * 900, np.zeros(80 * 12_000, np.int16))
    np.testing.assert_array_equal(device_features(later, spec)[-60:], found[-60:])


def test_features_are_rounded_half_up_and_saturate():
    # feature / 0.5 + zero point -3, halves up.
    pairs = {
        0.0: -3,
        0.24: -3,
        0.25: -2,
        -0.25: -3,
        -0.26: -4,
        0.75: -1,
        -0.75: -4,
        64.99: 127,
        65.0: 127,
        65.3: 127,
        1e30: 127,
        math.inf: 127,
        -62.5: -128,
        -62.7: -128,
        -63.0: -128,
        -1e30: -128,
        -math.inf: -128,
    }
    found = quantized_features(np.array([list(pairs)], np.float32), 0.5, -3)
    assert found.dtype == np.int8
    assert found.tolist() == [list(pairs.values())]


@pytest.mark.parametrize(("scale", "zero_point"), [(0.0417, 11), (0.19, -128)])
def test_features_are_rounded_to_the_nearest_step(scale, zero_point):
    x = np.random.default_rng(0).uniform(-8, 30, (50, 20)).astype(np.float32)
    found = quantized_features(x, scale, zero_point)
    for value, step in zip(x.ravel().tolist(), found.ravel().tolist(), strict=True):
        exact = Fraction(value) / Fraction(scale) + zero_point
        if step in (-128, 127):
            assert exact < -127.499 if step == -128 else exact > 126.499
        else:
            assert abs(exact - step) <= Fraction(1, 2) + Fraction(1, 10**4)
    assert len(np.unique(found)) > 100


@pytest.mark.parametrize(
    ("pcm", "received"),
    [
        (np.zeros(400, np.float32), "float32 (400,)"),
        (np.zeros(400, np.int32), "int32 (400,)"),
        (np.zeros((1, 400), np.int16), "int16 (1, 400)"),
    ],
)
def test_other_samples_are_refused(pcm, received):
    with pytest.raises(ValueError) as error:
        device_features(pcm, SPECS["8 kHz"])
    assert str(error.value) == (
        "Invalid value for `pcm`. Expected int16 (samples,). Received: "
        f"pcm='{received}'"
    )


def test_features_that_need_the_future_are_refused():
    spec = FeatureSpec(8000, num_bins=24, centering="utterance")
    with pytest.raises(ValueError) as error:
        device_features(np.zeros(400, np.int16), spec)
    assert str(error.value) == (
        "Invalid value for `feature_spec`. Expected features without future: "
        'centering="running" or "none". Received: feature_spec=\'utterance\'. Compute '
        "the features, and train the student, with one of these"
    )


@pytest.mark.parametrize(
    ("option", "plain"),
    [
        ({"preemphasis": 0.97}, "preemphasis=0"),
        ({"remove_dc": True}, "remove_dc=False"),
    ],
)
def test_options_that_the_c_code_does_not_compute_are_refused(option, plain):
    with pytest.raises(ValueError) as error:
        feature_tables(FeatureSpec(8000, num_bins=24, **option))
    assert str(error.value) == (
        f"Invalid value for `feature_spec`. Expected {plain}, which is all that the C "
        f"code computes. Received: feature_spec={next(iter(option.values()))!r}. "
        "Compute the features, and train the student, with it"
    )


@pytest.mark.parametrize("bias", [1e-7, 1e7])
def test_a_bias_of_pcen_beyond_float32_is_refused(bias):
    with pytest.raises(ValueError) as error:
        feature_tables(FeatureSpec(8000, compression="pcen", bias=bias))
    assert str(error.value) == (
        "Invalid value for `feature_spec`. Expected a bias from 1e-6 to 1e6, with "
        f"which float32 computes PCEN. Received: feature_spec={bias!r}"
    )


@pytest.mark.parametrize(
    ("spec", "received"),
    [
        (FeatureSpec(1000, 4, num_bins=1), "(4, 1e-06)"),
        (FeatureSpec(8000, num_bins=24, floor=1e-38), "(200, 1e-38)"),
    ],
)
def test_too_short_windows_and_too_low_floors_are_refused(spec, received):
    with pytest.raises(ValueError) as error:
        feature_tables(spec)
    assert str(error.value) == (
        "Invalid value for `feature_spec`. Expected windows of more than 4 samples and "
        f"a floor of at least 1e-37. Received: feature_spec={received}"
    )
