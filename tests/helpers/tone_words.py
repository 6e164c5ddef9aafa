"""Words that even a tiny model tells apart."""

import numpy as np

from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.recipe.settings import Recipe


def tone_words(speakers=("ada", "bob", "eve"), per_word=20):
    """Words that are rising or falling tones; speakers differ in pitch."""
    rng = np.random.default_rng(0)
    recordings = []
    for number, speaker in enumerate(speakers):
        for word, slope in (("down", -1), ("up", 1)):
            for index in range(per_word):
                seconds = np.arange(int(rng.integers(2000, 2800))) / 8000
                pitch = 900 + 60 * number + 1500 * slope * (seconds - 0.15)
                samples = np.sin(2 * np.pi * np.cumsum(pitch) / 8000)
                recordings.append(
                    Recording(samples.astype("f4") / 4, 8000, (word,), speaker, index)
                )
    return recordings


TINY = Recipe(
    transcribed_strings=24,
    unlabelled_strings=8,
    num_banks=1,
    teacher_epochs=2,
    student_epochs=2,
    development_strings=6,
    test_strings=8,
    speeds=(1.0,),
    teacher_units=(8,),
    student_units=(8,),
    features="running mean",
    streams=None,
)
