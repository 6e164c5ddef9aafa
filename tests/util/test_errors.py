import configparser
import re
import shlex
import sys
from pathlib import Path

import pytest

from keras_rnn2dnn.util import errors

PACKAGES = configparser.ConfigParser()
PACKAGES.read(Path(__file__).parents[2] / "setup.cfg")
EXTRAS = PACKAGES["options.extras_require"]


def name(requirement):
    return re.match(r"[\w.-]*", requirement)[0]


@pytest.mark.parametrize("extra", errors._PACKAGES)
def test_the_pip_line_names_packages_of_the_extra(extra):
    first, second, *packages = shlex.split(errors.pip_line(extra))
    lines = EXTRAS[extra].split()
    assert [first, second] == ["pip", "install"] and packages
    assert {name(package) for package in packages} <= set(map(name, lines))


def test_a_missing_package_is_named_with_the_line_that_installs_it():
    with pytest.raises(ImportError) as error:
        errors.import_extra("no_such_module", "audio", "Hearing")
    assert str(error.value) == (
        "Hearing needs the package `no_such_module`. Install it with: "
        "pip install soundfile soxr"
    )


def test_what_the_small_distribution_leaves_out_is_named(monkeypatch):
    def needs(name):
        with errors.without_tensorflow("Training"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(ImportError) as error:
        needs("keras.saving")
    assert str(error.value) == (
        "Training needs `keras`, which keras-rnn2dnn-lite leaves out. Install it with: "
        "pip install 'tensorflow>=2.17' 'keras>=3.12' 'jiwer>=4.0'"
    )
    for other in ("tensorflow.no_such_part", "no_such_module", None):
        with pytest.raises(ModuleNotFoundError, match="No module named") as error:
            needs(other)
        assert error.value.name == other
