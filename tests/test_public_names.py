"""The names of the package: all of them are there, and are imported on first use."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import keras_rnn2dnn

PACKAGE = Path(keras_rnn2dnn.__file__).parent
MODULES = [m.name for m in pkgutil.iter_modules(keras_rnn2dnn.__path__)]
MODULES.remove("__main__")  # for `python -m`
LAZY = ["audio.corpora", "batches", "ctc", "deploy", "hmm", "quantization", "scoring"]
LIGHT = """
import sys
import keras_rnn2dnn
assert {*keras_rnn2dnn.__all__, "hmm", "__version__"} <= set(dir(keras_rnn2dnn))
print(*sorted({"tensorflow", "keras", "numpy"} & set(sys.modules)))
keras_rnn2dnn.Distillr
"""


def test_nothing_slow_is_imported_and_a_wrong_name_is_corrected():
    line = [sys.executable, "-c", LIGHT]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.stdout == "\n"
    assert done.stderr.splitlines()[-1] == (
        "AttributeError: module 'keras_rnn2dnn' has no attribute 'Distillr'. "
        "Did you mean: 'Distiller'?"
    )


def test_all_names_come_with_a_star():
    names = {}
    exec("from keras_rnn2dnn import *", names)
    assert set(keras_rnn2dnn.__all__) <= set(names)
    for name in keras_rnn2dnn.__all__:
        assert names[name].__name__ == name
        assert names[name] is getattr(keras_rnn2dnn, name)


@pytest.mark.parametrize("package", ["", *LAZY])
def test_type_checkers_see_the_names_where_they_are(package):
    path = PACKAGE.joinpath(*package.split("."), "__init__.py")
    tree = ast.parse(path.read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    places = {
        alias.name: statement.module.removeprefix("keras_rnn2dnn.")
        for statement in block.body
        for alias in statement.names
    }
    name = f"keras_rnn2dnn.{package}".rstrip(".")
    module = importlib.import_module(name)
    assert places == module._PLACES
    assert sorted(places) == module.__all__
    for name in places:
        assert getattr(module, name).__name__ == name
    assert {*places, "__doc__"} <= set(dir(module))


def test_a_name_is_not_hidden_by_the_module_that_has_it():
    from keras_rnn2dnn.deploy import convert, forecast, verify

    for function in (convert, forecast, verify):
        assert callable(function)
        module = sys.modules[f"keras_rnn2dnn.deploy.{function.__name__}"]
        setattr(keras_rnn2dnn.deploy, function.__name__, module)  # as its import does
        assert getattr(keras_rnn2dnn.deploy, function.__name__) is function
    assert keras_rnn2dnn.deploy.bundle.Firmware  # a module that has no name of its own


@pytest.mark.parametrize("name", MODULES)
def test_packages_are_imported_as_attributes(name):
    assert getattr(keras_rnn2dnn, name).__name__ == f"keras_rnn2dnn.{name}"


@pytest.mark.parametrize("name", ["no_such_name", "_hidden", "__wrapped__"])
def test_what_does_not_exist_is_no_attribute(name):
    text = f"module 'keras_rnn2dnn' has no attribute '{name}'"
    with pytest.raises(AttributeError, match=text) as error:
        getattr(keras_rnn2dnn, name)
    assert (error.value.name, error.value.obj) == (name, keras_rnn2dnn)


def test_the_docstring_lists_every_name_and_pages_that_exist():
    text = keras_rnn2dnn.__doc__
    listed = {
        name
        for line in text.splitlines()
        if line.startswith("- ")
        for name in re.findall(r"`(\w+)`", line.partition(":")[0])
    }
    assert listed == {*keras_rnn2dnn.__all__, *MODULES}
    for page in re.findall(r"docs/\w+\.md", text):
        assert (PACKAGE.parent / page).is_file(), page
