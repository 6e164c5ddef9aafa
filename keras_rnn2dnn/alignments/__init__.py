"""Soft alignments on disk, `SoftAlignments`, and how to change them on the way."""

from keras_rnn2dnn.alignments.prior_matching import match_priors
from keras_rnn2dnn.alignments.store import SoftAlignments
from keras_rnn2dnn.alignments.transforms import by_transcript, chained

__all__ = ["SoftAlignments", "by_transcript", "chained", "match_priors"]
