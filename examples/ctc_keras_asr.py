"""Distil a recogniser of the keras.io kind, trained with CTC, without touching it.

First a script as there are many: spectrograms, strided Conv2D, bidirectional GRU, a
softmax over characters with the blank at the end, CTC loss. Then, between the two
lines, what is added to it. The "speech" is a tone for each letter, so that the example
runs anywhere within a minute.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

keras.utils.set_random_seed(0)
CHARACTERS = "abcdef"
BLANK = len(CHARACTERS)
TONES_HZ = {c: 400 + 550 * n for n, c in enumerate(CHARACTERS)}


def encode(text):
    return [CHARACTERS.index(c) for c in text]


def say(text, rng, seconds=1.2, rate=8000):
    """Speaks: 60-130 ms for each character, and noise."""
    pieces = [np.zeros(rng.integers(200, 1600))]
    for character in text:
        time = np.arange(int(rate * rng.uniform(0.06, 0.13))) / rate
        tone = TONES_HZ[character] * rng.uniform(0.95, 1.05)
        pieces.append(np.hanning(len(time)) * np.sin(2 * np.pi * tone * time))
    wave = np.concatenate(pieces)[: int(seconds * rate)]
    wave = np.pad(wave, (0, int(seconds * rate) - len(wave)))
    return (wave + 0.03 * rng.normal(size=len(wave))).astype("float32")


def spectrogram(waves):
    stft = tf.signal.stft(waves, frame_length=128, frame_step=80, fft_length=128)
    magnitudes = tf.sqrt(tf.abs(stft))
    mean, variance = tf.nn.moments(magnitudes, axes=[1], keepdims=True)
    return ((magnitudes - mean) / (tf.sqrt(variance) + 1e-10)).numpy()


def letters(rng, number=8):
    """Returns a word in which no letter follows itself."""
    steps = rng.integers(1, len(CHARACTERS), size=number)
    return "".join(CHARACTERS[n % len(CHARACTERS)] for n in np.cumsum(steps))


def corpus(number, seed):
    rng = np.random.default_rng(seed)
    texts = [letters(rng) for _ in range(number)]
    return spectrogram(np.array([say(text, rng) for text in texts])), texts


def build_model(input_dim, output_dim):
    inputs = layers.Input((None, input_dim), name="input")
    x = layers.Reshape((-1, input_dim, 1))(inputs)
    x = layers.Conv2D(8, (11, 21), strides=(2, 2), padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Conv2D(8, (5, 11), strides=(1, 2), padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Reshape((-1, x.shape[-2] * x.shape[-1]))(x)
    x = layers.Bidirectional(layers.GRU(48, return_sequences=True))(x)
    x = layers.Dense(64, activation="relu")(x)
    outputs = layers.Dense(output_dim + 1, activation="softmax")(x)
    return keras.Model(inputs, outputs, name="deep_speech")


def ctc_loss(y_true, y_pred):
    frames = ops.full(ops.shape(y_pred)[:1], ops.shape(y_pred)[1])
    lengths = ops.sum(ops.cast(y_true >= 0, "int32"), axis=1)
    scores = ops.log(y_pred + 1e-8)
    return ops.ctc_loss(ops.abs(y_true), scores, lengths, frames, mask_index=BLANK)


x, texts = corpus(600, seed=1)
test_x, test_texts = corpus(100, seed=2)
y = np.full((len(x), max(map(len, texts))), -1)
for row, text in zip(y, texts, strict=True):
    row[: len(text)] = encode(text)
model = build_model(x.shape[-1], BLANK)
model.compile(keras.optimizers.Adam(2e-3), loss=ctc_loss)
model.fit(x, y, batch_size=10, epochs=4, verbose=2)

# ------------------------------------------------------------------- added: from here
from keras_rnn2dnn import Distiller, SoftAlignments, dnn_student, word_error_rate  # noqa: E402
from keras_rnn2dnn.ctc import GreedyDecoder, constrained  # noqa: E402

data, targets = (x, {"transcripts": texts}), constrained(encode, BLANK, scale=0.3)
store = SoftAlignments.write(
    "train.align", model, data, teacher_from_logits=False, transform=targets
)
student = dnn_student(x.shape[-1], BLANK + 1, (10, 10), (24, 24), stride=2)
distiller = Distiller(None, student)
distiller.compile(keras.optimizers.Adam(3e-3))
distiller.fit(store.dataset(20, shuffle=True, seed=0), epochs=12, verbose=2)
print(distiller.convert("bundle", calibration=x))
# --------------------------------------------------------------------- added: to here

decoder = GreedyDecoder((*CHARACTERS, ""), BLANK)
for name, recogniser in (("teacher", model), ("student", student)):
    found = decoder(recogniser.predict(test_x, verbose=0))
    rate = word_error_rate([list(text) for text in test_texts], found)
    size = f"{recogniser.count_params():,} parameters"
    print(f"{name}: {size}, {rate.errors} of {rate.words} letters wrong")
