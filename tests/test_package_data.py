"""A wheel holds every file of the package: setup.cfg names those that are no Python."""

import configparser
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "keras_rnn2dnn"
BUILT = {"__pycache__"}


def test_a_wheel_holds_what_is_no_python():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    patterns = setup["options.package_data"]["keras_rnn2dnn"].split()
    named = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    there = {
        path
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix != ".py" and not BUILT & set(path.parts)
    }
    assert there and there == {path for path in named if path.is_file()}
