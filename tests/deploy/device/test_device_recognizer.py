import dataclasses

import keras
import numpy as np
import pytest

from keras_rnn2dnn import LogMel, dnn_student
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.deploy import Int8Student, window_model
from keras_rnn2dnn.deploy.device import (
    DeviceNetwork,
    DeviceRecognizer,
    RecognizedWord,
    UnsupportedStudent,
)
from keras_rnn2dnn.deploy.device.decoder import CtcTables
from keras_rnn2dnn.hmm import Topology, WordLoopDecoder
from keras_rnn2dnn.hmm.reporting import EARLIER
from keras_rnn2dnn.quantization.quantize import quantize

L = keras.layers
BINS, CLASSES = 8, 5
SPEC = FeatureSpec(8000, num_bins=BINS, mean=[0.5] * BINS, variance=[6.0] * BINS)
LOOP = WordLoopDecoder(Topology("a b", 2), self_loop=0.5)
GREEDY = GreedyDecoder(("", "a", "b", "c", "d"))


def dense():
    return dnn_student(BINS, CLASSES, (3, 2), (16,))


def strided():
    return keras.Sequential(
        [
            keras.Input((None, BINS)),
            L.Conv1D(12, 3, strides=2, padding="causal", activation="relu"),
            L.Conv1D(CLASSES, 3),
        ]
    )


def pcm(frames, seed=0):
    """Coloured noise, loud and soft by turns."""
    count = SPEC.num_samples(frames)
    generator = np.random.default_rng(seed)
    level = np.repeat(generator.uniform(10, 5000, 1 + count // 700), 700)[:count]
    colour = np.convolve(generator.normal(size=count), generator.normal(size=9), "same")
    return np.clip(colour * level, -32768, 32767).astype(np.int16)


def trained_features(samples):
    layer = LogMel.from_spec(SPEC)
    return layer(samples[None] / np.float32(32768)).numpy()[0]


def made(build):
    """Returns the float student, the int8 student and the network of the device."""
    keras.utils.set_random_seed(1)
    student = build()
    model, field = window_model(student)
    windows = np.lib.stride_tricks.sliding_window_view(
        trained_features(pcm(200, seed=9)), field.window, axis=0
    )
    tflite = quantize(model, windows.transpose(0, 2, 1))
    int8 = Int8Student.load(tflite, field)
    return student, int8, DeviceNetwork.of(tflite, int8)


@pytest.fixture(scope="module")
def students():
    return {"dense": made(dense), "strided": made(strided)}


def test_the_network_holds_what_the_student_tells(students):
    _, int8, network = students["strided"]
    # The causal convolution looks back by 2 frames; two more frames of it are needed.
    field = network.field
    assert (field.left, field.right, field.stride) == (2, 4, 2)
    assert network.num_features == BINS
    assert network.input_quantization == int8.input_quantization
    assert network.output_quantization == int8.output_quantization
    assert network.rounding == "double"
    assert [layer.outputs for layer in network.layers] == [12, CLASSES]


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 6, 7, 50, 51])
@pytest.mark.parametrize(("name", "stride"), [("dense", 1), ("strided", 2)])
def test_logits_are_those_of_the_student_also_at_the_edges(
    name, stride, frames, students
):
    _, int8, network = students[name]
    recognizer = DeviceRecognizer(network, SPEC, LOOP)
    samples = pcm(frames, seed=frames)
    quantized = network.quantized(recognizer.features(samples))
    assert (quantized.dtype, quantized.shape) == (np.int8, (frames, BINS))
    logits = recognizer.logits(samples)
    assert logits.dtype == np.int8
    assert logits.shape == (-(-frames // stride), CLASSES)
    np.testing.assert_array_equal(network.logits(quantized), logits)

    scale, zero_point = network.output_quantization
    expected = int8.predict([trained_features(samples)])[0]
    values = (logits.astype(np.float64) - zero_point) * scale
    assert np.abs(values - expected).max() <= 1.01 * scale
    assert np.ptp(logits.astype(int)) > 8


def test_edge_frames_are_repeated_as_in_training(students):
    """The float student splices its frames by itself, edges included."""
    student, _, network = students["dense"]
    logits = DeviceRecognizer(network, SPEC, LOOP).logits(pcm(12, seed=3))
    scale, zero_point = network.output_quantization
    values = (logits.astype(np.float64) - zero_point) * scale
    expected = student(trained_features(pcm(12, seed=3))[None]).numpy()[0]
    assert np.abs(values - expected).max() < 0.05 * np.abs(expected).max()


def test_windows_of_a_strided_student_begin_at_every_other_frame(students):
    _, _, network = students["strided"]
    quantized = network.quantized(trained_features(pcm(9, seed=4)))
    rows = []
    for frame in (0, 2, 4, 6, 8):
        places = np.clip(np.arange(frame - 2, frame + 5), 0, 8)
        alone = dataclasses.replace(
            network, field=dataclasses.replace(network.field, left=0, right=6)
        )
        rows.append(alone.logits(quantized[places])[0])
    np.testing.assert_array_equal(network.logits(quantized), rows)


def test_single_rounding_differs_by_a_quantum_somewhere(students):
    _, _, network = students["dense"]
    quantized = network.quantized(trained_features(pcm(400, seed=5)))
    single = dataclasses.replace(network, rounding="single").logits(quantized)
    difference = np.abs(single.astype(int) - network.logits(quantized))
    assert 0 < difference.max() <= 2


def test_audio_without_a_frame_has_no_words(students):
    _, _, network = students["dense"]
    for decoder in (LOOP, GREEDY):
        recognizer = DeviceRecognizer(network, SPEC, decoder)
        for samples in (0, 1, SPEC.frame_length - 1):
            silence = np.zeros(samples, np.int16)
            assert recognizer.features(silence).shape == (0, BINS)
            assert recognizer.logits(silence).shape == (0, CLASSES)
            assert recognizer.recognize([silence]) == [[]]


def one_hot(path):
    return np.where(np.eye(CLASSES)[path] > 0, 100, -100).astype(np.int8)


def test_words_have_their_times_in_milliseconds(students):
    # States of a are 0, 1; of b 2, 3; silence is 4.
    path = [4, 4, 0, 0, 1, 2, 3, 3, 4, 0, 1, 1]
    loop = [("a", 0, 2, 5), ("b", 1, 5, 8), ("a", 0, 9, 12)]
    # The blank is 0; d is 4.
    greedy = [("d", 4, 0, 2), ("a", 1, 4, 5), ("b", 2, 5, 6), ("c", 3, 6, 8)]
    greedy += [("d", 4, 8, 9), ("a", 1, 10, 12)]
    for decoder, words in ((LOOP, loop), (GREEDY, greedy)):
        for name, step in (("dense", 10), ("strided", 20)):
            recognizer = DeviceRecognizer(students[name][2], SPEC, decoder)
            found, none = recognizer.decode([one_hot(path), one_hot([])])
            assert none == []
            assert [dataclasses.replace(word, confidence=0.0) for word in found] == [
                RecognizedWord(t, i, s * step, e * step) for t, i, s, e in words
            ]
            assert min(word.confidence for word in found) > 0


def test_times_are_rounded_down_to_whole_milliseconds(students):
    spec = FeatureSpec(11025, num_bins=BINS)  # 110 samples from frame to frame
    recognizer = DeviceRecognizer(students["strided"][2], spec, GREEDY)
    (words,) = recognizer.decode([one_hot([0] * 7 + [2] * 6)])
    # 7 * 2 * 110 samples are 139.68 ms, 13 * 2 * 110 are 259.41 ms.
    assert [(word.start_ms, word.end_ms) for word in words] == [(139, 259)]


def test_recordings_are_recognised_one_by_one(students):
    _, int8, network = students["dense"]
    recordings = [pcm(n, seed=n) for n in (40, 25, 60)]
    features = [trained_features(samples) for samples in recordings]
    for decoder in (LOOP, GREEDY):
        recognizer = DeviceRecognizer(network, SPEC, decoder)
        shares = []
        found = recognizer.recognize(recordings, shares.append)
        assert shares == [1 / 3, 2 / 3, 1]
        assert found == recognizer.decode([recognizer.logits(r) for r in recordings])
        texts = [[word.text for word in words] for words in found]
        assert texts == decoder(int8.predict(features))
        assert min(map(len, texts)) >= 1
        assert recognizer.recognize(recordings) == found


def test_the_words_are_those_of_the_decoder(students):
    network = students["dense"][2]
    assert DeviceRecognizer(network, SPEC, LOOP).words == ("a", "b")
    assert DeviceRecognizer(network, SPEC, GREEDY).words == ("", "a", "b", "c", "d")
    scale = network.output_quantization[0]
    of_ctc = CtcTables(GREEDY.labels, 0, round(scale * 2**16))
    assert DeviceRecognizer(network, SPEC, GREEDY).tables == of_ctc
    tables = DeviceRecognizer(network, SPEC, LOOP).tables
    assert tables.slope == round(scale * 2**16)
    # 500 ms less a window of 25 ms and 2 frames of 10 ms, in frames of 10 ms.
    assert (tables.history_frames, tables.words) == (45, ("a", "b"))
    earlier = dataclasses.replace(LOOP, reporting=EARLIER)
    tables = DeviceRecognizer(network, SPEC, earlier).tables
    assert (tables.history_frames, tables.margin) == (200, None)


MISFITS = {
    "bins": (
        FeatureSpec(8000, num_bins=9),
        LOOP,
        "`feature_spec`. Expected features of 8 bins. Received: feature_spec='9 bins'",
    ),
    "cepstra": (
        FeatureSpec(8000, num_cepstra=10),
        LOOP,
        "`feature_spec`. Expected features of 8 cepstra. Received: "
        "feature_spec='10 cepstra'",
    ),
    "labels": (
        SPEC,
        GreedyDecoder(("", "a")),
        "`decode`. Expected a decoder of 5 labels, as the student has classes. "
        "Received: decode='2 labels'",
    ),
    "states": (
        SPEC,
        WordLoopDecoder(Topology("a b", 3)),
        "`decode`. Expected a decoder of 5 states, as the student has classes. "
        "Received: decode='7 states'",
    ),
    "bigram": (
        SPEC,
        dataclasses.replace(LOOP, bigram=np.zeros((3, 2))),
        "`decode`. Expected a word loop without a bigram, as the C code has none. "
        "Received: decode='a bigram'. Leave it out",
    ),
    "future": (
        dataclasses.replace(SPEC, centering="utterance"),
        GREEDY,
        '`feature_spec`. Expected features without future: centering="running" or '
        "\"none\". Received: feature_spec='utterance'. Compute the features, and "
        "train the student, with one of these",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_the_network_is_refused(name, students):
    spec, decoder, message = MISFITS[name]
    with pytest.raises(ValueError) as error:
        DeviceRecognizer(students["dense"][2], spec, decoder)
    assert str(error.value) == f"Invalid value for {message}"


def test_a_student_of_other_layers_is_refused():
    inputs = keras.Input((None, BINS))
    student = keras.Model(inputs, L.Dense(CLASSES)(L.Dense(4, "tanh")(inputs)))
    model, field = window_model(student)
    windows = np.random.default_rng(0).normal(size=(50, 1, BINS))
    tflite = quantize(model, windows)
    with pytest.raises(UnsupportedStudent, match="run the operator TANH"):
        DeviceNetwork.of(tflite, Int8Student.load(tflite, field))
