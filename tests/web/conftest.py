import zipfile
from pathlib import Path

import pytest
from helpers.bundles import SPEC, features, parts, student

from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.deploy import convert
from keras_rnn2dnn.web import is_installed, write_page

EARLIER = Path(__file__).parents[1] / "earlier" / "version_0_1.zip"
LABELS = ("", "</script>", "البيت", "NETWORK_INPUTS", " ")


@pytest.fixture(scope="session")
def word_loop(tmp_path_factory):
    """A bundle that nobody may change."""
    folder = tmp_path_factory.mktemp("loop") / "bundle"
    convert(student(), folder, **parts())
    return folder


@pytest.fixture(scope="session")
def labels(tmp_path_factory):
    """A bundle with CTC, a prefix, and labels that are hard to write."""
    folder = tmp_path_factory.mktemp("labels") / "a bundle"
    given = {"feature_spec": SPEC, "recordings": parts()["recordings"]}
    decode = GreedyDecoder(LABELS)
    convert(student(1), folder, features(), decode=decode, prefix="hall", **given)
    return folder


@pytest.fixture(scope="session")
def earlier(tmp_path_factory):
    """A bundle of version 0.1, whose words have no confidence."""
    folder = tmp_path_factory.mktemp("earlier")
    with zipfile.ZipFile(EARLIER) as archive:
        archive.extractall(folder)
    return folder / "bundle"


@pytest.fixture(scope="session")
def pages(word_loop, spotter, labels, earlier, tmp_path_factory):
    """The page of each bundle, by the name of its fixture."""
    if not is_installed():
        pytest.skip("needs the extra `web`, or clang and wasm-ld: apt install lld")
    folder = tmp_path_factory.mktemp("pages")
    bundles = {"word_loop": word_loop, "spotter": spotter, "labels": labels}
    bundles["earlier"] = earlier
    return {name: write_page(b, folder / f"{name}.html") for name, b in bundles.items()}
