import json
import shutil

import numpy as np
import pytest
from helpers.bundles import features, parts, recordings, residual, student
from helpers.renewed import renew_sums

from keras_rnn2dnn.deploy import convert, held_back, load_bundle
from keras_rnn2dnn.deploy.verify import figures
from keras_rnn2dnn.util import bundle_checksums
from keras_rnn2dnn.util.files import Audio


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """A bundle whose report has word error rates, which nobody may change."""
    folder = tmp_path_factory.mktemp("spoken") / "bundle"
    said = Audio(recordings(4, seed=1), 8000, ["up", "down", "up", "down down"])
    options = {**parts(), "recordings": said}
    convert(student(), folder, **options, references=["up", "down"] * 6)
    return folder


@pytest.fixture
def copy(spoken, tmp_path):
    return shutil.copytree(spoken, tmp_path / "bundle")


def edited(folder, path, value):
    """Sets a value of the report; `path` is dotted."""
    report = json.loads((folder / "report.json").read_text())
    place = report
    *above, last = path.split(".")
    for name in above:
        place = place[name]
    assert last in place
    place[last] = value
    (folder / "report.json").write_text(json.dumps(report))


def found(folder):
    outcomes = figures.report_figures(load_bundle(folder), None, ())
    return {outcome.stage: outcome for outcome in outcomes}


def test_the_figures_of_a_sound_bundle_are_computed_anew(spoken):
    outcomes = found(spoken)
    assert {outcome.status for outcome in outcomes.values()} == {"passed"}
    assert sorted(outcomes) == [
        "report: KL, agreement",
        "report: sizes",
        "report: word errors",
        "report: word errors from PCM",
    ]
    text = outcomes["report: KL, agreement"].detail
    assert text.endswith("on 146 of 146 frames")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("comparison.wer_int8", 0.001),
        ("comparison.kl", 0.0001),
        ("parameters", 7),
        ("firmware.cores", {}),
        ("versions.python", "2.7"),
        ("sum", "0" * 64),
    ],
)
def test_an_edited_report_is_refused(path, value, copy):
    edited(copy, path, value)
    with pytest.raises(ValueError, match=r"'report\.json' in .* was changed") as error:
        load_bundle(copy)
    assert str(error.value).endswith("Convert the student again")


@pytest.mark.parametrize("name", ["sum", "format"])
def test_a_report_of_this_version_needs_its_sum(name, copy):
    report = json.loads((copy / "report.json").read_text())
    del report[name]
    (copy / "report.json").write_text(json.dumps(report))
    with pytest.raises(ValueError, match=r"'report\.json' in .* was changed"):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("path", "value", "stage", "text"),
    [
        ("bytes", 7, "sizes", "bytes 7 against"),
        ("operators", ["CONV_2D"], "sizes", "operators ['CONV_2D'] against"),
        ("latency_frames", 0, "sizes", "latency_frames 0 against 2"),
        ("quantization.input.zero_point", 3, "sizes", "input zero point 3 against"),
        ("firmware.ram_bytes.total", 9, "sizes", "ram_bytes"),
        ("comparison.kl", 0.001, "KL, agreement", "KL 0.001000 against"),
        ("comparison.agreement", 0.99, "KL, agreement", "agreement 0.9900 against"),
        ("comparison.kept.kl", 0.001, "KL, agreement", "kept KL 0.001000 against"),
        ("comparison.wer_device", 0.25, "word errors", "wer_device 0.25 against"),
        ("recordings.wer", 0.06, "word errors from PCM", "wer 0.06 against"),
        ("recordings.count", 5, "word errors from PCM", "count 5 against 4"),
    ],
)
def test_what_can_be_computed_anew_is(path, value, stage, text, copy):
    edited(copy, path, value)
    renew_sums(copy)
    outcome = found(copy)[f"report: {stage}"]
    assert outcome.status == "FAILED"
    assert outcome.detail.startswith("the report says ")
    assert text in outcome.detail


def test_a_report_of_an_earlier_version_is_read_without_a_sum(copy):
    report = json.loads((copy / "report.json").read_text())
    for name in ("sum", "format"):
        del report[name]
    del report["comparison"]["kept"]
    (copy / "report.json").write_text(json.dumps(report))
    bundle = load_bundle(copy)
    (outcome,) = figures.report_sum(bundle)
    assert (outcome.status, outcome.optional) == ("NOT RUN", True)
    assert outcome.detail == (
        "an earlier version wrote this bundle, whose report has no sum: an edit of it "
        "may not be seen"
    )
    outcome = found(copy)["report: KL, agreement"]
    assert (outcome.status, outcome.optional) == ("NOT RUN", True)


def test_a_bundle_without_c_code_is_covered_by_the_sum(tmp_path):
    convert(residual(), tmp_path, features())
    outcomes = found(tmp_path)
    assert outcomes["report: sizes"].status == "passed"
    assert "covered by the sum" in outcomes["report: KL, agreement"].detail
    edited(tmp_path, "comparison.kl", 0.0)
    with pytest.raises(ValueError, match="was changed"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("classes", [201, 3400])
def test_as_much_is_kept_as_fits(classes, monkeypatch):
    monkeypatch.setattr(held_back, "MOST_BYTES", 100_000)

    def logits_of(x):
        return np.zeros((len(x), classes), np.float32)

    utterances = [np.ones((40, 8), np.float32) * k for k in range(5)]
    files = held_back.of_utterances(utterances, logits_of, ["a"] * 5)
    counts = np.frombuffer(files["golden/held_frames.u32"], "<u4").reshape(-1, 2)
    whole = 100_000 // (4 * 40 * (classes + 8))
    expected = [[40, 40]] * whole or [[100_000 // (4 * (classes + 8))] * 2]
    assert counts.tolist() == expected
    assert sum(map(len, files.values())) <= 100_000 + 8 * len(expected)
    assert "golden/held_references.txt" not in files


def test_the_sum_of_a_report_does_not_depend_on_its_layout(spoken):
    report = json.loads((spoken / "report.json").read_text())
    again = json.loads(json.dumps(dict(reversed(report.items())), indent=7))
    assert bundle_checksums.report_sum(again) == report["sum"]
