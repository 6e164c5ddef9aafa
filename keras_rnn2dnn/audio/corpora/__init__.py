"""Corpora: a directory in, recordings with their transcripts and speakers out.

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

__all__ = ["Recording", "read_fsdd", "read_wav", "synthetic_recordings", "write_wav"]
