"""Connectionist temporal classification: decoding, loss, and soft alignments."""

from keras_rnn2dnn.ctc.decoding import ctc_beam_decode, ctc_greedy_decode
from keras_rnn2dnn.ctc.greedy import GreedyDecoder
from keras_rnn2dnn.ctc.language_model import NGramDecoder
from keras_rnn2dnn.ctc.loss import CTCLoss
from keras_rnn2dnn.ctc.occupancies import class_log_priors, ctc_occupancies
from keras_rnn2dnn.ctc.targets import constrained

__all__ = [
    "CTCLoss",
    "GreedyDecoder",
    "NGramDecoder",
    "class_log_priors",
    "constrained",
    "ctc_beam_decode",
    "ctc_greedy_decode",
    "ctc_occupancies",
]
