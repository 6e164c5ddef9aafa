import numpy as np
import pytest

from keras_rnn2dnn.audio.resampling import change_speed, resample

RATES = [(22050, 8000), (22050, 16000), (8000, 22050), (16000, 8000), (8009, 8000)]


def windowed_sine(frequency_hz, rate_hz, seconds=1.0):
    """A sine that fades in and out, defined at every time."""
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    return np.sin(np.pi * time / seconds) ** 2 * np.sin(2 * np.pi * frequency_hz * time)


@pytest.mark.parametrize(("from_rate_hz", "to_rate_hz"), RATES)
@pytest.mark.parametrize("frequency_hz", [50, 1000.3, 3700])
def test_a_resampled_sine_is_the_sine(from_rate_hz, to_rate_hz, frequency_hz):
    output = resample(
        windowed_sine(frequency_hz, from_rate_hz), from_rate_hz, to_rate_hz
    )
    expected = windowed_sine(frequency_hz, to_rate_hz)
    assert output.shape == expected.shape and output.dtype == np.float32
    np.testing.assert_allclose(output, expected, atol=2e-5)


@pytest.mark.parametrize("frequency_hz", [4010, 5000, 8000, 11000])
def test_what_is_above_the_new_nyquist_frequency_does_not_alias(frequency_hz):
    output = resample(windowed_sine(frequency_hz, 22050), 22050, 8000)
    assert np.abs(output).max() < 1e-4


def test_the_two_ends_of_an_utterance_stay_apart():
    samples = np.zeros(4410)
    samples[-100:] = 1
    output = resample(samples, 22050, 8000)
    assert np.abs(output[:1200]).max() < 1e-4


def test_resampling_matches_a_sum_of_filter_responses():
    samples = np.random.default_rng(0).standard_normal(50)
    # The inverse transform of the pass band with its cosine edge, by quadrature.
    frequency = (np.arange(200_000) + 0.5) / 200_000 * 4000
    edge = np.clip((frequency / 4000 - 0.95) / 0.05, 0, 1)
    response = (1 + np.cos(np.pi * edge)) / 2
    output = resample(samples, 22050, 8000)
    for index in (0, 7, len(output) - 1):
        lags = index / 8000 - np.arange(50) / 22050
        waves = [np.mean(response * np.cos(2 * np.pi * frequency * t)) for t in lags]
        expected = np.dot(samples, waves) * 2 * 4000 / 22050
        assert output[index] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("size", [1, 2, 440, 441, 442, 22051])
def test_the_resampled_length_is_rounded_up(size):
    samples = np.ones(size)
    assert len(resample(samples, 22050, 8000)) == -(-size * 160 // 441)
    np.testing.assert_array_equal(resample(samples, 8000, 8000), samples)
    assert (samples == 1).all()


@pytest.mark.parametrize("factor", [0.9, 1.1, 1.25, 0.7317])
def test_a_change_of_speed_scales_time_and_frequency(factor):
    samples = windowed_sine(440, 8000)
    before = samples.copy()
    output = change_speed(samples, factor)
    assert len(output) == int(np.ceil(round(8000 / factor, 6)))
    time = np.arange(len(output)) * factor / 8000
    expected = np.sin(np.pi * time) ** 2 * np.sin(2 * np.pi * 440 * time)
    np.testing.assert_allclose(output, expected, atol=5e-5)
    np.testing.assert_array_equal(samples, before)
    np.testing.assert_array_equal(change_speed(samples, 1), samples.astype(np.float32))


SPEECH = np.ones(10)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: change_speed(SPEECH, 0), "`factor`. Expected a number from 0.1 to 10"),
        (lambda: resample(SPEECH, 8000, 0), "`to_rate_hz`. Expected an integer >= 1"),
        (lambda: resample(SPEECH, 8e3, 8), "Received: from_rate_hz=8000.0"),
        (
            lambda: resample(np.ones(10, np.int16), 8000, 16000),
            "`samples`. Expected floats of shape (samples,), not empty. Received: "
            "samples='int16 (10,)'. Divide 16-bit PCM by 32768.",
        ),
        (lambda: change_speed(SPEECH * np.nan, 2), "`samples`. Expected finite values"),
    ],
)
def test_bad_inputs_say_what_was_expected(call, text):
    with pytest.raises(ValueError) as error:
        call()
    assert text in str(error.value)
    assert str(error.value).startswith("Invalid value for `")
