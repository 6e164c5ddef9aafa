import dataclasses
import itertools

import numpy as np
import pytest

from keras_rnn2dnn import hmm
from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.features import FeatureSpec, LogMel
from keras_rnn2dnn.audio.strings import make_strings, num_label_frames
from keras_rnn2dnn.demo.run import _fold_name
from keras_rnn2dnn.recipe import strings as data

WORDS = ("one", "two")


def recording(word, speaker, index, num_samples=1200):
    seed = np.random.SeedSequence((WORDS.index(word), ord(speaker[0]), index))
    samples = 0.1 * np.random.default_rng(seed).normal(size=num_samples)
    return Recording(samples.astype("float32"), 8000, (word,), speaker, index)


def corpus(speakers=("anna", "ben", "cleo"), per_word=20):
    return [
        recording(word, speaker, index)
        for word in WORDS
        for speaker in speakers
        for index in range(per_word)
    ]


def indexes(recordings):
    return {r.index for r in recordings}


def assert_disjoint(split):
    lists = (split.train, split.development, split.unlabelled, split.test)
    for left, right in itertools.combinations(lists, 2):
        assert not {id(r) for r in left} & {id(r) for r in right}


@pytest.mark.parametrize("held_out", [(), ("anna",)])
def test_the_official_split_goes_by_the_index_alone(held_out):
    split = data.split_recordings(corpus(), "official", held_out)
    assert_disjoint(split)
    assert indexes(split.test) == set(range(5))
    assert indexes(split.development) == set(range(5, 10))
    assert indexes(split.train) == set(range(10, 20))
    assert split.unlabelled == []
    lists = (split.train, split.development, split.test)
    assert [len(part) for part in lists] == [60, 30, 30]
    assert all({r.speaker for r in p} == {"anna", "ben", "cleo"} for p in lists)


@pytest.mark.parametrize("held_out", [("ben",), ("anna", "cleo")])
def test_a_new_speaker_is_heard_without_transcripts_only(held_out):
    split = data.split_recordings(corpus(), "new-speaker", held_out)
    assert_disjoint(split)
    others = {"anna", "ben", "cleo"} - set(held_out)
    assert {r.speaker for r in split.train + split.development} == others
    assert {r.speaker for r in split.unlabelled + split.test} == set(held_out)
    assert indexes(split.development) == set(range(5))
    assert indexes(split.train) == set(range(5, 20))
    assert indexes(split.test) == set(range(15))
    assert indexes(split.unlabelled) == set(range(15, 20))
    counts = [len(x) for x in (split.train, split.development)]
    assert counts == [30 * len(others), 10 * len(others)]
    counts = [len(x) for x in (split.unlabelled, split.test)]
    assert counts == [10 * len(held_out), 30 * len(held_out)]


def test_what_cannot_be_split_is_refused():
    with pytest.raises(ValueError) as error:
        data.split_recordings(corpus(), "leave-one-out")
    assert str(error.value) == (
        "Invalid value for `protocol`. Expected one of ('new-speaker', 'official'). "
        "Received: protocol='leave-one-out'"
    )
    with pytest.raises(ValueError) as error:
        data.split_recordings(corpus(), "new-speaker", ["dora"])
    assert str(error.value) == (
        "Invalid value for `speaker`. Expected one of ['anna', 'ben', 'cleo']. "
        "Received: speaker='dora'"
    )


@pytest.mark.parametrize(
    ("recordings", "protocol", "held_out", "missing"),
    [
        (corpus(per_word=10), "official", (), "train"),
        (corpus(per_word=5), "official", (), "train"),
        (corpus(per_word=15), "new-speaker", ("ben",), "unlabelled"),
        (corpus(("ben",)), "new-speaker", ("ben",), "train"),
        (corpus(("ben",)), "new-speaker", (), "test"),
    ],
)
def test_an_empty_list_is_named(recordings, protocol, held_out, missing):
    speakers = sorted({r.speaker for r in recordings})
    with pytest.raises(ValueError) as error:
        data.split_recordings(recordings, protocol, held_out)
    assert str(error.value) == (
        f"No recordings for {missing} in the protocol {protocol!r}. Expected several "
        "speakers with 20 or more recordings of each word. Received: the speakers "
        f"{speakers}"
    )


def test_speeds_make_copies_and_keep_the_original():
    given = corpus(per_word=1)[:2]
    result = data.at_speeds(given, (1.0, 0.5, 2.0))
    assert result[0] is given[0] and result[1] is given[1]
    assert [len(r.samples) for r in result] == [1200, 1200, 2400, 2400, 600, 600]
    names = [(r.words, r.speaker, r.index) for r in result]
    assert names == 3 * names[:2]


# Hearing who is heard: one speaker's or list's recordings hold a tone of their own.
TONES_HZ = {"train": 600, "development": 1200, "unlabelled": 1900, "test": 2700}


def with_tone(recording, hz):
    samples = 0.1 * np.sin(2 * np.pi * hz * np.arange(len(recording.samples)) / 8000)
    return Recording(
        samples.astype("float32"),
        recording.sample_rate_hz,
        recording.words,
        recording.speaker,
        recording.index,
    )


@pytest.fixture(scope="module")
def marked_split():
    split = data.split_recordings(corpus(), "new-speaker", ("ben",))
    return data.Split(
        **{
            use: [with_tone(r, hz) for r in getattr(split, use)]
            for use, hz in TONES_HZ.items()
        }
    )


@pytest.fixture(scope="module")
def layer():
    return LogMel(8000, num_bins=40, low_hz=80.0, high_hz=3900.0)


def mel_bin(hz):
    mel = [1127 * np.log(1 + f / 700) for f in (80.0, 3900.0, hz)]
    return round((mel[2] - mel[0]) / (mel[1] - mel[0]) * 41) - 1


def tones_heard(strings):
    """Which of the tones stand out of their neighbourhood in any frame."""
    heard = set()
    for string, (use, hz) in itertools.product(strings, TONES_HZ.items()):
        for features in (string.noisy, string.clean):
            centre, levels = mel_bin(hz), features.astype("float64")
            peak = levels[:, centre - 1 : centre + 2].max(axis=1)
            around = levels[:, [centre - 4, centre + 4]].max(axis=1)
            # 13 times its neighbours; white and pink noise stay below 4 times.
            if np.percentile(peak - around, 90) > 2.6:
                heard.add(use)
    return heard


def test_each_bank_and_test_hears_its_own_recordings_alone(marked_split, layer):
    states = [np.zeros(num_label_frames(r, layer.spec)) for r in marked_split.train]
    transcribed, mixed = data.training_banks(
        marked_split, states, layer, 0, (20, 20), 2, seed=0
    )
    for bank in transcribed:
        assert tones_heard(bank) == {"train"}
    # Babble is made of training recordings everywhere.
    for bank in mixed:
        assert tones_heard(bank[:20]) == {"train"}
        assert tones_heard(bank[20:]) == {"train", "unlabelled"}
    for use in ("development", "test"):
        strings = data.evaluation_strings(marked_split, use, 20, layer, seed=0)
        assert tones_heard(strings) == {use, "train"}


def test_banks_differ_from_each_other_and_repeat_from_their_seed(marked_split, layer):
    states = [np.zeros(num_label_frames(r, layer.spec)) for r in marked_split.train]

    def banks(seed):
        return data.training_banks(marked_split, states, layer, 0, (3, 2), 2, seed)

    first, again, other = banks(0), banks(0), banks(1)
    for kind, own in enumerate((0, 3)):
        assert [len(bank) for bank in first[kind]] == [5, 5]
        for left, right in zip(first[kind], again[kind], strict=True):
            for a, b in zip(left, right, strict=True):
                np.testing.assert_array_equal(a.noisy, b.noisy)
                assert a.words == b.words
        noisy = [b[own].noisy for b in (*first[kind], *other[kind])]
        for a, b in itertools.combinations(noisy, 2):
            assert a.shape != b.shape or not np.array_equal(a, b)
    for bank, both in zip(*first, strict=True):  # the same steps for every student
        assert all(a is b for a, b in zip(bank[:3], both[:3], strict=True))
        assert all(s.states is None for s in both[3:])
    strings = [
        data.evaluation_strings(marked_split, use, 1, layer, 0)[0].noisy
        for use in ("development", "test")
    ]
    assert strings[0].shape != strings[1].shape or (strings[0] != strings[1]).any()


def test_the_official_protocol_has_no_unlabelled_banks(layer):
    split = data.split_recordings(corpus(), "official")
    states = [np.zeros(num_label_frames(r, layer.spec)) for r in split.train]
    transcribed, mixed = data.training_banks(split, states, layer, 0, (2, 2), 2, seed=0)
    assert [len(bank) for bank in transcribed] == [4, 4]
    for bank, both in zip(transcribed, mixed, strict=True):
        assert all(a is b for a, b in zip(bank, both, strict=True))


def test_labels_stand_at_the_frames_of_their_recordings(layer):
    recordings = corpus(("anna",), per_word=4)
    alignments = [
        100 * (n + 1) + np.arange(num_label_frames(r, layer.spec))
        for n, r in enumerate(recordings)
    ]
    strings = make_strings(recordings, 5, 0, layer.spec)
    result = data.feature_strings(strings, layer, alignments, silence_state=7)
    for string, features in zip(strings, result, strict=True):
        expected = np.full(string.num_frames, 7)
        for number, frame in string.parts:
            for offset in range(15):  # 1,200 samples, 80 from frame to frame
                expected[frame + offset] = 100 * (number + 1) + offset
        assert features.states.dtype == np.int32
        np.testing.assert_array_equal(features.states, expected)
        # And there is sound where the labels say so.
        energy = features.clean.mean(axis=1)
        assert energy[expected != 7].min() > energy[:3].max()


def test_feature_strings_have_one_row_per_frame(layer):
    strings = make_strings(corpus(("anna",)), 6, 0, layer.spec)
    result = data.feature_strings(strings, layer)
    assert len(result) == 6
    for string, features in zip(strings, result, strict=True):
        assert features.noisy.shape == features.clean.shape == (string.num_frames, 40)
        assert features.noisy.dtype == features.clean.dtype == np.float32
        assert features.states is None and features.words == string.words
        for samples, values in (
            (string.noisy, features.noisy),
            (string.clean, features.clean),
        ):
            np.testing.assert_allclose(values, layer(samples[None])[0], atol=1e-4)


def test_recordings_are_aligned_by_the_words_they_hold():
    topology = hmm.Topology(WORDS, states_per_unit=2)
    hz = {"one": 500, "two": 2000}
    recordings = [with_tone(r, hz[r.words[0]]) for r in corpus(("anna",), per_word=6)]
    layer = data.feature_layer(recordings, seed=0)
    first, again = (
        data.align_recordings(recordings, topology, layer, seed=0) for _ in range(2)
    )
    for given, states, same in zip(recordings, first, again, strict=True):
        assert states.shape == (15,) and states.dtype == np.int32
        allowed = {*topology.states_of(given.words[0]), topology.silence_state}
        assert set(states) <= allowed and set(states) - {topology.silence_state}
        np.testing.assert_array_equal(states, same)


def test_the_features_of_the_demo_fit_any_rate():
    assert data.feature_spec(8000) == FeatureSpec(
        8000,
        num_bins=24,
        low_hz=80.0,
        high_hz=3900.0,
        centering="running",
        memory_ms=3000.0,
        prior_ms=300.0,
    )
    assert data.feature_spec(16000).high_hz == 3900.0
    assert data.feature_spec(6000).high_hz == 2925.0


@pytest.mark.slow  # 600 strings
def test_the_running_mean_starts_at_that_of_noisy_training_strings(marked_split, layer):
    result = data.feature_layer(marked_split.train, seed=3)
    again = data.feature_layer(marked_split.train, seed=3)
    assert result.spec == again.spec
    assert result.spec != data.feature_layer(marked_split.train, seed=4).spec
    spec = data.feature_spec(8000)
    assert dataclasses.replace(result.spec, mean=None, variance=None) == spec
    states = [np.zeros(num_label_frames(r, layer.spec)) for r in marked_split.train]
    raw = LogMel.from_spec(dataclasses.replace(spec, centering="none"))
    banks, _ = data.training_banks(marked_split, states, raw, 0, (300, 0), 1, seed=3)
    frames = np.concatenate([s.noisy for s in banks[0]]).astype("float64")
    np.testing.assert_allclose(result.spec.mean, frames.mean(axis=0), atol=1e-4)
    banks, _ = data.training_banks(marked_split, states, result, 0, (300, 0), 1, seed=3)
    frames = np.concatenate([s.noisy for s in banks[0]]).astype("float64")
    np.testing.assert_allclose(frames.std(axis=0), 1.0, atol=1e-3)


@pytest.mark.parametrize("use", ["development", "test"])
def test_evaluation_strings_keep_the_samples_of_their_features(
    marked_split, layer, use
):
    loud = [
        dataclasses.replace(r, samples=np.eye(1, len(r.samples), 99, "float32")[0])
        for r in getattr(marked_split, use)
    ]
    split = dataclasses.replace(marked_split, **{use: loud})
    strings = data.evaluation_strings(split, use, 5, layer, seed=0)
    for string in strings:
        assert string.samples.dtype == np.float32
        assert string.samples.shape == (layer.spec.num_samples(len(string.noisy)),)
        assert np.abs(string.samples).max() == 1.0  # clicks, clipped
        expected = layer(string.samples[None])[0]
        np.testing.assert_allclose(string.noisy, expected, atol=1e-4)


def test_training_strings_keep_no_samples(marked_split, layer):
    states = [np.zeros(num_label_frames(r, layer.spec)) for r in marked_split.train]
    _, mixed = data.training_banks(marked_split, states, layer, 0, (2, 2), 1, seed=0)
    assert [s.samples for s in mixed[0]] == [None] * 4


@pytest.mark.parametrize(
    ("held", "name"),
    [
        (("ann",), "ann"),
        (("Jürgen.2", "b"), "Jürgen.2+b"),
        (("../../x",), "..%2F..%2Fx"),
        (("..",), "%2E%2E"),
        (("a\0b%",), "a%00b%25"),
        ((), "official"),
    ],
)
def test_the_directory_of_a_speaker_lies_in_that_of_the_results(held, name):
    assert _fold_name(held) == name
