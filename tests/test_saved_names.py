"""Keras loads what was saved, without a class being named or imported by the user."""

import ast
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_rnn2dnn
from keras_rnn2dnn import SpliceFrames, saved_names

EARLIER = Path(__file__).parent / "earlier" / "version_0_1.zip"
LOAD = """
import {first}
import {second}
import sys
import keras
classes = [name for name in sys.modules if name.startswith("keras_rnn2dnn.models")]
assert not classes, classes
student = keras.saving.load_model("student.keras")
distiller = keras.saving.load_model("distiller.keras")
assert type(distiller) is keras_rnn2dnn.Distiller
names = [type(layer).__name__ for layer in student.layers]
loaded = keras.saving.get_registered_object("keras_rnn2dnn>SpliceFrames")
assert loaded is keras_rnn2dnn.SpliceFrames
print(*names)
"""


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("keras_rnn2dnn", "keras"),
        pytest.param("keras", "keras_rnn2dnn", marks=pytest.mark.slow),
    ],
)
def test_models_are_loaded_in_either_order_of_imports(first, second, tmp_path):
    with zipfile.ZipFile(EARLIER) as archive:
        archive.extractall(tmp_path)
    root = str(Path(keras_rnn2dnn.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", LOAD.format(first=first, second=second)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "SplicedDense" in done.stdout


def test_the_list_holds_every_class_that_is_saved():
    found = {}
    root = Path(keras_rnn2dnn.__file__).parent
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and any(
                "register_keras_serializable" in ast.unparse(decorator)
                for decorator in node.decorator_list
            ):
                parts = path.relative_to(root).with_suffix("").parts
                found[node.name] = ".".join(parts)
    assert found == saved_names.MODULES


def test_a_stand_in_does_what_its_class_does():
    place = {"__module__": SpliceFrames.__module__}
    stand_in = saved_names._StandIn("SpliceFrames", (), place)
    layer = stand_in(left=1, right=0)
    assert type(layer) is SpliceFrames
    assert type(stand_in.from_config(layer.get_config())) is SpliceFrames
    assert isinstance(layer, stand_in)
    assert issubclass(SpliceFrames, stand_in)
    assert not isinstance(keras.layers.Dense(1), stand_in)
    np.testing.assert_array_equal(layer(np.ones((1, 2, 1)))[0], [[1, 1], [1, 1]])


def test_what_is_registered_already_stays():
    name = "keras_rnn2dnn>SpliceFrames"
    saved_names.register()
    assert keras.saving.get_registered_object(name) is SpliceFrames
