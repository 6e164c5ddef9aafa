import dataclasses

import numpy as np
import pytest

from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.audio.streams import StreamOptions, make_streams, speech_spans
from keras_rnn2dnn.audio.word_strings import StringOptions, make_strings

SPEC = FeatureSpec(8000, num_bins=4)
STRINGS = StringOptions(words=(1, 2), edge_frames=(3, 5), buckets=(60, 90, 150))


def recording(word, length, speaker="ann", seed=0):
    tone = np.sin(np.arange(length) * (0.2 + 0.1 * seed)).astype("float32")
    return Recording(0.1 * tone, 8000, (word,), speaker, seed)


RECORDINGS = [recording(f"w{k}", 1600 + 400 * k, seed=k) for k in range(4)]
OTHER = [recording("other", 9000, "bob", 7), recording("more", 2500, "eve", 8)]


def strings(count=40, seed=0):
    return make_strings(RECORDINGS, count, seed, SPEC, STRINGS)


def quiet(**options):
    """Options of streams in which nothing is heard but what is said."""
    silent = {"plain": 0, "background": 0, "hum": 0, "sounds": 0, "level": 0}
    return StreamOptions(**{**silent, **options})


def rms(samples):
    return float(np.sqrt(np.mean(np.square(samples))))


def test_each_string_is_heard_once_at_its_place_and_pauses_are_zeros():
    given = strings()
    streams = make_streams(given, 1, SPEC, quiet())
    heard = [number for stream in streams for number, _ in stream.strings]
    assert sorted(heard) == list(range(40))
    assert len(streams) < 40
    for stream in streams:
        assert (
            len(stream.noisy)
            == len(stream.clean)
            == SPEC.num_samples(stream.num_frames)
        )
        assert stream.num_frames % 200 == 0
        left = stream.clean.copy()
        for number, start in stream.strings:
            string = given[number]
            room = left[80 * start :][: len(string.clean)]
            room -= string.clean[: len(room)]
        ends = [80 * s + len(given[n].clean) for n, s in stream.strings]
        assert np.abs(left).max() < 1 / 32768
        assert not stream.clean[max(ends) :].any()


def test_words_and_labels_are_those_of_the_strings_and_of_other_speech():
    given = strings(20)
    states = [np.full(s.num_frames, n) for n, s in enumerate(given)]
    for stream in make_streams(given, 2, SPEC, quiet(other=0.5), OTHER):
        labels = stream.labels(states, silence=-1, other=-2)
        expected = np.full(stream.num_frames, -1)
        for number, start in stream.strings:
            expected[start : start + given[number].num_frames] = number
        for first, end in stream.other:
            assert (expected[first:end] == -1).all()
            expected[first:end] = -2
        np.testing.assert_array_equal(labels, expected)
        order = [n for n in dict.fromkeys(labels.tolist()) if n >= 0]
        words = stream.words(given, "<unk>")
        spoken = [word for word in words if word != "<unk>"]
        assert spoken == [w for n in order for w in given[n].words]
        assert words.count("<unk>") == len(stream.other)


def test_words_have_the_times_at_which_they_are_loud():
    given = make_strings(
        RECORDINGS, 12, 3, SPEC, dataclasses.replace(STRINGS, pause_probability=1)
    )
    for stream in make_streams(given, 3, SPEC, quiet()):
        spans = stream.word_spans(given, RECORDINGS, SPEC)
        words = tuple(word for said, _, _ in spans for word in said)
        assert words == stream.words(given, "")
        loud = np.zeros(stream.num_frames, bool)
        for _, first, end in spans:
            loud[first:end] = True
        energy = [rms(stream.clean[80 * t : 80 * t + 80]) for t in range(len(loud))]
        assert min(np.array(energy)[loud]) > 10 * max(np.array(energy)[~loud])


def test_other_speech_is_where_it_is_loud():
    streams = make_streams(strings(8), 4, SPEC, quiet(other=2.0), OTHER)
    alone = [s for s in streams if not s.strings]
    assert len(alone) == 16
    for stream in alone:
        assert stream.other
        inside = np.zeros(len(stream.clean), bool)
        for first, end in stream.other:
            inside[80 * first : 80 * end + 120] = True
        outside = np.sum(np.square(stream.clean[~inside]))
        assert outside < 0.05 * np.sum(np.square(stream.clean))
        assert -33 < 20 * np.log10(rms(stream.clean[inside])) < -19
    beside = [s for s in streams if s.strings and s.other]
    assert beside
    assert not any(s.other for s in make_streams(strings(8), 4, SPEC, quiet(other=2.0)))


def test_pauses_are_between_their_bounds():
    streams = make_streams(
        strings(60), 5, SPEC, quiet(pause_s=(1.0, 3.0), pause_probability=1)
    )
    firsts = np.array([stream.strings[0][1] for stream in streams])
    assert 100 <= firsts.min() < 130 and 250 < firsts.max() <= 300
    # Log-uniform: half of them are shorter than the geometric mean.
    assert 0.3 < np.mean(firsts < 173) < 0.7
    none = make_streams(strings(9), 5, SPEC, quiet(pause_probability=0))
    assert {stream.strings[0][1] for stream in none} == {0}


def test_levels_are_between_their_bounds_and_samples_of_16_bits():
    given = strings(30)
    plain = make_streams(given, 6, SPEC, quiet(plain=1))
    levels = [rms(s.noisy) / rms(given[s.strings[0][0]].noisy) for s in plain]
    np.testing.assert_allclose(levels, 1, rtol=1e-3)
    gains = []
    for stream in make_streams(given, 6, SPEC, quiet(level=1, level_db=(-30, 10))):
        number, start = stream.strings[0]
        part = stream.clean[80 * start :][: len(given[number].clean)]
        gains.append(20 * np.log10(rms(part) / rms(given[number].clean)))
        scaled = stream.noisy * 32768
        np.testing.assert_array_equal(scaled, np.rint(scaled))
        assert stream.noisy.min() >= -1 and stream.noisy.max() < 1
    assert -30.2 < min(gains) < -24 and 3 < max(gains) < 10.2


def test_backgrounds_are_heard_in_pauses_and_softer_than_speech_under_it():
    given = strings(60)
    options = quiet(background=1, background_rms=3000)
    under, pauses = [], []
    for stream in make_streams(given, 7, SPEC, options):
        level = max(rms(given[n].noisy) for n, _ in stream.strings)
        speech = np.zeros(len(stream.noisy), bool)
        for number, start in stream.strings:
            speech[80 * start :][: 80 * given[number].num_frames] = True
        heard = stream.noisy - stream.clean
        under.append(rms(heard[speech]) / level)
        if not speech[:8000].any():
            pauses.append(32768 * rms(stream.noisy[:8000]))
    # With the string's own noise, of 0 dB at most.
    assert max(under) < 1.2
    assert min(pauses) < 30 and max(pauses) > 300


@pytest.mark.parametrize("sound", ["hum", "sounds"])
def test_hum_and_sounds_are_heard_in_some_streams(sound):
    given = strings(10)
    silent = make_streams(given, 8, SPEC, quiet(pause_probability=1))
    heard = make_streams(given, 8, SPEC, quiet(pause_probability=1, **{sound: 1}))
    firsts = [(s.strings[0][1], s) for s in silent]
    assert all(rms(s.noisy[: 80 * first - 200]) < 0.1 for first, s in firsts)
    levels = [rms(s.noisy[: 80 * s.strings[0][1] - 200]) for s in heard]
    assert max(levels) > 1e-4


def test_the_same_seed_gives_the_same_streams():
    given = strings(10)
    both = [make_streams(given, 9, SPEC, other=OTHER, voices=OTHER) for _ in range(2)]
    for a, b in zip(*both, strict=True):
        np.testing.assert_array_equal(a.noisy, b.noisy)
        assert (a.strings, a.other) == (b.strings, b.other)
    c = make_streams(given, 10, SPEC, other=OTHER, voices=OTHER)
    assert [s.strings for s in c] != [s.strings for s in both[0]]


def test_silence_and_short_recordings_have_no_speech():
    assert speech_spans(np.zeros(8000), SPEC) == []
    assert speech_spans(np.ones(100), SPEC) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"pause_s": (0.0, 1.0)},
            "Invalid value for `pause_s`. Expected numbers (low, high) > 0 with low <= "
            "high. Received: pause_s=(0.0, 1.0)",
        ),
        (
            {"level_db": (3, -3)},
            "Invalid value for `level_db`. Expected numbers (low, high) with low <= "
            "high. Received: level_db=(3, -3)",
        ),
        (
            {"hum": 1.5},
            "Invalid value for `hum`. Expected a number from 0 to 1. Received: hum=1.5",
        ),
        (
            {"step_frames": 0},
            "Invalid value for `step_frames`. Expected a number >= 1. Received: "
            "step_frames=0",
        ),
    ],
)
def test_options_out_of_range_are_refused(options, said):
    with pytest.raises(ValueError) as error:
        StreamOptions(**options)
    assert str(error.value) == said
