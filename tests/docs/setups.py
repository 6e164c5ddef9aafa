"""What the code of each page finds: small models, data and files."""

from pathlib import Path

import keras
import numpy as np
import pytest

from keras_rnn2dnn import SoftAlignments, dnn_student, rnn_teacher


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
    return {}


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
