"""Recordings of words that are noise or tones, by speakers of any names."""

import numpy as np

from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.recipe.split import Split

WORDS = ("one", "two")
# Hearing who is heard: the recordings of each use hold a tone of their own.
TONES_HZ = {
    "train": 600,
    "development": 1200,
    "unlabelled": 1900,
    "test": 2700,
    "other_speech": 300,
}


def recording(word, speaker, index, num_samples=1200):
    seed = np.random.SeedSequence((WORDS.index(word), ord(speaker[0]), index))
    samples = 0.1 * np.random.default_rng(seed).normal(size=num_samples)
    return Recording(samples.astype("float32"), 8000, (word,), speaker, index)


def corpus(speakers=("anna", "ben", "cleo"), per_word=20):
    return [
        recording(word, speaker, index)
        for word in WORDS
        for speaker in speakers
        for index in range(per_word)
    ]


def with_tone(recording, hz):
    samples = 0.1 * np.sin(2 * np.pi * hz * np.arange(len(recording.samples)) / 8000)
    return Recording(
        samples.astype("float32"),
        recording.sample_rate_hz,
        recording.words,
        recording.speaker,
        recording.index,
    )


def marked(with_unlabelled=True):
    """A split in which the recordings of each use hold its tone."""
    known, new = corpus(("anna", "cleo")), corpus(("ben",))
    uses = {
        "train": [r for r in known if r.index >= 5],
        "development": [r for r in known if r.index < 5],
        "unlabelled": [r for r in new if r.index >= 15 and with_unlabelled],
        "test": [r for r in new if r.index < 15],
    }
    return Split(
        **{
            use: [with_tone(r, TONES_HZ[use]) for r in recordings]
            for use, recordings in uses.items()
        }
    )
