import dataclasses
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import bundles

from keras_rnn2dnn import Recognizer, convert, dnn_student
from keras_rnn2dnn.audio.corpora.recordings import write_wav
from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.ctc.greedy import best_path
from keras_rnn2dnn.deploy import Int8Student, load_bundle, window_model
from keras_rnn2dnn.deploy.device.decoder import word_loop_tables
from keras_rnn2dnn.deploy.device.features import device_features, quantized_features
from keras_rnn2dnn.deploy.device.paths import search
from keras_rnn2dnn.hmm import Topology, WordLoopDecoder
from keras_rnn2dnn.quantization.interpreter import context_windows
from keras_rnn2dnn.quantization.quantize import quantize
from keras_rnn2dnn.recognition.hearing import detections

FSDD = Path(__file__).parents[3] / "shared" / "fsdd" / "recordings"
GREEDY = GreedyDecoder(("", "a", "b", " ", "c"))
LONG = np.concatenate(bundles.recordings(6, seed=3))


def strided():
    keras.utils.set_random_seed(2)
    model = dnn_student(bundles.BINS, 5, context=(4, 3), units=(9,), stride=2)
    for weight in model.weights:
        weight.assign(3 * weight)
    return model


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Bundles: a word loop, CTC, a stride, and a student that the C code refuses."""
    folder = tmp_path_factory.mktemp("made")
    calibration = bundles.features(bundles.recordings(24))
    data = {"calibration": calibration, "feature_spec": bundles.SPEC}
    loop, ctc = {**data, "decode": bundles.DECODER}, {**data, "decode": GREEDY}
    convert(bundles.student(), folder / "loop", **loop)
    convert(bundles.student(), folder / "ctc", **ctc)
    convert(strided(), folder / "strided", **loop)
    keras.utils.set_random_seed(4)
    convert(bundles.residual(), folder / "residual", **ctc)
    return folder


NAMES = ["loop", "ctc", "strided", "residual"]


def streamed(recognizer, pieces):
    stream, words = recognizer.stream(), []
    for pcm in pieces:
        words += stream.push(pcm)
    return words + stream.finish(), stream.transcript


@pytest.mark.parametrize("name", NAMES)
def test_words_are_the_same_however_the_samples_are_cut(name, made):
    recognizer = Recognizer.load(made / name)
    for pcm in (LONG, LONG[:5000], LONG[:201], LONG[:199], LONG[:0]):
        whole = recognizer.transcribe(pcm)
        cuts = np.sort(np.random.default_rng(1).integers(0, len(pcm) + 1, 40))
        cut = [np.split(pcm, cuts), np.array_split(pcm, 7)]
        for pieces in cut + [list(pcm[:, None])] * (len(pcm) <= 5000):
            words, transcript = streamed(recognizer, pieces)
            assert words == list(transcript.words) == list(whole.words)
            assert transcript.delays_ms == whole.delays_ms
            assert transcript.audio_s == whole.audio_s
    assert len(recognizer.transcribe(LONG).words) >= 5


@pytest.mark.parametrize("name", ["loop", "ctc", "strided"])
def test_words_are_those_of_the_logits_of_the_whole(name, made):
    """Features and search of the device, once, with its logits or TensorFlow Lite's."""
    bundle, recognizer = load_bundle(made / name), Recognizer.load(made / name)
    in_tflite = Recognizer.load(made / name, engine="tflite")
    device = bundle.recognizer
    for pcm in (LONG, *bundles.recordings(3)):
        quantized = device.network.quantized(device.features(pcm))
        windows = context_windows(quantized, device.network.field)
        expected = device.decode([bundle.student.integer_logits(windows)])[0]
        assert list(in_tflite.transcribe(pcm).words) == expected
        assert list(recognizer.transcribe(pcm).words) == device.recognize([pcm])[0]


def test_words_are_those_of_the_float_decoder(made):
    recognizer = Recognizer.load(made / "loop", engine="tflite")
    for pcm, features in zip(bundles.recordings(), bundles.features(), strict=True):
        logits = recognizer.student.predict([features])
        expected = bundles.DECODER(logits)[0]
        transcript = recognizer.transcribe(pcm)
        assert transcript.text.split() == expected
        assert str(transcript) == transcript.text


def test_a_student_that_the_c_code_refuses_is_recognised(made):
    bundle, recognizer = (
        load_bundle(made / "residual"),
        Recognizer.load(made / "residual"),
    )
    assert bundle.recognizer is None and recognizer.engine == "tflite"
    with pytest.raises(
        ValueError, match="with C code from PCM to words for engine='c'"
    ):
        Recognizer.load(made / "residual", engine="c")
    student, found = bundle.student, recognizer.transcribe(LONG).words
    features = bundles.features([LONG])[0]
    frames = quantized_features(features, *student.input_quantization)
    logits = student.integer_logits(context_windows(frames, student.receptive_field))
    assert [[word.text for word in found]] == GREEDY([logits])


@pytest.mark.skipif(not FSDD.is_dir(), reason="needs the recordings of shared/fsdd")
def test_files_of_recordings_are_recognised_as_a_stream_of_them(made):
    found = 0
    for name in ("loop", "ctc"):
        recognizer = Recognizer.load(made / name)
        for path in sorted(FSDD.glob("*_jackson_7.wav"))[:4]:
            pcm = np.frombuffer(path.read_bytes()[44:], "<i2").astype(np.int16)
            words, _ = streamed(recognizer, np.array_split(pcm, 50))
            assert tuple(words) == recognizer.transcribe(path).words
            found += len(words)
    assert found > 5


@pytest.mark.parametrize("name", NAMES)
def test_delays_tell_when_a_word_comes_out_of_the_stream(name, made):
    recognizer = Recognizer.load(made / name)
    stream, heard, words = recognizer.stream(), [], []
    for count in range(8, 24001, 8):  # a millisecond, of which a step holds ten
        new = stream.push(LONG[count - 8 : count])
        words += new
        heard += [count] * len(new)
    last = stream.finish()
    heard += [24000] * len(last)
    words += last
    delays = [n // 8 - word.end_ms for n, word in zip(heard, words, strict=True)]
    assert list(stream.transcript.delays_ms) == delays
    assert len(words) > len(last) and max(delays) > 0


def test_keywords_may_be_changed_while_a_stream_is_open(made):
    recognizer = Recognizer.load(made / "loop")
    every = recognizer.transcribe(LONG).words
    stream = recognizer.stream()
    recognizer.keywords = "down"
    found = stream.push(LONG[:34000])
    recognizer.keywords = None
    rest = stream.push(LONG[34000:]) + stream.finish()
    early = [w for w in every if w not in rest]
    assert found == [w for w in early if w.text == "down"]
    assert 0 < len(found) < len(early) and len(rest) > 0
    with pytest.raises(ValueError, match="`keywords`. Expected words of the decoder"):
        recognizer.keywords = ("up", "left")
    with pytest.raises(ValueError, match="`keywords`. Expected at least one word"):
        recognizer.keywords = ()
    assert recognizer.keywords is None


@pytest.mark.parametrize("name", ["loop", "ctc", "strided"])
def test_detections_are_the_words_of_the_device_and_tell_when_they_come(name, made):
    device = load_bundle(made / name).recognizer
    logits = device.logits(LONG)
    found = detections(device, logits, len(LONG), chunk=80)
    words = device.decode([logits])[0]
    assert [(d.text, d.start_ms, d.end_ms, d.confidence) for d in found] == [
        (w.text, w.start_ms, w.end_ms, w.confidence) for w in words
    ]
    late = [d.reported_ms - d.end_ms for d in found]
    most = 500 if device.is_word_loop else 75  # window, context, a frame
    assert len(found) >= 5 and min(late) > 0 and max(late) <= most + 10


def test_times_and_text(made):
    characters = Recognizer.load(made / "ctc")
    found = characters.transcribe(LONG)
    assert " " in {word.text for word in found.words}
    joined = "".join(word.text for word in found.words)
    assert found.text.split() == joined.split() and "  " not in found.text
    assert found.audio_s == len(LONG) / 8000
    assert found.real_time_factor == found.busy_s / found.audio_s > 0
    assert np.isnan(characters.transcribe(LONG[:0]).real_time_factor)
    for name in NAMES:
        words = Recognizer.load(made / name).transcribe(LONG).words
        times = [t for word in words for t in (word.start_ms, word.end_ms)]
        assert times == sorted(times) and times[-1] <= 1000 * found.audio_s


def test_the_latency_is_that_of_the_bundle(made):
    recognizer = Recognizer.load(made / "loop")
    latency = recognizer.latency
    assert dataclasses.astuple(latency) == (25.0, 20.0, 450.0)
    assert latency.context_ms == load_bundle(made / "loop").report["latency_ms"]
    assert str(latency) == (
        "45 ms (25 ms window + 20 ms right context), and the decoder's, 450 ms at most"
    )
    assert dataclasses.astuple(Recognizer.load(made / "ctc").latency)[2] == 10.0
    latency = Recognizer.load(made / "strided").latency
    assert dataclasses.astuple(latency) == (25.0, 30.0, 440.0)


def test_files_and_arrays_give_the_same_words(made, tmp_path):
    recognizer, pcm = Recognizer.load(made / "loop"), LONG[:20000]
    expected = recognizer.transcribe(pcm).words
    write_wav(tmp_path / "a.wav", pcm / 32768, 8000)
    for audio in (pcm / np.float32(32768), tmp_path / "a.wav", str(tmp_path / "a.wav")):
        assert recognizer.transcribe(audio).words == expected


def test_files_of_another_rate_are_resampled(made, tmp_path):
    soxr = pytest.importorskip("soxr", reason="needs the extra `audio`")
    recognizer = Recognizer.load(made / "loop")
    twice = soxr.resample(LONG[:20000] / 32768, 8000, 16000)
    write_wav(tmp_path / "a.wav", twice, 16000)
    assert recognizer.transcribe(tmp_path / "a.wav").audio_s == 2.5


def test_two_streams_do_not_disturb_each_other(made):
    recognizer = Recognizer.load(made / "loop")
    one, two = recognizer.stream(), recognizer.stream()
    words = []
    for a, b in zip(np.split(LONG, 60), np.split(LONG[::-1], 60), strict=True):
        words += one.push(a)
        two.push(b)
    assert (*words, *one.finish()) == recognizer.transcribe(LONG).words


def test_a_stream_ends_once(made):
    stream = Recognizer.load(made / "loop").stream()
    stream.finish()
    for call in (stream.finish, lambda: stream.push(LONG)):
        with pytest.raises(ValueError, match="ended. Call `recognizer.stream\\(\\)`"):
            call()


def test_bundles_without_features_or_decoder_are_refused(tmp_path):
    data = bundles.features()
    parts = ({}, {"feature_spec": bundles.SPEC}, {"decode": bundles.DECODER})
    for number, given in enumerate(parts):
        folder = tmp_path / str(number)
        convert(bundles.student(), folder, data, **given)
        with pytest.raises(ValueError) as error:
            Recognizer.load(folder)
        assert str(error.value) == (
            "Invalid value for `directory`. Expected a bundle with a feature "
            f"specification and a decoder. Received: directory={str(folder)!r}. "
            "Convert the student with both: `feature_spec` and `decode` of `convert`, "
            "or --features and --decoder of `rnn2dnn convert`"
        )


def test_a_damaged_bundle_is_refused(made, tmp_path):
    copy = shutil.copytree(made / "loop", tmp_path / "bundle")
    (copy / "student.tflite").write_bytes(b"TFL3")
    with pytest.raises(ValueError, match="'student.tflite' in .* was changed"):
        Recognizer.load(copy)
    (copy / "report.json").unlink()
    with pytest.raises(FileNotFoundError, match="No bundle in"):
        Recognizer.load(copy)


def test_int16_students_are_refused(tmp_path):
    parts = {"feature_spec": bundles.SPEC, "decode": bundles.DECODER}
    data = bundles.features()
    convert(bundles.student(), tmp_path, data, activations="int16", **parts)
    with pytest.raises(ValueError, match="Expected int8 logits. Received: .*'int16'"):
        Recognizer.load(tmp_path)


MISFITS = {
    "bins": (
        {
            "spec": dataclasses.replace(
                bundles.SPEC, num_bins=9, mean=None, variance=None
            )
        },
        "`spec`. Expected features of 8 bins. Received: spec='9 bins'",
    ),
    "cepstra": (
        {
            "spec": dataclasses.replace(
                bundles.MFCC, num_cepstra=10, mean=None, variance=None
            )
        },
        "`spec`. Expected features of 8 cepstra. Received: spec='10 cepstra'",
    ),
    "future": (
        {"spec": dataclasses.replace(bundles.SPEC, centering="utterance")},
        "`feature_spec`. Expected features without future",
    ),
    "states": (
        {"decoder": WordLoopDecoder(Topology("a b", 3))},
        "`decode`. Expected a decoder of 5 states",
    ),
    "bigram": (
        {"decoder": dataclasses.replace(bundles.DECODER, bigram=np.zeros((3, 2)))},
        "`decode`. Expected a word loop without a bigram",
    ),
    "function": (
        {"decoder": len},
        "`decoder`. Expected a WordLoopDecoder, a GreedyDecoder or a KeywordSpotter. "
        "Received: decoder='builtin_function_or_method'",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_parts_that_do_not_fit_are_refused(name, made):
    change, message = MISFITS[name]
    student = load_bundle(made / "loop").student
    given = {"spec": bundles.SPEC, "decoder": bundles.DECODER, **change}
    with pytest.raises(ValueError) as error:
        Recognizer(student, **given)
    assert str(error.value).startswith(f"Invalid value for {message}")


def test_files_that_cannot_be_decoded_are_named(made, tmp_path):
    recognizer = Recognizer.load(made / "loop")
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match="audio file '.*a.wav': it is neither WAV"):
        recognizer.transcribe(tmp_path / "a.wav")
    with pytest.raises(FileNotFoundError):
        recognizer.transcribe(tmp_path / "b.wav")
    with pytest.raises(ValueError, match="`pcm`. Expected int16, or floats"):
        recognizer.transcribe(LONG.astype(np.int32))


@pytest.mark.parametrize("classes", [201, 3400])
def test_many_classes_are_recognised_as_the_device_does(classes):
    words = (classes - 1) // 5 if classes == 201 else classes - 1
    topology = Topology([f"w{n}" for n in range(words)], (classes - 1) // words)
    model = keras.Sequential(
        [keras.Input((None, bundles.BINS)), keras.layers.Dense(classes)]
    )
    model.layers[0].set_weights([w * 20 for w in model.layers[0].get_weights()])
    window, field = window_model(model)
    features = np.concatenate(bundles.features())
    student = Int8Student.load(
        quantize(window, context_windows(features, field)), field
    )
    quantized = device_features(LONG, bundles.SPEC)
    quantized = quantized_features(quantized, *student.input_quantization)
    logits = student.integer_logits(context_windows(quantized, field))
    loop = WordLoopDecoder(topology, insertion_penalty=-1.0)
    labels = GreedyDecoder([f"w{n}" for n in range(classes)])
    history = Recognizer(student, bundles.SPEC, loop).limits.history
    tables = word_loop_tables(loop, student.output_quantization[0], history)
    (by_loop,) = search(tables, [logits])
    by_labels = best_path(logits, 0)
    assert len(by_loop) > 3 and len(by_labels) > 3
    for decoder, expected in ((loop, by_loop), (labels, by_labels)):
        recognizer = Recognizer(student, bundles.SPEC, decoder)
        found, transcript = streamed(recognizer, np.array_split(LONG, 7))
        assert [word.index for word in found] == [word[0] for word in expected]
        assert recognizer.transcribe(LONG).words == transcript.words
