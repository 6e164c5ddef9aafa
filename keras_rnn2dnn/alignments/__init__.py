"""Soft alignments on disk, `SoftAlignments`, and how to change them on the way."""

from keras_rnn2dnn.alignments.prior_matching import by_transcript, match_priors
from keras_rnn2dnn.alignments.store import SoftAlignments

__all__ = ["SoftAlignments", "by_transcript", "match_priors"]
