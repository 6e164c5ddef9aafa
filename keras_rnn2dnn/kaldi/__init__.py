"""Kaldi: data directories, archives, alignments and posteriors, in and out.

- `directory`, `fbank`: features, and how Kaldi makes them
- `archives`, `array_headers`: files of arrays, checked before memory is taken
- `posteriors`, `priors`: a teacher's in, a student's out
"""

from keras_rnn2dnn.kaldi.archives import read_archive, write_archive
from keras_rnn2dnn.kaldi.directory import (
    KaldiDirectory,
    KaldiUtterance,
    write_directory,
)
from keras_rnn2dnn.kaldi.fbank import fbank_spec, mfcc_spec
from keras_rnn2dnn.kaldi.posteriors import (
    read_alignments,
    store_posteriors,
    write_scores,
    write_store_scores,
)
from keras_rnn2dnn.kaldi.priors import read_log_priors, write_log_priors

__all__ = [
    "KaldiDirectory",
    "KaldiUtterance",
    "fbank_spec",
    "mfcc_spec",
    "read_alignments",
    "read_archive",
    "read_log_priors",
    "store_posteriors",
    "write_archive",
    "write_directory",
    "write_log_priors",
    "write_scores",
    "write_store_scores",
]
