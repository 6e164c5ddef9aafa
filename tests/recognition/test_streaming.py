import dataclasses

import keras
import numpy as np
import pytest

from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.ctc.greedy import best_path
from keras_rnn2dnn.deploy import Int8Student, window_model
from keras_rnn2dnn.deploy.device.decoder import ctc_tables, word_loop_tables
from keras_rnn2dnn.deploy.device.events import OVER, Limits
from keras_rnn2dnn.deploy.device.features import device_features, quantized_features
from keras_rnn2dnn.deploy.device.labels import Labels, best_labels
from keras_rnn2dnn.deploy.device.paths import search
from keras_rnn2dnn.hmm import Topology, WordLoopDecoder
from keras_rnn2dnn.quantization.interpreter import context_windows
from keras_rnn2dnn.quantization.quantize import quantize
from keras_rnn2dnn.recognition.streaming import (
    FeatureStream,
    LogitStream,
    Overlap,
    WordLoopStream,
    int16_samples,
)

L = keras.layers
BINS, CLASSES = 8, 5
SPEC = FeatureSpec(8000, num_bins=BINS)
RUNNING = FeatureSpec(
    8000,
    num_bins=BINS,
    centering="running",
    memory_ms=400.0,
    prior_ms=50.0,
    mean=(-5.0,) * BINS,
    variance=(3.0,) * BINS,
)


def noise(samples, seed=0):
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.uniform(10, 5000, 1 + samples // 700), 700)[:samples]
    return (level * rng.normal(size=samples)).clip(-32768, 32767).astype(np.int16)


def pieces(x, seed):
    """Cuts at random places; some pieces are empty."""
    rng = np.random.default_rng(seed)
    return np.split(x, np.sort(rng.integers(0, len(x) + 1, len(x) // 150 + 3)))


@pytest.mark.parametrize(("length", "step"), [(5, 2), (4, 4), (3, 7), (1, 1)])
def test_windows_are_those_of_the_whole(length, step):
    x = np.arange(60)
    whole = np.lib.stride_tricks.sliding_window_view(x, length)[::step]
    for seed in range(8):
        rows, found = Overlap(length, step), []
        for part in pieces(x, seed):
            covered = rows.push(part)
            if len(covered):
                view = np.lib.stride_tricks.sliding_window_view(covered, length)
                found += view[::step].tolist()
        assert found == whole.tolist()


SPECS = {
    "none": dataclasses.replace(RUNNING, centering="none"),
    "plain": SPEC,
    "running": RUNNING,
    "cepstra": dataclasses.replace(
        RUNNING, num_cepstra=4, mean=(-9.0, 1, 0, 0), variance=(9.0, 4, 1, 1)
    ),
    "pcen": dataclasses.replace(RUNNING, centering="none", compression="pcen"),
    "gaps": dataclasses.replace(RUNNING, frame_step_ms=40.0),
}


@pytest.mark.parametrize("name", SPECS)
def test_features_are_those_of_the_device_to_the_bit(name):
    spec, pcm = SPECS[name], noise(9000)
    expected = device_features(pcm, spec)
    for seed in range(3):
        stream = FeatureStream(spec)
        found = np.concatenate([stream.push(part) for part in pieces(pcm, seed)])
        np.testing.assert_array_equal(found.view("u4"), expected.view("u4"))


def dense():
    return [L.Conv1D(9, 6, padding="causal", activation="relu"), L.Dense(CLASSES)]


def future():
    return [L.Conv1D(9, 5, padding="same", activation="relu"), L.Dense(CLASSES)]


def strided():
    return [L.Conv1D(9, 3, strides=3, activation="relu"), L.Conv1D(CLASSES, 3)]


def skipping():
    return [L.Conv1D(CLASSES, 1, strides=3)]


@pytest.mark.parametrize("layers", [dense, future, strided, skipping])
def test_logits_are_those_of_the_whole_utterance(layers):
    keras.utils.set_random_seed(1)
    model, field = window_model(
        keras.Sequential([keras.Input((None, BINS)), *layers()])
    )
    features = device_features(noise(30000, seed=9), SPEC)
    student = Int8Student.load(quantize(model, context_windows(features, field)), field)
    for frames in (1, 2, 3, 4, 5, 8, 9, 10, 300):
        pcm = noise(SPEC.num_samples(frames) + 30, seed=frames)
        quantized = quantized_features(
            device_features(pcm, SPEC), *student.input_quantization
        )
        expected = student.integer_logits(context_windows(quantized, field))
        assert len(expected) == -(-frames // field.stride)
        for seed in range(3):
            stream = LogitStream(student, SPEC)
            found = [stream.push(part) for part in pieces(pcm, seed)]
            found = np.concatenate([*found, stream.finish()])
            np.testing.assert_array_equal(found, expected)
    stream = LogitStream(student, SPEC)
    assert stream.push(noise(SPEC.frame_length - 1)).shape == (0, CLASSES)
    assert stream.finish().shape == (0, CLASSES)


@pytest.mark.parametrize("history_frames", [200, 12])
def test_words_of_a_loop_are_those_of_the_device_and_memory_is_bounded(history_frames):
    topology = Topology("a b c d", 3)
    decoder = WordLoopDecoder(topology, self_loop=0.5, insertion_penalty=-2.0)
    tables = word_loop_tables(decoder, 0.125, history_frames)
    rng = np.random.default_rng(0)
    noisy = 60 * rng.normal(size=(904, topology.num_states))
    smooth = sum(noisy[k : k + 900] for k in range(4)) / 2
    logits = np.clip(np.rint(smooth), -128, 127).astype(np.int8)
    limits = Limits(history_frames, silence=9, longest=70)
    for frames in (0, 1, 7, 900):
        stream, words = WordLoopStream(tables, limits), []
        for row in logits[:frames]:
            words += stream.step(row)
            assert len(stream._paths.records[0]) <= history_frames
        early = len(words)
        words += stream.finish()
        assert words == search(tables, [logits[:frames]], limits)[0]
        assert stream.frame == frames
    assert early > 20 and len(words) - early < 20  # they came while it went on
    assert sum(found.word == OVER for found in words) > 5


@pytest.mark.parametrize("blank", [0, 2])
def test_labels_of_ctc_are_those_of_the_best_path(blank):
    rng = np.random.default_rng(0)
    best = np.repeat(rng.integers(4, size=80), rng.integers(1, 5, size=80))
    for frames in (0, 1, 5, len(best)):
        logits = np.where(np.eye(4)[best[:frames]] > 0, 100, -100).astype(np.int8)
        tables = ctc_tables(GreedyDecoder("abcd", blank), 0.5)
        stream, words = Labels(tables), []
        for t, row in enumerate(logits):
            new = stream.step(row)
            assert all(word.end == t for word in new)  # the frame after its end
            words += new
        words += stream.finish()
        assert words == best_labels(tables, logits, Limits())
        assert [word[:3] for word in words] == best_path(logits, blank)
        # 200 steps of half a nat in each frame.
        assert all(w.confidence == 100_000 for w in words)


def test_samples_become_int16():
    pcm = np.array([1, -2], np.int16)
    assert int16_samples(pcm) is pcm
    floats = np.array([0.5, -1.0, 1.001], np.float32)
    assert int16_samples(floats).tolist() == [16384, -32768, 32767]
    assert int16_samples(np.zeros(0, np.float32)).dtype == np.int16
    assert int16_samples(np.array([1.9, -2.0])).tolist() == [32767, -32768]


def test_big_endian_samples_are_converted():
    pcm = noise(50)
    found = int16_samples(pcm.astype(">i2"))
    assert found.dtype == np.int16 and found.dtype.isnative
    np.testing.assert_array_equal(found, pcm)


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_bytes_are_refused_with_what_reads_them(kind):
    with pytest.raises(ValueError) as error:
        int16_samples(kind(6))
    assert str(error.value) == (
        "Invalid value for `pcm`. Expected int16, or floats in [-1, 1], of shape "
        f"(samples,). Received: pcm='{kind.__name__} of length 6'. Of 16-bit PCM: "
        'np.frombuffer(data, "int16")'
    )


BAD = {
    "int32": (np.zeros(3, np.int32), "'int32 (3,)'"),
    "stereo": (np.zeros((3, 2), np.int16), "'int16 (3, 2)'"),
    "text": (np.array("a"), "'str32 ()'"),
    "scale": (np.array([0.0, 3000.0]), "'float64 (2,) from 0 to 3000'"),
    "nan": (np.array([0.0, np.nan]), "'float64 (2,) from nan to nan'"),
}


@pytest.mark.parametrize("name", BAD)
def test_other_samples_are_refused(name):
    pcm, received = BAD[name]
    with pytest.raises(ValueError) as error:
        int16_samples(pcm)
    assert str(error.value) == (
        "Invalid value for `pcm`. Expected int16, or floats in [-1, 1], of shape "
        f"(samples,). Received: pcm={received}"
    )
