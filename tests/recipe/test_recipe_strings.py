import dataclasses
import itertools

import numpy as np
import pytest
from helpers.word_recordings import TONES_HZ, corpus, marked, with_tone

from keras_rnn2dnn.audio.word_strings import (
    StringOptions,
    make_strings,
    num_label_frames,
)
from keras_rnn2dnn.recipe import strings as data


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


def test_other_speech_is_heard_as_babble_alone(layer):
    other = [with_tone(r, TONES_HZ["other_speech"]) for r in corpus(("dora",), 4)]
    split = dataclasses.replace(marked(), other_speech=other)
    states = [np.zeros(num_label_frames(r, layer.spec)) for r in split.train]
    (bank,), (mixed,) = data.training_banks(split, states, layer, 0, (20, 20), 1, 0)
    assert tones_heard(bank) == {"train", "other_speech"}
    assert tones_heard(mixed[20:]) == {"train", "unlabelled", "other_speech"}
    assert {word for s in bank for word in s.words} == {"one", "two"}
    test = data.evaluation_strings(split, "test", 20, layer, seed=0)
    assert tones_heard(test) == {"train", "test", "other_speech"}


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


def test_without_unlabelled_recordings_all_banks_are_transcribed(layer):
    split = marked(with_unlabelled=False)
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


def test_what_lies_beyond_the_words_is_silence_that_is_not_aligned(layer):
    split = marked(with_unlabelled=False)
    options = StringOptions(words=(1, 2), edge_frames=(200, 300))
    given = []

    def align(features, words):
        given.extend(zip(features, words, strict=True))
        return [np.arange(len(x)) for x in features]

    (bank,), (mixed,) = data.training_banks(
        split, None, layer, 7, (6, 0), 1, 0, options, align
    )
    assert bank is mixed and len(given) == 6
    for string, (features, words) in zip(bank, given, strict=True):
        assert words == string.words
        first = np.flatnonzero(string.states == 1)[0] - 1
        assert 190 <= first <= 290
        end = first + len(features)
        np.testing.assert_array_equal(string.noisy[first:end], features)
        np.testing.assert_array_equal(string.states[first:end], np.arange(end - first))
        assert {*string.states[:first]} == {*string.states[end:]} == {7}
        # Ten frames before the first word, and ten behind the last.
        loud = features.mean(axis=1) > string.clean[:100].mean()
        assert loud.any() and len(features) <= 20 + len(words) * 15 + 24
