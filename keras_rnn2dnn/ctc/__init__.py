"""Connectionist temporal classification: logits in; labels, words or targets out.

- `decoding`, `greedy`, `language_model`: recognition
- `occupancies`, `targets`: soft alignments that know the labels
- its loss is `distillation.ctc_loss`
"""

from keras_rnn2dnn.ctc.decoding import ctc_beam_decode, ctc_greedy_decode
from keras_rnn2dnn.ctc.greedy import GreedyDecoder
from keras_rnn2dnn.ctc.language_model import NGramDecoder
from keras_rnn2dnn.ctc.occupancies import class_log_priors, ctc_occupancies
from keras_rnn2dnn.ctc.targets import constrained
from keras_rnn2dnn.distillation.ctc_loss import CTCLoss

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
