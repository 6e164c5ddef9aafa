"""What a bundle reports of a day: the words of the C code, with their times."""

import dataclasses
import shutil

import numpy as np
import pytest
from helpers import spotters
from helpers.bundles import recordings, written

from benchmarks.day.hearing import detections
from keras_rnn2dnn.audio.streams.day import Block
from keras_rnn2dnn.deploy import load_bundle
from keras_rnn2dnn.deploy.toolchain import Workbench
from keras_rnn2dnn.scoring.detections import reported


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    if not (shutil.which("make") and shutil.which("cc")):
        pytest.skip("make and a C compiler are not there")
    return written(tmp_path_factory.mktemp("day") / "bundle")


BLOCKS = [Block("quiet", np.tile(pcm, 4), []) for pcm in recordings(2)]


def test_words_and_times_are_those_of_the_device(folder):
    bundle = load_bundle(folder)
    expected = bundle.recognizer.recognize([block.pcm for block in BLOCKS])
    found = detections(bundle, folder, BLOCKS)
    assert any(found)
    for words, detected in zip(expected, found, strict=True):
        given = [(w.text, w.start_ms, w.end_ms, w.confidence) for w in words]
        told = [(d.text, d.start_ms, d.end_ms, d.confidence) for d in detected]
        assert told == given
        assert all(0 < d.reported_ms - d.end_ms <= 500 + 1024 / 8 for d in detected)


def test_other_words_of_the_c_code_are_an_error(folder, monkeypatch):
    run = Workbench.run

    def other(bench, target, stage, data):
        found = run(bench, target, stage, data)
        return found[16:] if stage == "words" else found  # without the first word

    monkeypatch.setattr(Workbench, "run", other)
    with pytest.raises(RuntimeError, match="The C code reports other words than numpy"):
        detections(load_bundle(folder), folder, BLOCKS)


def test_a_keyword_spotter_is_told_of_once_for_each_word(tmp_path):
    if not (shutil.which("make") and shutil.which("cc")):
        pytest.skip("make and a C compiler are not there")
    reporting = dataclasses.replace(spotters.SPOTTER.reporting, threshold=0.5)
    decoder = dataclasses.replace(spotters.SPOTTER, reporting=reporting)
    spotters.converted(tmp_path, decode=decoder)
    bundle = load_bundle(tmp_path)
    (found,) = detections(bundle, tmp_path, [Block("quiet", spotters.stream(), [])])
    left = reported(found, 2.0, reporting.suppress_ms)
    assert [word.text for word in left] == ["low", "high"]
    # Told with the window of samples that made it sure, in chunks of 128 ms.
    assert all(120 < word.reported_ms - word.end_ms <= 145 + 128 for word in left)
    assert len(found) > 10
