import json

import numpy as np
import pytest

from keras_rnn2dnn.hmm import (
    Topology,
    WordLoopDecoder,
    align,
    flat_start,
    forward_backward,
    tune_decoder,
)
from keras_rnn2dnn.hmm.transcript_graph import transcript_paths

LEXICON = {"no": ["n", "o"], "on": "o n", "unused": "x"}


def test_words_own_successive_states_and_silence_is_the_last():
    topology = Topology(("yes", "no"), states_per_unit=3)
    assert topology.units == ("yes", "no")
    assert topology.num_states == 7
    assert topology.silence_state == 6
    assert topology.states_of("no").tolist() == [3, 4, 5]
    assert topology.state_names == (
        *("yes_0", "yes_1", "yes_2"),
        *("no_0", "no_1", "no_2", "sil"),
    )


def test_without_silence_there_is_no_silence_state():
    topology = Topology("yes no", states_per_unit=1, silence=False)
    assert topology.words == ("yes", "no")
    assert topology.silence_state is None
    assert topology.num_states == 2
    assert topology.state_names == ("yes_0", "no_0")


def test_words_of_a_lexicon_share_the_states_of_their_phones():
    topology = Topology(("no", "on"), states_per_unit=2, lexicon=LEXICON)
    assert topology.units == ("n", "o")
    assert topology.num_states == 5
    assert topology.states_of("no").tolist() == [0, 1, 2, 3]
    assert topology.states_of("on").tolist() == [2, 3, 0, 1]


@pytest.mark.parametrize("lexicon", [None, LEXICON])
def test_a_topology_travels_through_json(lexicon):
    topology = Topology(("no", "on"), 4, lexicon=lexicon, silence=False)
    restored = Topology.from_dict(json.loads(json.dumps(topology.to_dict())))
    assert restored == topology
    assert hash(restored) == hash(topology)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"words": ()}, r"`words`. Expected at least one word. Received: words=\(\)"),
        ({"words": ("a", "b", "a")}, "Expected every word once. Received: words='a'"),
        ({"words": ("a b",)}, "words without white space. Received: words='a b'"),
        ({"words": ("",)}, "Expected non-empty words .* Received: words=''"),
        ({"words": (3,)}, "Expected non-empty words .* Received: words=3"),
        ({"words": "a", "states_per_unit": 0}, "Expected an integer >= 1. Received"),
        ({"words": "a", "states_per_unit": True}, "`states_per_unit`"),
        ({"words": "a b", "lexicon": {"a": "x"}}, "lexicon=\"no entry for 'b'\""),
        ({"words": "a", "lexicon": {"a": ""}}, r"lexicon\['a'\]=\(\)"),
    ],
)
def test_an_impossible_topology_is_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        Topology(**arguments)


def test_an_unknown_word_is_named_with_its_utterance_and_the_vocabulary():
    topology = Topology(("one", "two"))
    with pytest.raises(ValueError) as error:
        transcript_paths(["one", "two elevn"], topology, [20, 20])
    assert str(error.value) == (
        "Invalid value for `transcripts[1]`. Expected words of the vocabulary "
        "('one', 'two'). Received: transcripts[1]='elevn'"
    )
    with pytest.raises(ValueError, match=r"`word`.*'one', 'two'.*word='three'"):
        topology.states_of("three")


def test_a_transcript_path_has_silence_around_every_word():
    topology = Topology(("a", "b"), states_per_unit=2)
    paths = transcript_paths(["a b", []], topology, [4, 1])
    assert [path.tolist() for path in paths] == [[4, 0, 1, 4, 2, 3, 4], [4]]


@pytest.mark.parametrize(
    ("transcripts", "message"),
    [
        ({"u1": "no"}, "`transcripts`. Expected a sequence of utterances.*'dict'"),
        ({"no"}, "`transcripts`. Expected a sequence of utterances.*'set'"),
        ([None], "`transcripts.0.`. Expected a string, or a sequence of words"),
        ([[1]], "`transcripts.0.`.* Of class numbers, a decoder gives the words"),
    ],
)
def test_transcripts_of_another_kind_are_refused(transcripts, message):
    topology = Topology("no on", 1)
    scores = [np.zeros((4, 3))]
    for function in (align, forward_backward):
        with pytest.raises(TypeError, match=message):
            function(scores, transcripts, topology)
    with pytest.raises(TypeError, match=message):
        flat_start([np.zeros((4, 1))], transcripts, topology, cepstra=None)
    with pytest.raises(TypeError, match=message.replace("transcripts", "references")):
        tune_decoder(WordLoopDecoder(topology), scores, transcripts)


def test_words_that_cannot_be_written_are_refused():
    with pytest.raises(ValueError, match="`words`. Expected text without lone surr"):
        Topology(("no", "o\udcff"))
