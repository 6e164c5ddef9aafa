import os
import signal
import sys
import threading
import time
import types

import numpy as np
import pytest
from helpers import bundles

from keras_rnn2dnn import Recognizer

PCM = np.concatenate(bundles.recordings(4, seed=3))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return bundles.written(tmp_path_factory.mktemp("bundle"))


class PortAudioError(Exception):
    pass


class Microphone:
    """`sounddevice.InputStream` that hears `PCM`, then is unplugged or goes on."""

    goes_on = False
    opened = None

    def __init__(self, callback, finished_callback, **options):
        type(self).opened = options
        self.callback, self.finished = callback, finished_callback

    def __enter__(self):
        self.thread = threading.Thread(target=self.hear)
        self.thread.start()

    def __exit__(self, *_):
        self.thread.join()

    def hear(self):
        buffer = np.zeros((300, 1), np.int16)  # one and the same, as PortAudio's
        for number, piece in enumerate(np.split(PCM, 80)):
            buffer[:, 0] = piece
            status = "input overflow" if number == 3 else ""
            self.callback(buffer, 300, None, status)
        if self.goes_on:
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGINT)
        else:
            self.finished()


@pytest.fixture
def microphone(monkeypatch):
    """Puts a microphone in place of the one of the machine; returns its class."""
    kind = type("InputStream", (Microphone,), {})
    module = types.SimpleNamespace(InputStream=kind, PortAudioError=PortAudioError)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return kind


def test_words_of_a_microphone_until_it_is_unplugged(bundle, microphone, run):
    expected = Recognizer.load(bundle).transcribe(PCM)
    code, output, error = run("listen", bundle)
    assert (code, output) == (0, f"{expected.text}\n")
    assert "Listening at 8000 Hz, until Ctrl-C\n" in error
    assert "\n3.0 s of audio in " in error
    assert error.count("input overflow\n") == 1
    assert microphone.opened == {
        "samplerate": 8000,
        "blocksize": 320,
        "channels": 1,
        "dtype": "int16",
        "device": None,
    }
    assert len(expected.utterances) == 1
    _, output, _ = run("listen", bundle, "--times", "--device", "3")
    assert output.count("\n") == len(expected.words) + 1  # and an empty line
    assert microphone.opened["device"] == 3
    run("listen", bundle, "--device", "USB")
    assert microphone.opened["device"] == "USB"


def test_ctrl_c_ends_it_with_the_last_words(bundle, microphone, run):
    microphone.goes_on = True
    before = signal.getsignal(signal.SIGINT)
    code, output, error = run("listen", bundle)
    assert code == 0 and output.endswith("\n") and output.split()
    assert "real-time factor" in error and "Traceback" not in error
    assert signal.getsignal(signal.SIGINT) is before


def test_where_there_is_no_microphone(bundle, microphone, monkeypatch, run):
    def refuse(self, **options):
        raise PortAudioError("Error querying device -1")

    monkeypatch.setattr(microphone, "__init__", refuse)
    code, output, error = run("listen", bundle)
    assert (code, output) == (2, "")
    assert error == (
        "rnn2dnn listen: error: Cannot listen at 8000 Hz: Error querying device -1. "
        "Expected a microphone of that rate: see `python -m sounddevice`, and choose "
        "with --device\n"
    )


def test_where_the_extra_or_its_library_is_missing(monkeypatch, tmp_path, run):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    code, _, error = run("listen", "no bundle")  # told before it is loaded
    assert code == 2 and "pip install sounddevice" in error
    monkeypatch.delitem(sys.modules, "sounddevice")
    (tmp_path / "sounddevice.py").write_text("raise OSError('no PortAudio')")
    monkeypatch.syspath_prepend(tmp_path)
    code, _, error = run("listen", "no bundle")
    assert code == 2 and "needs PortAudio: no PortAudio. Install it, on" in error
    assert error.count("\n") == 1
