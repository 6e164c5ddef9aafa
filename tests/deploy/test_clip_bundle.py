"""Bundles of utterance-level students."""

import numpy as np
import pytest
from helpers.bundles import DECODER, SPEC, TOPOLOGY, assert_proven, needs_cores
from helpers.clips import BINS, CLASSES, FRAMES, L, clips, ds_cnn, row, shaken

from keras_rnn2dnn import Recognizer, convert
from keras_rnn2dnn.deploy import Int8Student, bundle, toolchain
from keras_rnn2dnn.deploy.loading import load_bundle
from keras_rnn2dnn.deploy.report import ConversionReport
from keras_rnn2dnn.deploy.verify import verify
from keras_rnn2dnn.quantization.comparison import compare_logits


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A bundle whose costs on cores were not measured."""
    folder = tmp_path_factory.mktemp("clips") / "bundle"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "measure_cores", lambda *arguments: None)
        report = convert(shaken(ds_cnn()), folder, clips(120)[..., None])
    return folder, report


def test_the_report_speaks_of_clips(written):
    _, report = written
    assert report.context == {
        "left": FRAMES - 1,
        "right": 0,
        "stride": FRAMES,
        "window": FRAMES,
        "clip": True,
    }
    assert report.firmware["c"] == "network"
    assert report.multiply_accumulates == 1080 + 648 + 360 + 15
    rows = dict(report.rows)
    assert rows["context"] == "a whole clip of 12 frames"
    assert rows["multiply-accumulates"] == "2,103 per clip"
    assert rows["compared on"] == "24 clips of 24 utterances held back"
    assert "latency" not in rows
    assert ConversionReport.from_dict(report.to_dict()).context == report.context


def test_the_bundle_is_loaded_and_computes_its_golden_outputs(written):
    loaded = load_bundle(written[0])
    windows = np.frombuffer(loaded.golden("network_inputs.s8"), np.int8)
    windows = windows.reshape(-1, FRAMES, BINS)
    outputs = loaded.network.run(windows).tobytes()
    assert outputs == loaded.golden("network_outputs.s8")
    assert loaded.network.is_images and loaded.recognizer is None
    sources = sorted(path.name for path in (written[0] / "c").iterdir())
    assert sources == [
        "model.h",
        "network.h",
        "network_image_kernels.h",
        "network_images.c",
        "network_kernels.h",
    ]


def test_a_recognizer_asks_for_what_makes_clips_a_stream(written):
    with pytest.raises(ValueError, match=r"For whole clips: Int8Student"):
        Recognizer.load(written[0])


def test_one_row_of_logits_comes_of_each_clip(written):
    student, given = Int8Student.load(written[0]), clips(5, seed=3)
    logits = student.predict(given)
    assert logits.shape == (5, CLASSES)
    np.testing.assert_array_equal(student.predict(given[..., None]), logits)
    np.testing.assert_array_equal(np.stack(student.predict(list(given))), logits)
    floats = shaken(ds_cnn())(given[..., None]).numpy()
    assert compare_logits([floats], [logits])["kl"] < 0.01
    with pytest.raises(ValueError, match="clips of 12 frames.*13 frames"):
        student.predict([np.zeros((13, BINS), np.float32)])


@needs_cores
@pytest.mark.slow
def test_verify_proves_it(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "measure_cores", toolchain.measure_cores)
    report = convert(shaken(ds_cnn()), tmp_path, clips(120))
    found = verify(tmp_path)
    assert_proven(found)
    status = {one.stage: one.status for one in found.outcomes}
    for place in ("C on the host", "QEMU Cortex-M3", "QEMU Cortex-M4F"):
        assert status[f"network: {place}"] == "passed"
    assert status["network: QEMU Cortex-M55"] == "passed"
    assert report.firmware["cores"]["m4"]["instructions_per_frame"]["total"] > 2103


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calibration": clips(60)[:, :9]}, "clips of 12 frames each.*9 frames"),
        ({"calibration": clips(40)}, "at least 50 clips.*32"),
        ({"decode": DECODER}, "decode.*The decoder reads frames"),
        ({"recordings": [np.zeros(8000, np.int16)]}, "recordings.*no recordings"),
        ({"feature_spec": SPEC}, "features of 6 bins"),
    ],
)
def test_what_makes_no_sense_for_clips_is_refused(options, message, tmp_path):
    given = {"calibration": clips(60), **options}
    assert TOPOLOGY.num_states != CLASSES
    with pytest.raises(ValueError, match=message):
        convert(ds_cnn(), tmp_path / "bundle", **given)


def test_an_open_number_of_frames_is_that_of_the_calibration(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "measure_cores", lambda *arguments: None)
    student = shaken(row(L.Conv1D(4, 3, padding="same"), frames=None))
    report = convert(student, tmp_path, clips(70))
    assert report.context["window"] == FRAMES
    mixed = [*clips(60), clips(1)[0][:5]]
    with pytest.raises(ValueError, match="5 frames.*That is clip 60"):
        convert(student, tmp_path, mixed)
