import itertools

import pytest
from helpers.tone_words import tone_words
from helpers.word_recordings import corpus

from keras_rnn2dnn.demo import data


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


def test_folds_follow_the_speakers():
    recordings = tone_words(speakers=("eve", "ada", "bob", "joe", "sue"))
    assert data.folds_of(recordings, "official", None, False) == [()]
    assert data.folds_of(recordings, "new-speaker", None, False) == [("ada",)]
    assert data.folds_of(recordings, "new-speaker", "sue", False) == [("sue",)]
    assert len(data.folds_of(recordings, "new-speaker", "all", False)) == 5
    synthetic = data.folds_of(recordings, "new-speaker", None, True)
    assert synthetic == [("bob", "eve", "joe", "sue")]
    with pytest.raises(ValueError) as error:
        data.folds_of(recordings, "new-speaker", "max", False)
    assert str(error.value) == (
        "Invalid value for `speaker`. Expected one of ['ada', 'bob', 'eve', 'joe', "
        "'sue'] or 'all'. Received: speaker='max'"
    )
