"""What the code of each page finds: small models, data and files."""

import json
import wave
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import spotters

from keras_rnn2dnn import (
    Distiller,
    Recognizer,
    SoftAlignments,
    convert,
    dnn_student,
    hmm,
    rnn_teacher,
)
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.ctc import GreedyDecoder


def _features(utterances=24, frames=40, size=40, seed=0):
    shape = (utterances, frames, size)
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def readme():
    rnn_teacher(40, 51, units=(8,)).save("teacher.keras")
    return {"features": _features(), "development_features": _features(2)}


def audio():
    soundfile = pytest.importorskip("soundfile", reason="needs the extra `audio`")
    folder = Path("LibriSpeech/train-clean-100/103/1240")
    folder.mkdir(parents=True)
    lines = ""
    for name in ("103-1240-0000", "103-1240-0001"):
        noise = np.random.default_rng(0).normal(0, 0.1, 8000)
        soundfile.write(folder / f"{name}.flac", noise, 16000)
        lines += f"{name} CHAPTER ONE\n"
    (folder / "103-1240.trans.txt").write_text(lines)
    for word in ("left", "right", "turn around", "stop"):
        Path("commands", word).mkdir(parents=True)
        for speaker in ("ann", "ben", "eve"):
            noise = np.random.default_rng(0).normal(0, 0.1, 800)
            soundfile.write(f"commands/{word}/{speaker}_1.flac", noise, 8000)
    return {}


def after_audio(namespace):
    assert namespace["split"].by_speaker
    assert len(namespace["split"].other_speech) == 1


def ctc():
    letters = "abc"
    model = keras.Sequential(
        [
            keras.Input((None, 13)),
            keras.layers.Conv1D(16, 5, strides=4, padding="same"),
            keras.layers.GRU(8, return_sequences=True),
            keras.layers.Dense(len(letters) + 1),
        ]
    )
    return {
        "model": model,
        "BLANK": len(letters),
        "encode": lambda text: [letters.index(c) for c in text],
        "x": _features(80, size=13),
        "texts": ["abc", "ca"] * 40,
    }


def kaldi():
    pytest.importorskip("kaldiio", reason="needs the extra `kaldi`")
    from keras_rnn2dnn import kaldi

    names, rng = [f"ann-{n}" for n in range(6)], np.random.default_rng(0)
    spoken = [kaldi.KaldiUtterance(n, rng.normal(size=(20, 40))) for n in names]
    kaldi.write_directory("data/train", spoken)
    labels = [rng.integers(0, 60, 20, dtype="int32") for _ in names]
    kaldi.write_archive("pdf.ark", zip(names, labels, strict=True))
    scores = [np.log(rng.dirichlet(np.ones(60), 20)) for _ in names]
    kaldi.write_archive("post.ark", zip(names, scores, strict=True))
    return {"student": dnn_student(40, 60, units=(8,))}


def quantisation():
    x = _features(size=12)
    teacher = rnn_teacher(12, 6, units=(8,))
    return {
        "features": x,
        "student": dnn_student(12, 6, context=(3, 2), units=(8,)),
        "store": SoftAlignments.write("train.align", teacher, x),
    }


def after_start(names):
    """The student of the page is about as good as its teacher, on 5,000 frames."""
    wrong = {}
    for name in ("teacher", "student"):
        found = names[name].predict(names["test_features"], verbose=0).argmax(-1)
        wrong[name] = (found != names["test_labels"]).mean()
    assert wrong["teacher"] < 0.25
    assert wrong["student"] < wrong["teacher"] + 0.05
    assert Path("bundle/student.tflite").is_file()


def your_model():
    x, rng = _features(), np.random.default_rng(1)
    rnn_teacher(40, 51, units=(8,)).save("teacher.keras")
    softmax = [keras.Input((None, 40)), keras.layers.Dense(51, "softmax")]
    slow = [
        keras.Input((None, 40)),
        keras.layers.Conv1D(51, 3, strides=2, padding="same"),
    ]
    return {
        "features": x,
        "noisy_features": x + rng.normal(size=x.shape).astype("float32"),
        "development_features": _features(2, seed=1),
        "labels": rng.integers(0, 51, x.shape[:2]),
        "lengths": [20, 40] * 12,
        "second_teacher": rnn_teacher(40, 51, units=(4,)),
        "slow_teacher": keras.Sequential(slow),
        "teacher_with_softmax": keras.Sequential(softmax),
    }


def after_your_model(names):
    assert names["own_student"].output_shape == (None, None, 51)
    assert names["again"].student.count_params() == names["student"].count_params()


def recognizer():
    student = keras.Sequential([keras.Input((None, 8)), keras.layers.Dense(2)])
    student.layers[0].set_weights([np.zeros((8, 2)), np.array([0.0, 1.0])])
    spec, decoder = FeatureSpec(8000, num_bins=8), GreedyDecoder(("", "yes"))
    features = _features(20, 50, 8)
    convert(student, "bundle", features, feature_spec=spec, decode=decoder)
    with wave.open("yes.wav", "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))
    return {"microphone": [np.zeros(1000, np.int16)] * 4}


def small_computer():
    recognizer()
    Path("yes.wav").rename("recording.wav")
    return {}


def after_small_computer(names):
    assert names["recognizer"].engine == "numpy"


def after_recognizer(names):
    assert names["transcript"].text == "yes"
    assert names["stream"].transcript.text == "yes"


def _pair(size=40, classes=51):
    student = dnn_student(size, classes, context=(3, 2), units=(8,))
    return {"teacher": rnn_teacher(size, classes, units=(8,)), "student": student}


def firmware():
    pcm = spotters.tones()
    return {
        "student": spotters.student(),
        "clips": spotters.clips(pcm),
        "spec": spotters.SPEC,
        "pcm": pcm[:4],
    }


def after_firmware(names):
    assert Recognizer.load("bundle").labels == names["spotter"].labels


def numbers():
    names = _pair() | {"development_features": _features(2, seed=1)}
    names["distiller"] = Distiller(names["teacher"], names["student"])
    return names | {"features": _features()}


def soft_alignments():
    names = _pair(12, 5) | {"features": _features(size=12)}
    names["unlabelled"] = _features(6, size=12, seed=3)
    names["alignments"] = [np.arange(40) % 5]
    topology = hmm.Topology(("no", "yes"), states_per_unit=2)
    decoder = hmm.WordLoopDecoder(topology, np.zeros(5)).to_dict()
    Path("decoder.json").write_text(json.dumps(decoder))
    return names | {"transcripts": ["yes no", "no"] * 12}


def after_soft_alignments(names):
    assert names["small"].top_k == 2
    assert names["store"].num_classes == names["topology"].num_states
    assert names["merged"].num_frames == names["store"].num_frames


def migrating():
    names = _pair()
    labels = np.random.default_rng(2).integers(0, 51, (24, 40))
    return names | {"features": _features(), "labels": labels}


def after_migrating(names):
    """What the table says of Keras, and of us."""
    with_name = keras.distillation.LogitsDistillation(temperature=2.0)
    outputs = names["z_teacher"], names["z_student"]
    if keras.__version__.startswith("3.15"):
        assert float(with_name.compute_loss(*outputs)) > 1.5 * names["same"]
    losses = {"student_loss", "distillation_loss", "total_loss"}
    assert losses <= set(names["history_of_keras"].history)
    assert set(names["history"].history) == {"loss", "kl", "agreement", "hard_loss"}
