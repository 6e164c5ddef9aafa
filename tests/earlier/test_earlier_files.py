"""What version 0.1 wrote is read: models, a store and a bundle.

`version_0_1.zip` was written by the code of that version, with `expected.npz`, what the
models gave.
"""

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_rnn2dnn
from keras_rnn2dnn import SoftAlignments
from keras_rnn2dnn.deploy import golden, load_bundle
from keras_rnn2dnn.hmm.reporting import EARLIER

FILES = Path(__file__).with_name("version_0_1.zip")


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier")
    with zipfile.ZipFile(FILES) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def expected(earlier):
    return np.load(earlier / "expected.npz")


def test_a_student_is_loaded(earlier, expected):
    assert keras_rnn2dnn.__version__  # what registers the layers
    student = keras.saving.load_model(earlier / "student.keras")
    found = student(expected["x"])
    np.testing.assert_allclose(found, expected["student"], atol=1e-4)


def test_a_distiller_is_loaded_with_its_teacher_and_goes_on(earlier, expected):
    distiller = keras.saving.load_model(earlier / "distiller.keras")
    assert isinstance(distiller, keras_rnn2dnn.Distiller)
    found = distiller.teacher(expected["x"])
    np.testing.assert_allclose(found, expected["teacher"], atol=1e-4)
    steps = int(distiller.optimizer.iterations)
    distiller.fit(expected["x"], verbose=0)
    assert int(distiller.optimizer.iterations) == steps + 1 > 1


def test_a_store_is_read(earlier, expected):
    store = SoftAlignments(earlier / "store")
    store.verify()
    utterances = [utterance.features for utterance in store.utterances()]
    np.testing.assert_array_equal(utterances[:3], expected["x"])


def test_a_bundle_is_read(earlier, expected):
    recognizer = load_bundle(earlier / "bundle").recognizer
    assert recognizer.words == ("up", "down")
    logits = recognizer.logits(np.zeros(8000, np.int16))
    assert logits.shape[-1] == expected["student"].shape[-1]


def test_a_bundle_reports_as_it_did(earlier):
    """Words and times of its golden files; no utterance is over before its end."""
    bundle = load_bundle(earlier / "bundle")
    assert bundle.recognizer.decoder.reporting == EARLIER
    recordings = golden.read_pcm(bundle.golden("recordings.pcm"))
    events = bundle.recognizer.hear(recordings)
    assert golden.event_bytes(events, EARLIER) == bundle.golden("words.u32")
    recognizer = keras_rnn2dnn.Recognizer.load(earlier / "bundle")
    found = recognizer.transcribe(np.concatenate(recordings))
    assert found.words and not found.utterances
    assert recognizer.latency.decoder_ms == 2000.0
