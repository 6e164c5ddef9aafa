"""A teacher that hears samples, with its features inside, and a student of features.

    python examples/raw_audio_teacher.py recordings bundle

`recordings` has a folder for each word, or another layout of docs/own_recordings.md.
The teacher is an attention RNN as there are many: PCM in, a class out; put a model of
your own in its place. One data set gives each model what it hears.
"""

import sys

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_rnn2dnn import Distiller, LogMel, convert, ds_cnn_student
from keras_rnn2dnn.audio.corpora import load_recordings
from keras_rnn2dnn.keywords import KeywordSpotter

RATE, FRAMES = 8000, 49  # a second: 49 frames of 40 ms, one every 20


def attention_rnn(classes: int) -> keras.Model:
    """Builds a teacher: samples, log-mel, convolutions, LSTMs, attention, classes."""
    samples = keras.Input((RATE,), name="samples")
    x = LogMel(RATE, num_bins=40)(samples)[..., None]
    for filters in (10, 1):
        x = layers.Conv2D(filters, (5, 1), padding="same", activation="relu")(x)
        x = layers.BatchNormalization()(x)
    x = layers.Reshape((-1, 40))(x)
    for _ in range(2):
        x = layers.Bidirectional(layers.LSTM(32, return_sequences=True))(x)
    query = layers.Dense(64)(x[:, x.shape[1] // 2])
    weights = layers.Softmax()(layers.Dot(axes=(1, 2))([query, x]))
    x = layers.Dot(axes=(1, 1))([weights, x])
    x = layers.Dense(32, activation="relu")(x)
    return keras.Model(samples, layers.Dense(classes)(x), name="attention_rnn")


def main(corpus: str, bundle: str, epochs: int = 20):
    """Trains teacher and student, and converts the student."""
    keras.utils.set_random_seed(0)
    found = load_recordings(corpus, RATE)
    heard = [np.pad(r.samples, (0, RATE))[:RATE] for r in found.recordings]
    x, words = np.stack(heard).astype("float32"), found.words
    y = np.array([words.index(r.words[0]) for r in found.recordings])

    teacher = attention_rnn(len(words))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    teacher.compile("adam", loss, metrics=["accuracy"])
    teacher.fit(x, y, 32, epochs, verbose=2)

    mfcc = LogMel(
        RATE, frame_length_ms=40, frame_step_ms=20, window="hann", num_cepstra=10
    )
    mfcc.adapt(x)
    data = tf.data.Dataset.from_tensor_slices(x).shuffle(len(x), seed=0).batch(32)
    data = data.map(lambda pcm: {"teacher": pcm, "student": mfcc(pcm)})
    student = ds_cnn_student(10, len(words), frames=FRAMES)
    distiller = Distiller(teacher, student)
    distiller.compile("adam")
    distiller.fit(data, epochs=epochs, verbose=2)

    report = convert(
        student,
        bundle,
        mfcc(x),
        feature_spec=mfcc.spec,
        decode=KeywordSpotter(words),
        recordings=list(x[:8]),
    )
    print(report)
    return teacher, student


if __name__ == "__main__":
    main(*sys.argv[1:])
