"""The version is the same wherever it is named."""

import configparser
import re
from pathlib import Path

import keras_rnn2dnn

ROOT = Path(__file__).parents[1]


def test_the_version_is_the_same_wherever_it_is_named():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert config["metadata"]["version"] == "attr: keras_rnn2dnn.__version__"
    cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.M)
    assert cited[1] == keras_rnn2dnn.__version__
    changes = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## (.*)$", changes, re.MULTILINE)
    released = [heading for heading in headings if heading != "Unreleased"]
    assert released[0] == keras_rnn2dnn.__version__
