"""Soft alignments on disk: `SoftAlignments`."""

from keras_rnn2dnn.alignments.store import SoftAlignments

__all__ = ["SoftAlignments"]
