"""The demo on real speech, as from the shell."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keras_rnn2dnn.deploy import tflm
from keras_rnn2dnn.deploy.toolchain import missing_tools

FSDD = Path(__file__).parents[3] / "shared" / "fsdd" / "recordings"


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
    for row in (int8, device):
        pairs = zip(systems["student, distilled"], systems[row["system"]], strict=True)
        changed = sum(one != other for one, other in pairs)
        # Strings change for better or worse by chance: 1 % of 200 errors are but two.
        assert changed < 10  # of 300
        chance = 2 * math.sqrt(changed)
        assert row["errors"] <= 1.01 * distilled["errors"] + chance
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
