import dataclasses
import json
import shutil
import subprocess

import numpy as np
import pytest
from helpers import bundles

from keras_rnn2dnn import convert
from keras_rnn2dnn.deploy import load_bundle, threshold
from keras_rnn2dnn.deploy.device.events import words_of
from keras_rnn2dnn.deploy.verify import figures, outputs
from keras_rnn2dnn.scoring.word_errors import word_error_rate
from keras_rnn2dnn.util.files import Audio

OTHER = bundles.recordings(15, seed=8)
SPOKEN = Audio(bundles.recordings(4, seed=1), 8000, ["up down", "down", "up", "up"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A bundle whose report has word errors of utterances and of recordings."""
    folder = tmp_path_factory.mktemp("whole")
    parts = {**bundles.parts(), "recordings": SPOKEN}
    references = ["up", "down"] * 6
    convert(bundles.student(), folder / "bundle", **parts, references=references)
    return folder / "bundle"


@pytest.fixture
def bundle(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "bundle")


@pytest.fixture
def other(tmp_path):
    Audio(OTHER, 8000).save(tmp_path / "other.npz")
    return tmp_path / "other.npz"


def false_words(bundle, least=-np.inf):
    """Words of the device in other recordings, by what the bundle says and a limit."""
    found = load_bundle(bundle).recognizer.hear(OTHER)
    words = [word for one in found for word in words_of(one)]
    return [word for word in words if word.confidence >= least]


def test_a_threshold_is_chosen_and_written(bundle, other, tmp_path, run):
    before, hours = false_words(bundle), sum(map(len, OTHER)) / 8000 / 3600
    wanted = 2.5 / hours  # two of them
    SPOKEN.save(tmp_path / "spoken.npz")
    arguments = ("tune", bundle, "--other", other, "--false-per-hour", wanted)
    written = ("--data", tmp_path / "spoken.npz", "--plot", tmp_path / "curve.svg")
    code, output, error = run(*arguments, *written, "--json")
    assert code == 0, error
    found = json.loads(output)
    least = found["chosen"]["threshold"]
    third = sorted(word.confidence for word in before)[-3]
    assert least == pytest.approx(third + 0.001) and len(before) > 3
    assert found["chosen"]["false_per_hour"] == pytest.approx(2 / hours)
    curve = found["curve"]
    assert curve[0]["threshold"] is None and curve[-1]["false_per_hour"] == 0
    assert curve[0]["false_per_hour"] == pytest.approx(len(before) / hours)
    missed = [point["missed"] for point in curve]
    assert missed == sorted(missed)
    heard = map(words_of, load_bundle(bundle).recognizer.hear(SPOKEN.samples))
    sure = [[w.text for w in words if w.confidence >= least] for words in heard]
    said = [text.split() for text in SPOKEN.transcripts]
    counted = word_error_rate(said, sure, num_resamples=1)
    lost = (counted.deletions + counted.substitutions) / counted.words
    assert found["chosen"]["missed"] == lost > 0
    assert error == f"{bundle} has the threshold {least:.3f} nats now\n"
    assert "<polyline" in (tmp_path / "curve.svg").read_text()
    beside = bundle.with_name("bundle.threshold.json")
    assert json.loads(beside.read_text()) == found
    loaded = load_bundle(bundle)  # compares all sums
    assert loaded.recognizer.decoder.reporting.threshold == least
    assert false_words(bundle) == [w for w in before if w.confidence >= least]
    table = (bundle / "c" / "decoder_table.h").read_text()
    assert f"#define DECODER_THRESHOLD ({round(1000 * least)})\n" in table


def test_all_of_a_tuned_bundle_follows(whole, bundle):
    words = load_bundle(bundle).recognizer.recognize(SPOKEN.samples)
    sure = max(word.confidence for one in words for word in one)
    report = threshold.write_threshold(bundle, sure)
    loaded = load_bundle(bundle)
    (generated, _) = outputs.generated_files(loaded, None, ())
    assert generated.status == "passed", generated.detail
    judged = list(figures.report_figures(loaded, None, ()))
    assert [o.detail for o in judged if o.status != "passed"] == []
    assert len(judged) == 4
    counts = load_bundle(whole).report["recordings"]
    assert report.recordings["errors"] != counts["errors"]
    done = subprocess.run(["make", "-s", "-C", bundle, "check"], check=False)
    assert done.returncode == 0
    threshold.write_threshold(bundle, None)
    for path in whole.rglob("*"):
        if path.is_file():
            assert (bundle / path.relative_to(whole)).read_bytes() == path.read_bytes()


def test_the_curve_is_a_table_and_nothing_is_written(bundle, other, run):
    before = (bundle / "report.json").read_bytes()
    code, output, error = run("tune", bundle, "--other", other, "--dry-run")
    assert code == 0
    first, *_, last = lines = output.splitlines()
    assert first == "threshold  false words an hour  missed"
    assert last.endswith("0.00  unknown  chosen") and len(lines) <= 14
    hours = sum(map(len, OTHER)) / 8000 / 3600
    assert error == (
        f"{hours:.2g} hours of other recordings: one false word in them is more than 1 "
        "an hour. Give more of them\n"
    )
    assert (bundle / "report.json").read_bytes() == before
    assert not bundle.with_name("bundle.threshold.json").exists()


def test_what_cannot_be_tuned_is_refused(bundle, other, tmp_path, run):
    code, _, error = run("tune", bundle, "--other", other, "--false-per-hour", "-1")
    assert code == 2 and "`--false-per-hour`. Expected a number >= 0" in error
    references = [["left"]]
    recognizer = load_bundle(bundle).recognizer
    with pytest.raises(ValueError, match="`references`. Expected words that are"):
        threshold.measured_curve(recognizer, OTHER, OTHER[:1], references)
    with pytest.raises(ValueError, match="`other`. Expected recordings. Received"):
        threshold.measured_curve(recognizer, [])
    with pytest.raises(ValueError, match="`bundle`. Expected a bundle whose C code"):
        threshold.check_tunable(None)
    reporting = dataclasses.replace(recognizer.decoder.reporting, decide_ms=None)
    decoder = dataclasses.replace(recognizer.decoder, reporting=reporting)
    earlier = dataclasses.replace(recognizer, decoder=decoder)
    with pytest.raises(ValueError, match="of an earlier version"):
        threshold.check_tunable(earlier)
