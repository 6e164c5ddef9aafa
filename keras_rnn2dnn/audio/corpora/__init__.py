"""Corpora: a directory in, recordings with their transcripts and speakers out.

- `whole_corpus`: `load_recordings`, a corpus of any layout as it lies there
- `word_folders`, `name_patterns`, `speaker_guess`: folders by word, and who speaks
- `listing`: the layouts that are known; `manifests`: JSONL; `kaldi_tables`; `tfds`
- `audio_files`: what is known of a file before it is decoded, and of one left out
- `loading`: decodes the files in parallel, and lists what cannot be decoded
- `recordings`: recordings in memory, `Recording(samples, words, speaker)`
"""

from typing import TYPE_CHECKING

from keras_rnn2dnn.util.first_import import on_first_use

if TYPE_CHECKING:  # `_PLACES` says the same
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

_PLACES = {
    "Corpus": "audio.corpora.whole_corpus",
    "Recording": "audio.corpora.recordings",
    "load_recordings": "audio.corpora.whole_corpus",
    "read_fsdd": "audio.corpora.recordings",
    "read_wav": "audio.corpora.recordings",
    "synthetic_recordings": "audio.corpora.recordings",
    "write_wav": "audio.corpora.recordings",
}

__getattr__, __dir__ = on_first_use(__name__, _PLACES)
