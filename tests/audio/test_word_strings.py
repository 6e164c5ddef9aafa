import itertools

import numpy as np
import pytest

from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.audio.word_strings import (
    StringOptions,
    make_strings,
    num_label_frames,
)

SPEC = FeatureSpec(8000, num_bins=8)
# Nothing but the recordings at one level, so that energies can be computed.
PLAIN = {"word_gain_db": (0.0, 0.0), "level_db": (0.0, 0.0)}


def recording(words, speaker="anna", num_samples=1600, seed=0, **options):
    samples = 0.1 * np.random.default_rng(seed).normal(size=num_samples)
    fields = {"sample_rate_hz": 8000, "index": 0, **options}
    return Recording(samples.astype("float32"), words=words, speaker=speaker, **fields)


def corpus(speakers=("anna", "ben"), per_speaker=10):
    """Recordings of white noise: no two of them correlate."""
    rng = np.random.default_rng(5)
    return [
        recording((f"w{n % 5}",), speaker, int(rng.integers(1000, 4000)), 100 * s + n)
        for s, speaker in enumerate(speakers)
        for n in range(per_speaker)
    ]


def tone(hz, num_samples=4000):
    samples = 0.1 * np.sin(2 * np.pi * hz * np.arange(num_samples) / 8000)
    return Recording(samples.astype("float32"), 8000, (f"{hz}",), "anna", 0)


def unit(samples):
    return samples / np.sqrt(np.mean(samples.astype("float64") ** 2))


def power_at(samples, hz):
    """Power within 5 Hz of a frequency, as a share of all."""
    power = np.abs(np.fft.rfft(samples.astype("float64") * np.hanning(len(samples))))
    frequencies = np.fft.rfftfreq(len(samples), 1 / 8000)
    return np.sum(power[np.abs(frequencies - hz) < 5] ** 2) / np.sum(power**2)


def test_the_seed_decides_everything():
    recordings = corpus()
    first, again = (make_strings(recordings, 6, 3, SPEC) for _ in range(2))
    fewer, other = (
        make_strings(recordings, 4, 3, SPEC),
        make_strings(recordings, 6, 4, SPEC),
    )
    for left, right in itertools.chain(
        zip(first, again, strict=True), zip(first[:4], fewer, strict=True)
    ):
        np.testing.assert_array_equal(left.noisy, right.noisy)
        np.testing.assert_array_equal(left.clean, right.clean)
        assert (left.parts, left.words) == (right.parts, right.words)
    assert all(a.parts != b.parts for a, b in zip(first, other, strict=True))


def test_every_recording_lies_where_its_part_says():
    recordings = corpus()
    for string in make_strings(recordings, 8, 0, SPEC):
        rest = string.clean.astype("float64").copy()
        for number, frame in string.parts:
            samples = unit(recordings[number].samples)
            start = frame * SPEC.frame_step
            heard = string.clean[start : start + len(samples)]
            gain = heard @ samples / (samples @ samples)
            assert np.corrcoef(heard, samples)[0, 1] > 0.99
            assert 10 ** (-9.1 / 20) < gain / 0.05 < 10 ** (9.1 / 20)
            rest[start : start + len(samples)] -= gain * samples
        assert np.mean(rest**2) < 1e-3 * np.mean(string.clean**2)  # nothing else


def test_words_speaker_and_frames_follow_from_the_parts():
    recordings = corpus()
    recordings[0] = recording(("thirty", "three"), "anna", 3001)
    options = StringOptions(words=(2, 5), pause_frames=(1, 4), edge_frames=(5, 9))
    strings = make_strings(recordings, 30, 1, SPEC, options)
    for string in strings:
        used = [recordings[number] for number, _ in string.parts]
        assert string.words == sum((r.words for r in used), ())
        assert {r.speaker for r in used} == {string.speaker}
        assert 2 <= len(used) <= 5
        assert string.noisy.shape == string.clean.shape == (len(string.clean),)
        assert string.noisy.dtype == string.clean.dtype == np.float32
        assert SPEC.num_frames(len(string.noisy)) == string.num_frames
        ends = [f + num_label_frames(recordings[n], SPEC) for n, f in string.parts]
        starts = [frame for _, frame in string.parts]
        assert 5 <= starts[0] <= 9 and string.num_frames - ends[-1] >= 5
        gaps = np.subtract(starts[1:], ends[:-1])
        assert np.all((gaps >= 0) & (gaps <= 4))
    assert any(len(s.words) > len(s.parts) for s in strings)
    assert {len(s.parts) for s in strings} == {2, 3, 4, 5}


def test_label_frames_are_those_that_begin_inside_of_a_recording():
    for num_samples, frames in {1: 1, 80: 1, 81: 2, 1600: 20}.items():
        given = recording(("a",), num_samples=num_samples)
        assert num_label_frames(given, SPEC) == frames
        assert frames == len(range(0, num_samples, SPEC.frame_step))


def test_strings_are_filled_up_to_the_smallest_bucket():
    recordings = corpus()
    buckets = (60, 100, 150, 250)
    options = StringOptions(words=(1, 4), edge_frames=(5, 5), buckets=buckets)
    strings = make_strings(recordings, 40, 0, SPEC, options)
    assert {s.num_frames for s in strings} <= set(buckets)
    assert len({s.num_frames for s in strings}) > 2
    for string in strings:
        number, frame = string.parts[-1]
        needed = frame + num_label_frames(recordings[number], SPEC) + 5
        assert string.num_frames == min(b for b in buckets if b >= needed)


def test_a_recording_longer_than_all_buckets_is_heard_whole():
    options = StringOptions(edge_frames=(5, 5), buckets=(50,))
    (string,) = make_strings(
        [recording(("long",), num_samples=8000)], 1, 0, SPEC, options
    )
    assert string.parts == ((0, 5),)
    assert string.num_frames == 150  # 110 are needed: the next multiple of 50


def test_recorded_noise_is_heard_in_a_quarter_of_the_strings():
    noise = tone(3000, num_samples=900).samples
    options = StringOptions(snr_db=(-40.0, -40.0), **PLAIN)
    strings = make_strings(corpus(), 80, 0, SPEC, options, noise=noise)
    kinds = [string.noise for string in strings]
    assert {*kinds} == {"white", "pink", "babble", "recorded"}
    assert 10 <= kinds.count("recorded") <= 30
    for string in strings:
        powers = np.abs(np.fft.rfft(string.noisy)) ** 2
        hz = np.arange(len(powers)) * 8000 / len(string.noisy)
        share = powers[abs(hz - 3000) < 40].sum() / powers.sum()
        assert (share > 0.8) == (string.noise == "recorded")


def test_the_level_of_a_word_in_a_long_recording_is_that_of_the_word():
    short = recording(("w",), num_samples=1600)
    long = recording(("w",), num_samples=1600)
    silence = np.zeros(32000, "float32")
    samples = np.concatenate([silence, long.samples, silence])
    long = Recording(samples, 8000, ("w",), "anna", 0)
    peaks = []
    for given, active in ((short, False), (long, True), (long, False)):
        options = StringOptions(
            words=(1, 1), snr_db=(60.0, 60.0), active_level=active, **PLAIN
        )
        (string,) = make_strings([given], 1, 0, SPEC, options)
        peaks.append(np.abs(string.clean).max())
    assert peaks[1] == pytest.approx(peaks[0], rel=0.1)
    assert peaks[2] > 5 * peaks[0]


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0])
def test_the_noise_has_the_level_stated(snr_db):
    recordings = corpus()
    options = StringOptions(snr_db=(snr_db, snr_db), **PLAIN)
    strings = make_strings(recordings, 12, 0, SPEC, options)
    for string in strings:
        assert string.snr_db == snr_db
        difference = string.noisy.astype("float64") - string.clean
        # The clean string has noise of its own, at 40 dB.
        expected = 0.05**2 * (10 ** (-snr_db / 10) + 1e-4)
        assert np.mean(difference**2) == pytest.approx(expected, rel=0.05)
        speech = np.concatenate(
            [
                string.clean[80 * frame :][: len(recordings[number].samples)]
                for number, frame in string.parts
            ]
        )
        assert np.mean(speech**2) == pytest.approx(0.05**2, rel=0.05)
    assert {s.noise for s in strings} == {"white", "pink", "babble"}


def test_signal_to_noise_ratios_and_levels_stay_in_their_ranges():
    options = StringOptions(
        snr_db=(3.0, 9.0), level_db=(-6.0, 6.0), word_gain_db=(0.0, 0.0)
    )
    strings = make_strings(corpus(), 40, 0, SPEC, options)
    ratios = [s.snr_db for s in strings]
    assert 3 <= min(ratios) < 4 and 8 < max(ratios) <= 9
    levels = []
    for s in strings:
        noise = np.mean((s.noisy - s.clean).astype("float64") ** 2)
        share = 10 ** (-s.snr_db / 10) + 1e-4
        levels.append(10 * np.log10(noise / share) - 20 * np.log10(0.05))
    assert -6.2 < min(levels) < -4 and 4 < max(levels) < 6.2


def test_clean_strings_have_noise_at_40_db():
    options = StringOptions(clean_probability=1.0, **PLAIN)
    for string in make_strings(corpus(), 4, 0, SPEC, options):
        assert (string.snr_db, string.noise) == (40.0, "none")
        silence = string.noisy[:400]
        assert np.mean(silence**2) == pytest.approx(0.05**2 * 1e-4, rel=0.3)


def test_speakers_take_turns():
    recordings = corpus(("cleo", "anna", "ben"), 4)
    strings = make_strings(recordings, 7, 0, SPEC)
    expected = itertools.islice(itertools.cycle(("anna", "ben", "cleo")), 7)
    assert [s.speaker for s in strings] == list(expected)


@pytest.mark.parametrize("buckets", [(600,), (110, 130)])
def test_each_recording_is_used_once_before_any_is_used_again(buckets):
    recordings = corpus()
    # The short buckets often have no room for the next recording.
    strings = make_strings(recordings, 60, 0, SPEC, StringOptions(buckets=buckets))
    for speaker, numbers in (("anna", range(10)), ("ben", range(10, 20))):
        used = [n for s in strings if s.speaker == speaker for n, _ in s.parts]
        assert len(used) > 40
        for start in range(0, len(used) - 9, 10):
            assert sorted(used[start : start + 10]) == list(numbers)


def test_babble_is_made_of_the_recordings_given_for_it():
    recordings = [tone(500), tone(700)]
    options = StringOptions(snr_db=(0.0, 0.0), **PLAIN)
    strings = make_strings(
        recordings, 15, 0, SPEC, options, babble=[tone(2000), tone(3000)]
    )
    babbles = [s for s in strings if s.noise == "babble"]
    assert len(babbles) > 2
    for string in strings:
        noise = string.noisy - string.clean
        babble = power_at(noise, 2000) + power_at(noise, 3000)
        assert babble > 0.9 if string.noise == "babble" else babble < 0.1
        assert power_at(noise, 500) + power_at(noise, 700) < 0.1
        assert power_at(string.clean, 2000) + power_at(string.clean, 3000) < 1e-3
        assert power_at(string.clean, 500) + power_at(string.clean, 700) > 0.9


def test_babble_is_by_default_made_of_the_recordings_themselves():
    options = StringOptions(snr_db=(0.0, 0.0), **PLAIN)
    strings = make_strings([tone(500), tone(700)], 9, 0, SPEC, options)
    noises = [s.noisy - s.clean for s in strings if s.noise == "babble"]
    assert noises
    assert all(power_at(n, 500) + power_at(n, 700) > 0.9 for n in noises)


def test_no_recording_and_no_common_rate_are_errors():
    good, fast = recording(("a",)), recording(("a",), sample_rate_hz=16000)
    for options, text in (
        ({"recordings": []}, "`recordings`. Expected at least one recording"),
        (
            {"babble": []},
            "`babble`. Expected at least one recording. Received: babble=[]",
        ),
    ):
        with pytest.raises(ValueError) as error:
            make_strings(
                **{"recordings": [good], "num_strings": 1, "seed": 0, "spec": SPEC}
                | options
            )
        assert str(error.value).startswith(f"Invalid value for {text}")
    for recordings, babble in (([good, fast], None), ([good], [fast])):
        with pytest.raises(ValueError) as error:
            make_strings(recordings, 1, 0, SPEC, babble=babble)
        assert str(error.value) == (
            "Different sample rates. Expected 8000 Hz as in the features. Received: a "
            "recording of 16000 Hz"
        )


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("words", (0, 3), "numbers (low, high) >= 1 with low <= high"),
        ("words", (7, 3), "numbers (low, high) >= 1 with low <= high"),
        ("pause_frames", (-1, 3), "numbers (low, high) >= 0 with low <= high"),
        ("edge_frames", (4, 3), "numbers (low, high) >= 0 with low <= high"),
        ("snr_db", (20.0, 0.0), "numbers (low, high) with low <= high"),
        ("pause_probability", 1.5, "a number from 0 to 1"),
        ("clean_probability", -0.1, "a number from 0 to 1"),
        ("buckets", (), "numbers of frames > 0 in ascending order"),
        ("buckets", (300, 200), "numbers of frames > 0 in ascending order"),
    ],
)
def test_bad_options_are_refused(field, value, expected):
    with pytest.raises(ValueError) as error:
        StringOptions(**{field: value})
    assert str(error.value) == (
        f"Invalid value for `{field}`. Expected {expected}. Received: {field}={value!r}"
    )
