"""The demo on real speech, as from the shell."""

import dataclasses
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keras_rnn2dnn.deploy import load_bundle, tflm
from keras_rnn2dnn.deploy.toolchain import missing_tools
from keras_rnn2dnn.util.files import Audio

FSDD = Path(__file__).parents[3] / "shared" / "fsdd" / "recordings"


def with_more_time(folder):
    """Returns what a bundle finds in the strings of the test if nothing is urgent."""
    recognizer = load_bundle(folder / "bundle").recognizer
    decoder = recognizer.decoder
    reporting = dataclasses.replace(decoder.reporting, decide_ms=1000.0, margin=40.0)
    decoder = dataclasses.replace(decoder, reporting=reporting)
    patient = dataclasses.replace(recognizer, decoder=decoder)
    strings = Audio.load(folder / "test_audio.npz").samples
    found = patient.decode([patient.logits(samples) for samples in strings])
    return [" ".join(word.text for word in words) for words in found]


@pytest.mark.slow
def test_a_new_speaker_is_understood_better_on_real_speech(tmp_path):
    if not FSDD.is_dir():
        pytest.skip("the recordings of the Free Spoken Digit Dataset are not there")
    command = shutil.which("rnn2dnn", path=Path(sys.executable).parent)
    done = subprocess.run(
        [command, "demo", "--data", str(FSDD), "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr
    rows = {r["system"]: r for r in json.loads((tmp_path / "table.json").read_text())}
    distilled, int8 = rows["student, distilled"], rows["student, distilled, int8"]
    assert distilled["words"] > 1250
    assert distilled["relative_to_hard"] <= -0.2
    assert distilled["errors"] <= rows["RNN teacher"]["errors"]
    device = rows["student, distilled, device arithmetic"]
    folder = tmp_path / "jackson"
    systems = json.loads((folder / "hypotheses.json").read_text())["systems"]

    def changed(strings):
        pairs = zip(systems["student, distilled"], strings, strict=True)
        return sum(one != other for one, other in pairs)

    # Strings change for better or worse by chance: 1 % of 200 errors are but two.
    for row in (int8, device):
        chance = 2 * math.sqrt(changed(systems[row["system"]]))
        assert row["errors"] <= 1.01 * distilled["errors"] + chance
    assert changed(systems[int8["system"]]) < 10  # of 300
    # The device decides within 500 ms. With more time its arithmetic changes as few.
    assert changed(with_more_time(folder)) < 10
    report = json.loads((folder / "bundle" / "report.json").read_text())
    assert report["comparison"]["kl"] < 0.002
    assert "student, distilled, int8" in done.stdout
    bundle = tmp_path / "jackson" / "bundle"
    done = subprocess.run(
        [command, "verify", str(bundle), "--json"], capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    failed = [o for o in found["outcomes"] if o["status"] == "FAILED"]
    assert not failed
    words = {o["stage"]: o["detail"] for o in found["outcomes"]}["words: C on the host"]
    counted = re.match(r"0 of (\d+) recordings", words)
    assert counted and int(counted[1]) > 300  # the test, and signals beside it
    if not missing_tools("m4") and tflm.is_installed():
        assert (done.returncode, found["verdict"]) == (0, "verified")
