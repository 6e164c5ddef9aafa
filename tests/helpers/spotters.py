"""Small bundles of keyword spotters for the tests."""

import functools
import wave

import keras
import numpy as np

from keras_rnn2dnn import convert
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.deploy.device.features import device_features
from keras_rnn2dnn.hmm import Reporting
from keras_rnn2dnn.keywords import KeywordSpotter

L = keras.layers
BINS, FRAMES = 8, 25
SPEC = FeatureSpec(
    8000,
    frame_step_ms=20.0,
    num_bins=BINS,
    low_hz=80.0,
    centering="none",
    mean=(-6.0,) * BINS,
    variance=(16.0,) * BINS,
)
LABELS = ("low", "high", "other", "silence")
SPOTTER = KeywordSpotter(
    LABELS, ("other", "silence"), 60.0, 180.0, Reporting(suppress_ms=600.0)
)


def tones(count=64, seed=0):
    """Half a second each of a low tone, a high one, noise and silence; int16."""
    rng = np.random.default_rng(seed)
    t = np.arange(SPEC.num_samples(FRAMES)) / 8000
    clips = []
    for k in range(count):
        level, hz = rng.uniform(500, 5000), (400, 2000, 0, 0)[k % 4]
        tone = np.sin(2 * np.pi * hz * rng.uniform(0.9, 1.1) * t)
        noise = rng.normal(size=len(t))
        x = level * (tone + 0.05 * noise if k % 4 < 2 else noise * (k % 4 == 2))
        clips.append((x + rng.normal(size=len(t))).astype(np.int16))
    return clips


def clips(pcm=None):
    """Features `(clips, frames, bins)`."""
    return np.stack([device_features(samples, SPEC) for samples in pcm or tones()])


@functools.cache
def student():
    """A small student of the tones, trained in seconds."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((FRAMES, BINS)),
            L.Reshape((FRAMES, BINS, 1)),
            L.Conv2D(6, (5, 3), strides=(2, 2), padding="same", activation="relu"),
            L.DepthwiseConv2D(3, padding="same", activation="relu"),
            L.GlobalAveragePooling2D(),
            L.Dense(len(LABELS), name="logits"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.03), loss)
    model.fit(clips(), np.arange(64) % 4, epochs=20, verbose=0)
    return model


def stream(seed=5):
    """Silence, a low tone, silence, noise, a high tone and silence; int16."""
    low, high, noise, silence = tones(4, seed)
    parts = [silence, silence, low, silence, silence, silence, noise, noise]
    return np.concatenate([*parts, silence, silence, high, silence, silence])


def converted(folder, **options):
    """Writes a bundle that hears two tones; returns the report."""
    given = {"feature_spec": SPEC, "decode": SPOTTER, **options}
    return convert(student(), folder, clips(), **given)


def save(path, pcm, rate=8000):
    """Writes int16 as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.astype("<i2").tobytes())
