import configparser
import re
import shlex
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
