"""A miniature Kaldi directory of recordings: fbank features and linear alignments."""

import numpy as np

from keras_rnn2dnn import LogMel, kaldi
from keras_rnn2dnn.audio.corpora.recordings import read_fsdd
from keras_rnn2dnn.kaldi import KaldiUtterance

STATES = 3  # of each digit


def write(root, fsdd):
    """Writes `train`, `dev` and `test` with features, CMVN and pdf-ids.

    Args:
        root: directory.
        fsdd: recordings.
    """
    layer = LogMel.from_spec(kaldi.fbank_spec(8000))
    recordings = [r for r in read_fsdd(fsdd) if r.index < 10]
    digits = sorted({r.words for r in recordings})
    parts = {"train": range(6), "dev": (6, 7), "test": (8, 9)}
    for part, indexes in parts.items():
        utterances, labels = [], []
        for r in recordings:
            if r.index not in indexes:
                continue
            features = layer(r.samples[None]).numpy()[0]
            name = f"{r.speaker}-{r.words[0]}-{r.index}"
            text = " ".join(r.words)
            utterances.append(KaldiUtterance(name, features, text, r.speaker))
            third = np.arange(len(features)) * STATES // len(features)
            states = digits.index(r.words) * STATES + third
            labels.append((name, states.astype("int32")))
        kaldi.write_directory(root / part, utterances, cmvn=True)
        kaldi.write_archive(root / f"{part}_pdf.ark", labels)
