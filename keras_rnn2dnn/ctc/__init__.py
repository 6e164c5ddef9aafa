"""Connectionist temporal classification: decoding, and soft alignments."""

from keras_rnn2dnn.ctc.decoding import ctc_beam_decode, ctc_greedy_decode
from keras_rnn2dnn.ctc.greedy import GreedyDecoder
from keras_rnn2dnn.ctc.occupancies import constrained, ctc_occupancies

__all__ = [
    "GreedyDecoder",
    "constrained",
    "ctc_beam_decode",
    "ctc_greedy_decode",
    "ctc_occupancies",
]
