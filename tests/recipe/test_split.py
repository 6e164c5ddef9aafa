import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.corpora.word_folders import list_word_folders
from keras_rnn2dnn.recipe.split import split_corpus

COMMANDS = Path(__file__).parents[3] / "shared" / "commands"
WORDS = ("go", "no", "on", "off")


def recording(word, speaker, index=0):
    return Recording(np.zeros(1, "float32"), 8000, tuple(word.split()), speaker, index)


def corpus(speakers, words=WORDS, per_word=5):
    every = itertools.product(words, speakers, range(per_word))
    return [recording(*each) for each in every]


def parts(split):
    return split.train, split.development, split.test


def speakers(split):
    return [{r.speaker for r in part} for part in parts(split)]


def words(split):
    return [{w for r in part for w in r.words} for part in parts(split)]


def keys(recordings):
    return sorted((r.words, r.speaker, r.index) for r in recordings)


def test_speakers_are_in_one_part_and_nothing_is_lost():
    recordings = corpus("abcdefghij")
    split = split_corpus(recordings, seed=3)
    assert split.by_speaker
    assert keys(itertools.chain(*parts(split))) == keys(recordings)
    assert [len(s) for s in speakers(split)] == [6, 2, 2]
    assert words(split) == [set(WORDS)] * 3
    again = split_corpus(recordings[::-1], seed=3)
    assert speakers(again) == speakers(split)
    assert any(
        speakers(split_corpus(recordings, seed=seed)) != speakers(split)
        for seed in range(3)
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_word_of_few_speakers_is_in_each_part(seed):
    recordings = corpus("abcdefghijklmnop") + corpus("gko", words=["rare"])
    split = split_corpus(recordings, seed=seed)
    assert words(split) == [{*WORDS, "rare"}] * 3
    split = split_corpus(recordings + corpus("h", words=["once"]), seed=seed)
    assert words(split) == [{*WORDS, "rare", "once"}, *[{*WORDS, "rare"}] * 2]


def test_no_test_is_drawn_where_none_is_wanted():
    split = split_corpus(corpus("ab"), test=0)
    assert [len(part) for part in parts(split)] == [20, 20, 0]
    assert split.by_speaker


@pytest.mark.parametrize("names", [("",), ("ann",), ("ann", "ben")])
def test_few_speakers_or_none_are_split_by_file(names, caplog):
    split = split_corpus(corpus(names, per_word=20))
    assert not split.by_speaker
    assert "Split by file, not by speaker" in caplog.text
    for part, share in zip(parts(split), (0.7, 0.15, 0.15), strict=True):
        counts = Counter(r.words for r in part)
        expected = 20 * len(names) * share
        assert len(counts) == 4
        assert all(abs(n - expected) <= 1 for n in counts.values())
    assert keys(itertools.chain(*parts(split))) == keys(corpus(names, per_word=20))


def test_three_recordings_of_a_word_are_one_for_each_part():
    split = split_corpus(corpus([""], per_word=3))
    assert [Counter(r.words[0] for r in part) for part in parts(split)] == [
        Counter(WORDS)
    ] * 3


def test_speakers_who_say_words_of_their_own_are_split_by_file():
    recordings = [
        recording(word, speaker, index)
        for word, speaker in zip(WORDS, "abcd", strict=True)
        for index in range(5)
    ]
    split = split_corpus(recordings)
    assert words(split) == [set(WORDS)] * 3 and not split.by_speaker


def test_sentences_are_split_by_speaker():
    rng = np.random.default_rng(0)
    recordings = [
        recording(" ".join(f"w{k}" for k in rng.zipf(1.5, 8)), f"s{n % 20}", n)
        for n in range(400)
    ]
    split = split_corpus(recordings)
    assert split.by_speaker
    assert [len(part) for part in parts(split)] == [280, 60, 60]


def test_those_without_a_speaker_are_of_the_training():
    split = split_corpus(corpus("abcdef") + corpus([""]))
    assert split.by_speaker
    assert ["" in names for names in speakers(split)] == [True, False, False]


def test_parts_that_are_given_are_kept():
    recordings = corpus("abcdef")
    given = ["development" if r.speaker in "ab" else "train" for r in recordings]
    split = split_corpus(recordings, given)
    assert speakers(split) == [{*"cdef"}, {*"ab"}, set()]
    given = ["test" if r.speaker in "ab" else None for r in recordings]
    split = split_corpus(recordings, given)
    assert [len(s) for s in speakers(split)] == [3, 1, 2]
    assert speakers(split)[2] == {*"ab"}


def test_other_speech_of_those_who_are_measured_is_left_out():
    others = corpus("abcdef", words=["hm"])
    split = split_corpus(corpus("abcdef"), other_speech=others)
    train, development, test = speakers(split)
    assert {r.speaker for r in split.other_speech} == train
    assert len(development | test) == 2
    split = split_corpus(corpus([""]), other_speech=others)
    assert len(split.other_speech) == len(others)


@pytest.mark.parametrize("shares", [(0, 0.1), (-0.1, 0), (0.5, 0.5), (0.1, -0.1)])
def test_shares_that_leave_nothing_are_refused(shares):
    with pytest.raises(ValueError, match="`development, test`. Expected two shares"):
        split_corpus(corpus("abc"), None, *shares)


def test_a_corpus_without_training_is_refused():
    text = r"`parts`. Expected some for 'train'. Received: parts=\['development'\]"
    with pytest.raises(ValueError, match=text):
        split_corpus(corpus("a"), ["development"] * 20)


def test_too_few_recordings_are_refused():
    text = "Expected 3 or more of a word. Received: 2 of 1 words or sentences"
    with pytest.raises(ValueError, match=text):
        split_corpus(corpus("a", words=["go"], per_word=2))


@pytest.mark.skipif(not COMMANDS.is_dir(), reason="needs ../shared/commands")
def test_the_spoken_commands_have_all_words_in_all_parts():
    utterances = list_word_folders(COMMANDS).utterances
    recordings = [recording(u.words[0], u.file.speaker) for u in utterances]
    split = split_corpus(recordings)
    assert [len(w) for w in words(split)] == [40, 40, 40]
    assert [len(s) for s in speakers(split)] == [16, 4, 4] and split.by_speaker
    split = split_corpus(recordings, [u.part for u in utterances])
    assert [len(s) for s in speakers(split)] == [18, 6, 0] and split.by_speaker
