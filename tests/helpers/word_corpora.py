"""Corpora on disk, of words that are tones."""

import json
from pathlib import Path

import numpy as np
from helpers.tone_words import tone_words

from keras_rnn2dnn.audio.corpora import write_wav


def write_folders(root, recordings, names=None, rate=8000):
    """Writes folders by word; `names` are other names of the words."""
    names = names or {}
    for r in recordings:
        word = r.words[0]
        name = f"{r.speaker}_{r.index}.wav" if r.speaker else f"{r.index:03d}.wav"
        write_wav(Path(root, names.get(word, word), name), r.samples, rate)


def write_sentences(root, speakers=("ada", "bob", "eve"), number=8):
    """Writes a JSONL manifest of sentences of two words, parts of longer files."""
    lines = []
    for speaker in speakers:
        words = tone_words((speaker,), per_word=number)
        samples, entries = [np.zeros(800)], []
        for one, other in zip(words[:number], words[number:], strict=True):
            start = sum(map(len, samples))
            samples += [one.samples, other.samples, np.zeros(800)]
            entries.append(
                {
                    "audio": f"{speaker}.wav",
                    "text": " ".join(one.words + other.words),
                    "speaker": speaker,
                    "offset": start / 8000,
                    "duration": (len(one.samples) + len(other.samples)) / 8000,
                }
            )
        write_wav(Path(root, f"{speaker}.wav"), np.concatenate(samples), 8000)
        lines += map(json.dumps, entries)
    path = Path(root, "sentences.jsonl")
    path.write_text("\n".join(lines))
    return path
