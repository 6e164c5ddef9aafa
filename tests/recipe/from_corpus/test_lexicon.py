import pytest

from keras_rnn2dnn import hmm
from keras_rnn2dnn.recipe.from_corpus.lexicon import read_lexicon, topology_of


def test_few_words_are_models_of_their_own():
    assert topology_of(("no", "yes"), None) == hmm.Topology(("no", "yes"))


def test_many_words_need_a_lexicon():
    with pytest.raises(ValueError) as error:
        topology_of([f"w{n}" for n in range(151)], None)
    assert str(error.value) == (
        "Invalid value for `words`. Expected 150 words at most, each a model of its "
        "own. Received: words='151 words'. Name some of them in `words`, or give "
        "`lexicon`: a file with a word and its phones in each line, or 'espeak:en-us' "
        "(extra: synth)"
    )


def test_words_of_a_lexicon_share_the_states_of_their_phones(tmp_path):
    path = tmp_path / "lexicon.txt"
    path.write_text(";;; CMUdict\nNO N OW\nNO(2) N AH\nON 1.0 AA N\n\nSO S OW\n")
    assert read_lexicon(path)["ON"] == ("AA", "N")
    topology = topology_of(("no", "on"), path)
    expected = hmm.Topology(("no", "on"), 3, {"no": "N OW", "on": "AA N"})
    assert topology == expected
    with pytest.raises(ValueError) as error:
        topology_of(("no", "off", "out"), path)
    assert str(error.value) == (
        f"Invalid value for `lexicon`. Expected an entry for every word. Received: "
        f"lexicon='{path}, without off, out'. Add them, or leave them out by `words`"
    )


def test_a_line_without_phones_is_named(tmp_path):
    path = tmp_path / "lexicon.txt"
    path.write_text("no N OW\non 0.5\n")
    with pytest.raises(ValueError) as error:
        read_lexicon(path)
    assert str(error.value) == (
        f"Cannot use line 2 of '{path}'. Expected a word and its phones. Received: "
        "'on 0.5'"
    )


def test_phones_are_what_espeak_speaks():
    pytest.importorskip("espeakng_loader", reason="needs the extra `synth`")
    topology = topology_of(("left", "zoom_in"), "espeak:en-us")
    assert topology.lexicon["left"] == ("l", "E", "f", "t")
    assert topology.lexicon["zoom_in"][0] == "z" and topology.states_per_unit == 3
