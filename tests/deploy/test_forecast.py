"""What `convert` will say, before the training."""

import json
import logging

import keras
import numpy as np
import pytest
from helpers.bundles import BINS, features, student
from helpers.clips import clips, ds_cnn, row
from helpers.plain_models import plain_teacher

from keras_rnn2dnn import Distiller, convert, dnn_student, ds_cnn_student, rnn_teacher
from keras_rnn2dnn.deploy import bundle, forecast

L = keras.layers


def test_a_forecast_is_near_what_a_conversion_finds(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "measure_cores", lambda *arguments: None)
    for number, (made, given) in enumerate(
        [(ds_cnn(), clips(80)), (student(), features())]
    ):
        found = forecast(made)
        report = convert(made, tmp_path / str(number), given)
        assert found.bytes == pytest.approx(report.bytes, rel=0.02)
        assert found.context == report.context
        assert (found.c, found.refused) == (True, None)
    assert found.products == report.multiply_accumulates


def test_the_small_keyword_model_is_as_large_as_measured():
    """Counted in QEMU: 12.1, 5.5 and 2.5 million instructions."""
    found = forecast(ds_cnn_student(10, 12))
    assert found.products == 2_656_768
    assert found.ram_bytes == 8832 + 490
    counted = {"m3": 12.07e6, "m4": 5.54e6, "m55": 2.46e6}
    assert found.instructions == pytest.approx(counted, rel=0.15)
    lines = dict(line.split(None, 1) for line in str(found).splitlines())
    assert lines["window"] == "49 frames, a whole clip"
    assert lines["products"] == "2,656,768 per clip"
    assert lines["RAM"] == "9,322 bytes of the network"
    million = found.instructions["m4"] / 1e5  # ten windows a second
    text = f"instructions per clip, {million:.1f} million a second every 100 ms"
    assert lines["Cortex-M4F"].endswith(text)


def test_the_instructions_of_a_frame_are_near_those_counted():
    """Counted in QEMU, of the newest frame of each layer alone."""
    found = forecast(dnn_student(24, 201, units=(128, 128, 128)))
    counted = {"m3": 377_698, "m4": 271_200, "m55": 36_921}
    assert found.instructions == pytest.approx(counted, rel=0.15)


def test_what_the_c_code_lacks_is_named():
    found = forecast(row(L.Conv1D(4, 3), L.LeakyReLU()))
    assert (found.c, found.ram_bytes, found.instructions) == (False, None, None)
    assert "the operator LEAKY_RELU" in found.refused
    assert "C code    no. The C code of the bundle" in str(found)


def test_the_command_tells_it(tmp_path, run):
    ds_cnn().save(tmp_path / "student.keras")
    code, output, _ = run("check", tmp_path / "student.keras", "--json")
    assert code == 0
    assert json.loads(output)["context"]["window"] == 12
    row(L.Conv1D(4, 3), L.LeakyReLU(), frames=None).save(tmp_path / "open.keras")
    code, output, _ = run("check", tmp_path / "open.keras", "--frames", "12")
    assert (code, "LEAKY_RELU" in output) == (1, True)
    rnn_teacher(4, 3, units=(2,)).save(tmp_path / "rnn.keras")
    code, _, error = run("check", tmp_path / "rnn.keras")
    assert code == 2
    assert "bidirectional_1 (Bidirectional)" in error


def test_fit_warns_once_of_a_layer_that_convert_will_refuse(caplog):
    inputs = keras.Input((None, BINS))
    own = keras.Model(inputs, L.Dense(3)(L.Dense(4, "gelu", name="wide")(inputs)))
    distiller = Distiller(plain_teacher(BINS, 3), own)
    distiller.compile()
    x = np.random.default_rng(0).normal(size=(4, 5, BINS)).astype("float32")
    with caplog.at_level(logging.WARNING, logger="keras_rnn2dnn"):
        distiller.fit(x, verbose=0)
        distiller.fit(x, verbose=0)
    (said,) = [r.getMessage() for r in caplog.records if "convert" in r.getMessage()]
    assert said.startswith("This student can be trained, but `convert` says: Invalid")
    assert "wide (Dense)" in said and "Its activation is gelu" in said


def test_fit_says_nothing_of_a_student_that_converts(caplog):
    distiller = Distiller(plain_teacher(BINS, 5), student())
    distiller.compile()
    x = np.random.default_rng(0).normal(size=(4, 5, BINS)).astype("float32")
    with caplog.at_level(logging.WARNING, logger="keras_rnn2dnn"):
        distiller.fit(x, verbose=0)
    # TensorFlow may speak of other tests' models, which were traced in this process.
    assert not [r for r in caplog.records if r.name.startswith("keras_rnn2dnn")]
