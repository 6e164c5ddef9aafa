"""align -> distill -> convert from the shell, on real recordings."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_rnn2dnn import LogMel, SoftAlignments, rnn_teacher
from keras_rnn2dnn.audio.corpora.recordings import read_fsdd
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.batches.bucketing import bucketed_dataset
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.deploy import Int8Student

FSDD = Path(__file__).parents[3] / "shared" / "fsdd" / "recordings"
SPEC = FeatureSpec(8000, num_bins=24, centering="utterance")


def features_of(recordings):
    layer = LogMel.from_spec(SPEC)
    return [layer(r.samples[None]).numpy()[0] for r in recordings]


def accuracy(logits, digits):
    return np.mean(
        [z.mean(0).argmax() == d for z, d in zip(logits, digits, strict=True)]
    )


def digits_of(recordings):
    words = sorted({r.words for r in recordings})
    return [words.index(r.words) for r in recordings]


def trained_teacher(recordings):
    keras.utils.set_random_seed(0)
    teacher = rnn_teacher(24, 10, units=(32,), cell="gru")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    teacher.compile(keras.optimizers.Adam(5e-3), loss=loss)
    pairs = zip(features_of(recordings), digits_of(recordings), strict=True)
    data = [[(x, np.full(len(x), digit)) for x, digit in pairs]]
    batches = bucketed_dataset(data, 16, [32, 64, 128, 256], seed=0)
    teacher.fit(batches, epochs=6, shuffle=False, verbose=0)
    return teacher


def rnn2dnn(*arguments):
    command = [Path(sys.executable).with_name("rnn2dnn"), *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.slow
@pytest.mark.skipif(not FSDD.is_dir(), reason="needs FSDD in ../shared/fsdd")
def test_the_chain_on_recordings_from_the_shell(tmp_path):
    recordings = read_fsdd(FSDD)
    train = [r for r in recordings if 5 <= r.index < 15]
    test = [r for r in recordings if r.index < 5]
    teacher = trained_teacher(train)
    teacher.save(tmp_path / "teacher.keras")
    (tmp_path / "audio").mkdir()
    for path in FSDD.glob("*.wav"):
        if 5 <= int(path.stem.split("_")[-1]) < 15:
            (tmp_path / "audio" / path.name).symlink_to(path)
    (tmp_path / "spec.json").write_text(json.dumps(SPEC.to_dict()))
    store, student = tmp_path / "train.align", tmp_path / "student.keras"

    align = ("align", tmp_path / "teacher.keras", tmp_path / "audio", "--out", store)
    said = rnn2dnn(*align, "--features", tmp_path / "spec.json")
    assert said.startswith(f"{len(train)} utterances, ")
    assert rnn2dnn("align", "--verify", store).startswith(f"{store}: whole. ")
    rnn2dnn("distill", store, "--units", "48,48", "--epochs", "8", "--out", student)
    bundle = tmp_path / "bundle"
    rnn2dnn("convert", student, "--calibration", store, "--out", bundle)

    aligned = next(SoftAlignments(store).utterances())
    expected = teacher(aligned.features[None])[0]
    expected -= np.log(np.exp(expected).sum(-1, keepdims=True))
    np.testing.assert_allclose(aligned.soft, expected, atol=0.02)  # float16
    heard, digits = features_of(test), digits_of(test)
    of_teacher = accuracy(predict_utterances(teacher, heard), digits)
    loaded = keras.models.load_model(student)
    of_student = accuracy(predict_utterances(loaded, heard), digits)
    of_int8 = accuracy(Int8Student.load(bundle).predict(heard), digits)
    assert of_teacher > 0.7
    assert of_student > 0.7
    assert abs(of_int8 - of_student) <= 0.03
