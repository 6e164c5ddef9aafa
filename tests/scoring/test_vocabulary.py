import pytest

from keras_rnn2dnn import WordErrorRateCallback
from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.hmm import Topology, WordLoopDecoder
from keras_rnn2dnn.scoring.vocabulary import (
    check_vocabulary,
    normalised,
    remove_punctuation,
)

LOOP = WordLoopDecoder(Topology("yes no don't"))
CHARACTERS = GreedyDecoder(("", " ", *"noyes"))
WORDS = GreedyDecoder(("", "yes", "no"))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Yes, no.", "Yes no"),
        ("¿sí? «no»!", "sí no"),
        ("don\u2019t 'quote' twenty-one", "don't quote twenty-one"),
        ("yes,no - maybe…", "yes no maybe"),
        ("...", ""),
        ("हाँ। 是。", "हाँ 是"),
    ],
)
def test_punctuation_is_removed(text, plain):
    assert remove_punctuation(text) == plain


def test_options_are_applied_in_their_order():
    assert normalised("  YES,\tno ", []) == "YES, no"
    assert normalised("YES, No.", ["remove-punctuation", "lowercase"]) == "yes no"


@pytest.mark.parametrize(
    ("decoder", "references", "received", "hint"),
    [
        (LOOP, ["YES NO", "yes"], "'YES', 'NO': 2 of 3 words", ". Known with --lower"),
        (
            LOOP,
            ["yes. no"],
            "'yes.': 1 of 2 words",
            ". Known with --remove-punctuation",
        ),
        (
            LOOP,
            ["Yes. No!"],
            "'Yes.', 'No!': 2 of 2 words",
            ". Known with --lowercase --remove-punctuation",
        ),
        (LOOP, ["ja nein"], "'ja', 'nein': 2 of 2 words", ""),
        (CHARACTERS, ["YES"], "'YES': 1 of 1 words", ". Known with --lowercase"),
        (WORDS, [["ja"], ["a b c d e f"]], "'ja', 'a b c d e f': 2 of 2 words", ""),
    ],
)
def test_words_that_no_decoder_could_find_are_refused(
    decoder, references, received, hint
):
    with pytest.raises(ValueError) as error:
        check_vocabulary(references, decoder)
    text = str(error.value).replace('"', "")
    assert text.startswith(
        "Invalid value for `references`. Expected words of the decoder's vocabulary. "
        f"Received: references={received}{hint}"
    )


def test_some_other_words_are_named_in_a_warning(caplog):
    check_vocabulary([f"yes a{n}" for n in range(7)], LOOP)
    (record,) = caplog.records
    assert record.getMessage() == (
        "`references` holds words that the decoder does not know: 'a0', 'a1', 'a2', "
        "'a3', 'a4' and 2 more: 7 of 14 words. Each is an error"
    )


@pytest.mark.parametrize("decoder", [LOOP, CHARACTERS, WORDS, lambda outputs: None])
def test_known_words_pass_in_silence(decoder, caplog):
    check_vocabulary(["yes", "no yes", ""], decoder)
    assert not caplog.records


def test_the_callback_checks_its_references_before_the_training():
    with pytest.raises(ValueError, match="'YES': 1 of 1 words.*Known with --lowercase"):
        WordErrorRateCallback(([], ["YES"]), LOOP)
