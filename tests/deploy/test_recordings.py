import dataclasses

import numpy as np
import pytest
from helpers.bundles import SPEC, features, parts, recordings, student

from keras_rnn2dnn.deploy import convert, load_bundle
from keras_rnn2dnn.deploy.recordings import compare_features, pcm_of
from keras_rnn2dnn.util.files import Audio


def test_audio_brings_its_transcripts():
    samples = recordings(2)
    pcm, transcripts = pcm_of(Audio(samples, 8000, ["up", "down up"]))
    assert [x.tolist() for x in pcm] == [x.tolist() for x in samples]
    assert transcripts == ["up", "down up"]
    pcm, transcripts = pcm_of([np.array([0.5, -1.0])])
    assert (pcm[0].tolist(), transcripts) == ([16384, -32768], None)


def test_features_of_the_same_recordings_are_those_of_the_calibration():
    found = compare_features(recordings(), SPEC, features())
    assert found["count"] == 12
    assert found["feature_shift"] == pytest.approx(0, abs=1e-6)
    assert found["feature_spread"] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    "changes", [{"mean": (9.0,) * 8, "centering": "none"}, {"variance": (0.5,) * 8}]
)
def test_another_specification_is_refused_with_the_distance(changes, tmp_path):
    spec = dataclasses.replace(SPEC, **changes)
    with pytest.raises(ValueError) as error:
        convert(student(), tmp_path / "out", **{**parts(), "feature_spec": spec})
    assert str(error.value).startswith(
        "Invalid value for `feature_spec`. Expected features of the recordings like "
        "those of the calibration. Received: feature_spec='means "
    )
    assert not (tmp_path / "out").exists()


def test_recordings_too_short_for_a_frame_are_refused():
    with pytest.raises(ValueError, match="Expected recordings of at least one frame"):
        compare_features([np.zeros(10, np.int16)], SPEC, features())


def test_transcripts_give_the_word_error_rate_from_pcm_on(written, tmp_path, no_costs):
    pcm = parts()["recordings"]
    heard = [
        [word.text for word in words]
        for words in load_bundle(written).recognizer.recognize(pcm)
    ]
    transcripts = [" ".join(words) for words in heard]
    transcripts[0] = " ".join([*heard[0], "up"])  # a word that nobody recognised
    audio = Audio(pcm, 8000, transcripts)
    report = convert(student(), tmp_path, **{**parts(), "recordings": audio})
    total = sum(map(len, heard)) + 1
    assert report.recordings["errors"] == 1
    assert report.recordings["words"] == total
    text = f"device arithmetic {1 / total:.2%} (1/{total}) of 4 recordings"
    assert ("word error rate from PCM", text) in report.rows
    without = load_bundle(written).report["recordings"]
    assert without["count"] == 4
    assert without["wer"] is without["errors"] is None
