"""Small bundles for the tests."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_rnn2dnn import convert, dnn_student
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.deploy import tflm
from keras_rnn2dnn.deploy.device.features import device_features
from keras_rnn2dnn.deploy.toolchain import missing_tools
from keras_rnn2dnn.hmm import Topology, WordLoopDecoder

needs_cores = pytest.mark.skipif(
    bool(missing_tools("m4")),
    reason="needs arm-none-eabi-gcc and qemu-system-arm: apt install "
    "gcc-arm-none-eabi qemu-system-arm",
)
BINS = 8
SPEC = FeatureSpec(
    8000,
    num_bins=BINS,
    low_hz=80.0,
    centering="running",
    mean=(-6.0,) * BINS,
    variance=(4.0,) * BINS,
)
MFCC = dataclasses.replace(  # of as many features
    SPEC,
    num_bins=20,
    num_cepstra=BINS,
    cepstral_lifter=22.0,
    mean=(-30.0,) + (0.0,) * (BINS - 1),
    variance=(100.0,) * BINS,
)
TOPOLOGY = Topology(("up", "down"), states_per_unit=2)
DECODER = WordLoopDecoder(TOPOLOGY, insertion_penalty=-1.0)


def recordings(count=12, seed=0):
    """Sweeps with noise, int16."""
    rng = np.random.default_rng(seed)
    t = np.arange(6000) / 8000
    sweeps = [
        np.sin(2 * np.pi * t * (300 + 400 * k + sign * 500 * t))
        for k, sign in zip(range(count), (1, -1) * count, strict=False)
    ]
    noisy = [s + rng.normal(0, 0.3, len(t)) for s in sweeps]
    return [(8000 * x).astype(np.int16) for x in noisy]


def features(pcm=None):
    """Features of the recordings, as the device computes them."""
    return [device_features(samples, SPEC) for samples in pcm or recordings()]


def student(seed=0, classes=TOPOLOGY.num_states):
    """An untrained student with larger logits than usual."""
    keras.utils.set_random_seed(seed)
    model = dnn_student(BINS, classes, context=(3, 2), units=(12, 7))
    for weight in model.weights:
        weight.assign(3 * weight)
    return model


def parts():
    """Arguments of `convert` for a bundle from PCM to words."""
    return {
        "calibration": features(),
        "feature_spec": SPEC,
        "decode": DECODER,
        "recordings": recordings(4, seed=1),
    }


def assert_proven(found):
    """Asks `verify` for all that the machine has tools for."""
    whole = tflm.is_installed()
    assert found.verdict == ("verified" if whole else "not verified"), str(found)
    assert not [one for one in found.outcomes if one.status == "FAILED"]


def written(folder):
    """A bundle from PCM to words, without recordings; returns its folder."""
    convert(student(), folder, features(), feature_spec=SPEC, decode=DECODER)
    return folder


def residual():
    """A student that TensorFlow Lite Micro runs, but not the C code."""
    inputs = keras.Input((None, BINS))
    x = keras.layers.Dense(6)(inputs)
    y = keras.layers.Dense(6, "relu")(x)
    return keras.Model(inputs, keras.layers.Dense(5)(keras.layers.Add()([x, y])))
