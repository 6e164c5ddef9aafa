"""Corpora: a directory in, recordings with their transcripts and speakers out.

- `whole_corpus`: `load_recordings`, a corpus of any layout as it lies there
- `word_folders`, `name_patterns`, `speaker_guess`: folders by word, and who speaks
- `listing`: the layouts that are known; `manifests`: JSONL; `kaldi_tables`; `tfds`
- `loading`: decodes the files in parallel, and lists what cannot be decoded
- `recordings`: recordings in memory, `Recording(samples, words, speaker)`
"""

from keras_rnn2dnn.audio.corpora.recordings import (
    Recording,
    read_fsdd,
    read_wav,
    synthetic_recordings,
    write_wav,
)
from keras_rnn2dnn.audio.corpora.whole_corpus import Corpus, load_recordings

__all__ = [
    "Corpus",
    "Recording",
    "load_recordings",
    "read_fsdd",
    "read_wav",
    "synthetic_recordings",
    "write_wav",
]
