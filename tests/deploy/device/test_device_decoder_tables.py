"""The integers of the device's word loop, and what does not fit into them."""

import numpy as np
import pytest

from keras_rnn2dnn.deploy.device import paths
from keras_rnn2dnn.deploy.device.decoder import word_loop_tables
from keras_rnn2dnn.hmm import Topology, WordLoopDecoder

SCALE = 0.125  # of the logits: exact in 16 bits
ONE_STATE = Topology("a b", 1)


def test_the_tables_are_those_computed_by_hand():
    lexicon = {"no": "n o", "on": "o n"}
    decoder = WordLoopDecoder(
        Topology("no on", 2, lexicon),
        log_priors=[-1.0, -2.0, -0.5, -4.0, -0.25],
        prior_scale=0.5,
        insertion_penalty=-3.0,
    )
    tables = word_loop_tables(decoder, 0.1, history_frames=77)
    assert tables.words == ("no", "on")
    assert tables.state_of_node.tolist() == [0, 1, 2, 3, 2, 3, 0, 1, 4]
    assert tables.first_node.tolist() == [0, 4]
    assert tables.last_node.tolist() == [3, 7]
    assert tables.silence is True
    assert (tables.bits, tables.history_frames) == (16, 77)
    assert tables.slope == 6554  # 6553.6
    assert tables.offset.tolist() == [32768, 65536, 16384, 131072, 8192]
    assert tables.move == -55529  # log(3 / 7) * 65536 = -55528.51
    assert tables.penalty == -3 * 65536


@pytest.mark.parametrize(
    ("options", "scale", "bits"),
    [
        ({}, 0.125, 16),
        ({}, 1.0, 16),  # 2^24 / (128 + 0.8) is 2^16.99
        ({}, 2.0, 15),
        ({"insertion_penalty": -300.0}, 0.125, 15),
        ({"insertion_penalty": 5000.0}, 0.125, 11),
        ({"insertion_penalty": -1e5}, 0.125, 7),
        ({"log_priors": [-1000.0] * 3, "prior_scale": 1.0}, 0.125, 14),
    ],
)
def test_large_numbers_cost_bits(options, scale, bits):
    decoder = WordLoopDecoder(ONE_STATE, **options)
    tables = word_loop_tables(decoder, scale)
    assert tables.bits == bits
    assert tables.slope == scale * 2**bits
    assert tables.penalty == options.get("insertion_penalty", 0) * 2**bits
    largest = 128 * tables.slope + np.abs(tables.offset).max()
    assert largest + abs(tables.move) + abs(tables.penalty) <= 2**24


@pytest.mark.parametrize(
    ("penalty", "scale", "received"),
    [(-2e5, 0.125, "2e+05"), (0.0, 1e-4, "0.86")],
)
def test_huge_numbers_are_refused(penalty, scale, received):
    decoder = WordLoopDecoder(ONE_STATE, insertion_penalty=penalty)
    with pytest.raises(ValueError) as error:
        word_loop_tables(decoder, scale)
    assert str(error.value) == (
        "Invalid value for `decode`. Expected penalties and logits of reasonable size. "
        f"Received: decode='{received} nats in a frame'"
    )


def found_by(tables, logits):
    return [[word[:3] for word in words] for words in paths.search(tables, logits)]


def test_a_word_starts_at_most_65535_frames_before_its_end(monkeypatch):
    """The device counts the frames of a word in 16 bits; here in fewer."""
    assert paths.MOST_FRAMES == 2**16 - 1
    tables = word_loop_tables(WordLoopDecoder(Topology("a b", 1)), SCALE)
    logits = np.full((60, 3), -100, np.int8)
    logits[:40, 0] = logits[40:, 1] = 100
    assert found_by(tables, [logits]) == [[(0, 0, 40), (1, 40, 60)]]
    monkeypatch.setattr(paths, "MOST_FRAMES", 15)
    assert found_by(tables, [logits]) == [[(0, 25, 40), (1, 45, 60)]]


def test_more_states_than_16_bits_count_are_refused():
    decoder = WordLoopDecoder(Topology(("a", "b"), 2**15))
    with pytest.raises(ValueError) as error:
        word_loop_tables(decoder, SCALE)
    assert str(error.value) == (
        "Invalid value for `decode`. Expected at most 65,535 states, as the C code "
        "counts in 16 bits. Received: decode='65,537 states'"
    )


def test_a_bigram_is_refused():
    decoder = WordLoopDecoder(ONE_STATE, bigram=np.zeros((3, 2)))
    with pytest.raises(ValueError) as error:
        word_loop_tables(decoder, SCALE)
    assert str(error.value) == (
        "Invalid value for `decode`. Expected a word loop without a bigram, as the C "
        "code has none. Received: decode='a bigram'. Leave it out"
    )


def test_no_utterances_give_no_words():
    tables = word_loop_tables(WordLoopDecoder(Topology("ab", 1)), 0.1)
    assert found_by(tables, []) == []


def test_floats_are_refused_instead_of_cut():
    tables = word_loop_tables(WordLoopDecoder(Topology("ab", 1)), 0.1)
    with pytest.raises(ValueError) as error:
        found_by(tables, [np.zeros((3, 3), np.int8), np.zeros((3, 3), np.float32)])
    assert str(error.value) == (
        "Invalid value for `logits[1]`. Expected int8 values. Received: "
        "logits[1]='float32'"
    )
