import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers import chromium, spotters
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
def spotter_page(spotter, tmp_path_factory):
    """The page that most tests look at."""
    if not is_installed():
        pytest.skip("needs the extra `web`, or clang and wasm-ld: apt install lld")
    return write_page(spotter, tmp_path_factory.mktemp("pages") / "spotter.html")


@pytest.fixture(scope="session")
def pages(spotter_page, word_loop, labels, earlier):
    """The page of each bundle, by the name of its fixture."""
    bundles = {"word_loop": word_loop, "labels": labels, "earlier": earlier}
    written = {
        name: write_page(bundle, spotter_page.with_name(f"{name}.html"))
        for name, bundle in bundles.items()
    }
    return {"spotter": spotter_page, **written}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """The file that the microphone hears, again and again: two tones at first.

    It is read when a page begins to listen, so that a test may write another one.
    """
    path = tmp_path_factory.mktemp("said") / "said.wav"
    low, high, _, silence = spotters.tones(4, seed=9)
    parts = [silence, silence, low, low, silence, silence, high, high]
    spotters.save(path, np.concatenate(parts))
    return path


@pytest.fixture(scope="module")
def browser(said):
    """A browser with that microphone, for pages that have the permission."""
    options = (
        "use-fake-device-for-media-stream",
        f"use-file-for-fake-audio-capture={said}",
    )
    with chromium.launched(*(f"--{option}" for option in options)) as browser:
        yield browser


@pytest.fixture
def shown(browser, spotter_page, request):
    """Opens the page of a bundle, to be closed in the end."""

    def shown(kind="spotter", place="", before=None, **options):
        path = spotter_page
        if kind != "spotter":
            path = request.getfixturevalue("pages")[kind]
        opened = chromium.listened(browser.new_page(**options))
        request.addfinalizer(opened.close)
        if before:
            opened.add_init_script(before)
        opened.goto(path.as_uri() + place)
        opened.wait_for_selector("#recording option", state="attached")
        return opened

    return shown
