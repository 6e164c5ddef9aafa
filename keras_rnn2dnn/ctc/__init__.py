"""Connectionist temporal classification: logits in; labels, words or targets out.

- `decoding`, `greedy`, `language_model`: recognition
- `occupancies`, `targets`: soft alignments that know the labels
- its loss is `distillation.ctc_loss`
"""

from typing import TYPE_CHECKING

from keras_rnn2dnn.util.first_import import on_first_use

if TYPE_CHECKING:  # `_PLACES` says the same
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

_PLACES = {
    "CTCLoss": "distillation.ctc_loss",
    "GreedyDecoder": "ctc.greedy",
    "NGramDecoder": "ctc.language_model",
    "class_log_priors": "ctc.occupancies",
    "constrained": "ctc.targets",
    "ctc_beam_decode": "ctc.decoding",
    "ctc_greedy_decode": "ctc.decoding",
    "ctc_occupancies": "ctc.occupancies",
}

__getattr__, __dir__ = on_first_use(__name__, _PLACES)
