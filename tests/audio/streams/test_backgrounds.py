import numpy as np
import pytest

from keras_rnn2dnn.audio.streams import backgrounds


def draws(make, *args, count=30):
    return [make(np.random.default_rng(seed), *args) for seed in range(count)]


@pytest.mark.parametrize("voices", [(), [np.ones(500), -np.ones(700)]])
def test_noise_has_an_rms_of_1(voices):
    for noise in draws(backgrounds.noise, 4000, voices):
        assert noise.shape == (4000,)
        assert np.sqrt(np.mean(noise**2)) == pytest.approx(1, abs=1e-3)


def test_levels_change_at_times_and_are_sometimes_0():
    levels = draws(backgrounds.changing_levels, 500, 3000.0, count=300)
    different = [len(np.unique(x)) for x in levels]
    assert set(different) == {1, 2, 3, 4}
    every = np.unique(np.concatenate(levels)) * 32768
    assert every[0] == 0 and 1 <= every[1] < 2 and 2000 < every[-1] <= 3000
    assert 0.1 < np.mean([x[0] == 0 for x in levels]) < 0.3


def test_hum_has_the_frequency_of_the_mains():
    found = set()
    for hum in draws(backgrounds.hum, 8000, 8000):
        spectrum = np.abs(np.fft.rfft(hum))
        loud = np.flatnonzero(spectrum > 0.01 * spectrum.max())
        base = 50 if (loud % 50 == 0).all() else 60
        assert (loud % base == 0).all() and loud.max() <= 6 * base
        found.add(base)
        assert np.sqrt(np.mean(hum**2)) == pytest.approx(1, abs=1e-3)
    assert found == {50, 60}


@pytest.mark.parametrize(
    "make", [backgrounds.click, backgrounds.knock, backgrounds.note]
)
def test_short_sounds_have_a_peak_of_1(make):
    for sound in draws(make, 8000):
        assert np.abs(sound).max() == pytest.approx(1)
        assert 2 <= len(sound) <= 6400


def test_a_sweep_passes_through_frequencies():
    for sweep in draws(backgrounds.sweep, 8000):
        signs = np.diff(np.signbit(sweep)).astype(float)
        tenth = len(sweep) // 10
        rates = [signs[:tenth].mean() * 4000, signs[-tenth:].mean() * 4000]
        assert abs(rates[0] - rates[1]) > 10
        assert 50 < min(rates) < max(rates) < 3700


def test_sounds_come_a_few_times_a_second():
    heard = draws(backgrounds.sounds, 80_000, 8000, (0.5, 0.5), count=40)
    assert all(x.shape == (80_000,) for x in heard)
    silent = np.mean([not x.any() for x in heard])
    assert silent < 0.1
    loudest = [np.abs(x).max() for x in heard if x.any()]
    assert min(loudest) > 0.2
