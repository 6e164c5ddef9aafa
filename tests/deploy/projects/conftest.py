import numpy as np
import pytest
from helpers.bundles import SPEC, features, parts, student

from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.deploy import convert, write_project

LABELS = ("", 'say "up"', "البيت", "%s", "recognizer_push")


@pytest.fixture(scope="session")
def kitchen(tmp_path_factory):
    """A bundle with CTC, a prefix, and labels that are hard to write."""
    folder = tmp_path_factory.mktemp("kitchen") / "bundle"
    given = {"feature_spec": SPEC, "recordings": parts()["recordings"]}
    decode = GreedyDecoder(LABELS)
    convert(student(1), folder, features(), decode=decode, prefix="kitchen", **given)
    return folder


@pytest.fixture(scope="session")
def project_of(written, kitchen, spotter, tmp_path_factory):
    """Returns the project of a kind, by the name of a bundle; nobody may change it."""
    bundles = {"written": written, "kitchen": kitchen, "spotter": spotter}
    folder, made = tmp_path_factory.mktemp("projects"), {}

    def project(name, kind):
        if (name, kind) not in made:
            out = folder / name / kind
            made[name, kind] = write_project(bundles[name], kind, out)
        return made[name, kind]

    return project


@pytest.fixture(scope="session")
def sound():
    """Recordings, one after the other, at 8 kHz; then silence, which ends the words."""
    silence = np.random.default_rng(0).integers(-3, 4, 12_000)
    return np.concatenate([*parts()["recordings"], silence]).astype(np.int16)
