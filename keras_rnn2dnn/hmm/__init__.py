"""Hidden Markov models: features or log-posteriors in, states `(frames,)` or words out.

- `topology`: the states of words, other speech and silence; `transcript_graph`: those
  along a transcript; `utterances`: batches and checks of arguments
- `flat_start`, `gaussian_mixtures`, `alignment`, `occupancies`, `constrained`:
  alignments, hard and soft
- `decoding`, `word_loop`, `tuning`: recognition of words; `reporting`: which of them a
  device reports, and when
- `loop_graph`, `loop_sums`, `sequence_kl`: all paths at once, as a loss
"""

from typing import TYPE_CHECKING

from keras_rnn2dnn.util.first_import import on_first_use

if TYPE_CHECKING:  # `_PLACES` says the same
    from keras_rnn2dnn.hmm.alignment import align, forward_backward
    from keras_rnn2dnn.hmm.constrained import constrained, decoded
    from keras_rnn2dnn.hmm.decoding import WordLoopDecoder
    from keras_rnn2dnn.hmm.flat_start import FlatStart, flat_start
    from keras_rnn2dnn.hmm.gaussian_mixtures import GaussianMixtures
    from keras_rnn2dnn.hmm.loop_graph import LoopGraph
    from keras_rnn2dnn.hmm.reporting import Reporting
    from keras_rnn2dnn.hmm.sequence_kl import SequenceKL
    from keras_rnn2dnn.hmm.topology import Topology
    from keras_rnn2dnn.hmm.tuning import estimate_log_priors, tune_decoder

__all__ = [
    "FlatStart",
    "GaussianMixtures",
    "LoopGraph",
    "Reporting",
    "SequenceKL",
    "Topology",
    "WordLoopDecoder",
    "align",
    "constrained",
    "decoded",
    "estimate_log_priors",
    "flat_start",
    "forward_backward",
    "tune_decoder",
]

_PLACES = {
    "FlatStart": "hmm.flat_start",
    "GaussianMixtures": "hmm.gaussian_mixtures",
    "LoopGraph": "hmm.loop_graph",
    "Reporting": "hmm.reporting",
    "SequenceKL": "hmm.sequence_kl",
    "Topology": "hmm.topology",
    "WordLoopDecoder": "hmm.decoding",
    "align": "hmm.alignment",
    "constrained": "hmm.constrained",
    "decoded": "hmm.constrained",
    "estimate_log_priors": "hmm.tuning",
    "flat_start": "hmm.flat_start",
    "forward_backward": "hmm.alignment",
    "tune_decoder": "hmm.tuning",
}

__getattr__, __dir__ = on_first_use(__name__, _PLACES)
