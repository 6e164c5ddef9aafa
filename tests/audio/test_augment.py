import itertools

import numpy as np
import pytest

from keras_rnn2dnn.audio.augment import (
    add_noise,
    babble_noise,
    change_level,
    pink_noise,
    spec_augment,
    white_noise,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def rms(samples):
    return np.sqrt(np.mean(np.square(samples.astype(np.float64))))


def words(seed=0):
    return [rng(seed + n).standard_normal(n) * 0.1 * n / 500 for n in (500, 700, 900)]


def babble(generator, num_samples):
    return babble_noise(generator, num_samples, words())


def decibels_per_octave(samples, rate_hz=8000):
    """The slope of the power density between octaves of 31 Hz to 4 kHz."""
    power = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2
    frequency = np.fft.rfftfreq(len(samples), 1 / rate_hz)
    edges = 4000 / 2.0 ** np.arange(8)
    density = [
        10 * np.log10(power[(frequency >= low) & (frequency < high)].mean())
        for high, low in itertools.pairwise(edges)
    ]
    return np.polyfit(-np.arange(len(density)), density, 1)[0]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_white_noise_is_flat_and_pink_noise_falls_by_3_decibels_an_octave(seed):
    white, pink = white_noise(rng(seed), 1 << 17), pink_noise(rng(seed), 1 << 17)
    assert abs(decibels_per_octave(white)) < 0.15
    assert abs(decibels_per_octave(pink) + 10 * np.log10(2)) < 0.15
    assert abs(pink.mean()) < 1e-6


@pytest.mark.parametrize("make", [white_noise, pink_noise, babble])
@pytest.mark.parametrize("num_samples", [37, 8000, 8001])
def test_a_noise_has_its_length_an_rms_of_1_and_follows_its_seed(make, num_samples):
    noise = make(rng(5), num_samples)
    assert noise.shape == (num_samples,) and noise.dtype == np.float32
    assert rms(noise) == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(noise, make(rng(5), num_samples))
    assert not np.array_equal(noise, make(rng(6), num_samples))


def test_white_noise_is_gaussian():
    noise = white_noise(rng(), 100_000)
    assert np.mean(np.abs(noise) < 1) == pytest.approx(0.6827, abs=0.005)
    assert np.mean(np.abs(noise) < 2) == pytest.approx(0.9545, abs=0.003)


def test_babble_of_one_voice_is_the_recording_repeated_with_gaps():
    tone = np.array([3.0, 1.0, 2.0, 1.0] * 25)
    noise = babble_noise(rng(3), 1000, [tone], num_voices=1)
    spoken = noise != 0
    edges = np.flatnonzero(np.diff(spoken.astype(int)))
    assert 0.75 < spoken.mean() < 1 and len(edges) >= 4 and spoken[0]
    starts = edges[::2][:-1] if not spoken[edges[0] + 1] else edges[1::2]
    gap_ends = [edge + 1 for edge in starts if spoken[edge + 1]]
    for start in gap_ends:
        heard = noise[start : start + 100]
        np.testing.assert_allclose(heard / noise.max() * 3, tone[: len(heard)], 1e-5)


def test_babble_mixes_all_recordings_at_the_same_level_and_leaves_them_alone():
    quiet = np.where(np.arange(400) % 2, 0.001, -0.001)
    loud = np.full(400, 1.0)
    recordings = [quiet, loud]
    noise = babble_noise(rng(), 40_000, recordings, num_voices=1)
    values, counts = np.unique(np.round(noise, 4), return_counts=True)
    assert len(values) == 3 and values[0] == -values[2]
    assert counts.min() > 4000
    np.testing.assert_array_equal(np.abs(recordings[0]), 0.001)


@pytest.mark.parametrize("snr_db", [-5, 0, 10.5, 20])
def test_the_signal_to_noise_ratio_is_exact(snr_db):
    speech = 0.1 * np.sin(np.arange(8000)).astype(np.float32)
    noise = 7 * white_noise(rng(), 9000)
    noisy = add_noise(speech, noise, snr_db)
    added = noisy.astype(np.float64) - speech
    assert 20 * np.log10(rms(speech) / rms(added)) == pytest.approx(snr_db, abs=1e-3)
    assert noisy.dtype == np.float32 and noisy.shape == speech.shape
    gain = rms(added) / rms(noise[:8000])
    np.testing.assert_allclose(added, gain * noise[:8000], atol=1e-6)


def test_pauses_do_not_change_the_signal_to_noise_ratio():
    speech = np.sin(np.arange(8000))
    hiss = 1e-4 * rng().standard_normal(24_000)
    with_pauses = np.concatenate([hiss, speech, hiss])
    noise = white_noise(rng(), len(with_pauses))
    added = add_noise(with_pauses, noise, 10) - with_pauses
    expected = rms(speech) / 10 ** (10 / 20)
    assert rms(added) == pytest.approx(expected, rel=1e-5)


def test_a_level_changes_by_its_decibels():
    samples = rng().standard_normal(100).astype(np.float32)
    before = samples.copy()
    np.testing.assert_allclose(change_level(samples, 6), samples * 1.9952623, 1e-6)
    np.testing.assert_array_equal(change_level(samples, 0), samples)
    np.testing.assert_array_equal(samples, before)


def masked_rows_and_bins(features, output):
    changed = features != output
    return changed.all(axis=1), changed.all(axis=0)


def test_spec_augment_masks_within_its_bounds_and_reaches_them():
    features = rng(1).standard_normal((100, 24)).astype(np.float32)
    before, mean = features.copy(), features.mean(axis=0)
    widths, lengths = set(), set()
    for seed in range(200):
        output = spec_augment(features, rng(seed), 1, 6, 1, 20)
        assert output.shape == features.shape and output.dtype == features.dtype
        rows, bins = masked_rows_and_bins(features, output)
        changed = features != output
        np.testing.assert_array_equal(changed, rows[:, None] | bins[None, :])
        np.testing.assert_array_equal(
            output[changed], np.broadcast_to(mean, features.shape)[changed]
        )
        for mask in (rows, bins):  # one mask is one run
            assert np.abs(np.diff(mask.astype(int))).sum() <= 2
        widths.add(int(bins.sum()))
        lengths.add(int(rows.sum()))
    assert widths == set(range(7)) and lengths == set(range(21))
    np.testing.assert_array_equal(features, before)


def test_spec_augment_places_a_mask_everywhere_and_follows_its_seed():
    features = rng(1).standard_normal((30, 8))
    outputs = [spec_augment(features, rng(seed), 2, 3, 2, 5) for seed in range(200)]
    changed = np.mean([features != output for output in outputs], axis=0)
    assert changed.min() > 0.05 and changed.max() < 0.8
    np.testing.assert_array_equal(
        outputs[7], spec_augment(features, rng(7), 2, 3, 2, 5)
    )
    assert any((outputs[0] != output).any() for output in outputs[1:])


def test_spec_augment_of_a_short_utterance_and_without_masks():
    features = rng(1).standard_normal((3, 8))
    for seed in range(20):
        output = spec_augment(features, rng(seed))
        assert output.shape == (3, 8) and np.isfinite(output).all()
    np.testing.assert_array_equal(spec_augment(features, rng(), 0, 6, 0, 20), features)


SPEECH = np.ones(10)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: white_noise(3, 10), "`rng`. Expected a numpy random generator. Rec"),
        (lambda: white_noise(rng(), 0), "`num_samples`. Expected an integer >= 1"),
        (lambda: white_noise(rng(), 1.5), "Received: num_samples=1.5"),
        (lambda: pink_noise(rng(), 1), "`num_samples`. Expected an integer >= 2"),
        (lambda: babble_noise(rng(), 9, []), "Expected at least one recording"),
        (lambda: babble_noise(rng(), 9, [SPEECH], 0), "`num_voices`. Expected an int"),
        (
            lambda: babble_noise(rng(), 9, [SPEECH, SPEECH * 0]),
            "`recordings[1]`. Expected sound. Received: recordings[1]='silence'",
        ),
        (
            lambda: babble_noise(rng(), 1, [np.eye(1000)[0]], 1),
            "`num_samples`. Expected a length that reaches into the speech",
        ),
        (
            lambda: add_noise(np.ones(10, np.int16), SPEECH, 3),
            "`samples`. Expected floats of shape (samples,), not empty. Received: "
            "samples='int16 (10,)'. Divide 16-bit PCM by 32768.",
        ),
        (lambda: add_noise(SPEECH, SPEECH[:9], 3), "an array of at least 10 values"),
        (lambda: add_noise(SPEECH, 1.0, 3), "`noise`. Expected floats of shape"),
        (lambda: add_noise(SPEECH * 0, SPEECH, 3), "`samples`. Expected sound"),
        (lambda: add_noise(SPEECH, SPEECH * 0, 3), "`noise`. Expected sound"),
        (lambda: add_noise(SPEECH, SPEECH, np.inf), "`snr_db`. Expected a finite num"),
        (lambda: change_level(SPEECH * np.nan, 3), "`samples`. Expected finite values"),
        (lambda: change_level(np.ones((2, 2)), 3), "samples='float64 (2, 2)'"),
        (lambda: change_level(SPEECH, np.nan), "`gain_db`. Expected a finite number"),
        (lambda: spec_augment(SPEECH, rng()), "`features`. Expected floats of shape"),
        (
            lambda: spec_augment(np.ones((9, 5)), rng(), max_bins=6),
            "`max_bins`. Expected at most 5 bins. Received: max_bins=6",
        ),
        (
            lambda: spec_augment(np.ones((9, 9)), rng(), num_time_masks=-1),
            "`num_time_masks`. Expected an integer >= 0. Received: num_time_masks=-1",
        ),
    ],
)
def test_bad_inputs_say_what_was_expected(call, text):
    with pytest.raises(ValueError) as error:
        call()
    assert text in str(error.value)
    assert str(error.value).startswith("Invalid value for `")
