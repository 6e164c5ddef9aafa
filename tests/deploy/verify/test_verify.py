import hashlib
import json
import shutil

import pytest
from helpers.bundles import (
    features,
    needs_cores,
    recordings,
    residual,
    student,
)
from helpers.renewed import renew_sums

from keras_rnn2dnn.deploy import convert, load_bundle, verify
from keras_rnn2dnn.deploy.toolchain import missing_tools
from keras_rnn2dnn.deploy.verify import Outcome, Verification, costs, outputs
from keras_rnn2dnn.deploy.verify.outcome import missing

SHORT_S = 20.0  # of the stream


@pytest.fixture
def host_alone(monkeypatch):
    """Hides the cross compiler, as on a machine without it."""
    found = shutil.which

    def which(name):
        return None if name.startswith(("arm-", "qemu-", "riscv")) else found(name)

    monkeypatch.setattr(shutil, "which", which)


def by_stage(found):
    return {outcome.stage: outcome for outcome in found.outcomes}


@pytest.mark.slow
@needs_cores
def test_a_bundle_is_verified_on_the_host_and_on_three_cores(written):
    shares = []
    found = verify(
        written,
        recordings(3, seed=5),
        on_progress=lambda name, share: shares.append(share),
        stream_s=SHORT_S,
    )
    outcomes = by_stage(found)
    failed = {k: v for k, v in outcomes.items() if v.status == "FAILED"}
    assert not failed
    assert shares[0] == 0 and shares[-1] == 1 and shares == sorted(shares)
    if "network: TFLM" in {k for k, v in outcomes.items() if v.status == "NOT RUN"}:
        assert found.verdict == "not verified"
    else:
        assert found.verdict == "verified"
    cores = [f"QEMU Cortex-{c}" for c in ("M0", "M3", "M4F", "M55")]
    riscv = "QEMU RISC-V RV32IMC"
    if missing_tools("rv32"):
        assert outcomes[f"network: {riscv}"].optional
    else:
        cores.append(riscv)
    for core in ("C on the host", *cores):
        assert outcomes[f"network: {core}"].detail.startswith("0 of 12,000 int8")
        assert outcomes[f"features: {core}"].status == "passed"
        assert outcomes[f"words: {core}"].status == "passed"
    for core in ("C on the host", "QEMU Cortex-M4F"):
        assert outcomes[f"stream: {core}"].detail.startswith("0 of ")
    # 8 signals, 4 recordings and one with a pause, the 4 again as the test set, 3 more.
    assert "of 20 recordings" in outcomes["words: QEMU Cortex-M4F"].detail
    assert "(report:" in outcomes["costs: Cortex-M3"].detail


@pytest.mark.slow
def test_without_the_cross_compiler_the_verdict_is_not_verified(written, host_alone):
    found = verify(written, stream_s=SHORT_S)
    outcomes = by_stage(found)
    missing = outcomes["network: QEMU Cortex-M4F"]
    assert missing.status == "NOT RUN"
    assert missing.detail == "arm-none-eabi-gcc, qemu-system-arm missing"
    assert outcomes["network: C on the host"].status == "passed"
    assert outcomes["memory: AddressSanitizer, UBSan"].status == "passed"
    mutations = [o for o in found.outcomes if o.stage.startswith("mutation: ")]
    # No student of this test is silent for as long as an utterance needs to be over,
    # Words of this test's student are decided on long before they must be.
    unheard = {o.stage for o in mutations if o.status != "passed"}
    assert unheard == {"mutation: when a word is decided on"}
    assert len(mutations) == 11
    assert found.verdict == "not verified"
    last = str(found).splitlines()[-1]
    assert last.startswith("verdict: not verified. Same bits as in Python: ")
    assert "network, features, words, stream in C on the host" in last
    assert "QEMU Cortex-M4F" in last.partition("Not run: ")[2]
    assert "For these: apt install gcc-arm-none-eabi " in last
    assert json.loads(json.dumps(found.to_dict()))["verdict"] == "not verified"


@pytest.mark.slow
def test_c_code_that_computes_otherwise_fails(written, tmp_path, host_alone):
    folder = shutil.copytree(written, tmp_path / "bundle")
    path = folder / "c" / "network_kernels.h"
    text = path.read_text()
    assert "acc += w[k] * x[k]" in text
    path.write_text(text.replace("acc += w[k] * x[k]", "acc += w[k] * x[k] + 1"))
    renew_sums(folder)
    found = verify(folder, stream_s=SHORT_S)
    assert found.verdict == "FAILED"
    assert by_stage(found)["network: C on the host"].status == "FAILED"
    last = str(found).splitlines()[-1]
    assert last.startswith("verdict: FAILED. ") and "network: C on the host" in last


@pytest.mark.slow
def test_c_code_that_does_not_build_fails_and_says_why(written, tmp_path, host_alone):
    folder = shutil.copytree(written, tmp_path / "bundle")
    path = folder / "c" / "network.c"
    path.write_text(path.read_text() + "\nint unused(int x) { return 0; }\n")
    renew_sums(folder)
    failed = [
        o for o in verify(folder, stream_s=SHORT_S).outcomes if o.status == "FAILED"
    ]
    assert any("unused parameter" in outcome.detail for outcome in failed)


@pytest.mark.slow
def test_other_golden_outputs_fail(written, tmp_path, host_alone):
    folder = shutil.copytree(written, tmp_path / "bundle")
    for name in ("network_outputs.s8", "features.f32", "words.u32"):
        path = folder / "golden" / name
        data = bytearray(path.read_bytes())
        data[-20] ^= 1
        path.write_bytes(bytes(data))
    renew_sums(folder)
    outcomes = by_stage(verify(folder, stream_s=SHORT_S))
    assert outcomes["generated anew"].status == "FAILED"
    for name in ("network_outputs.s8", "features.f32", "words.u32"):
        assert f"golden/{name}" in outcomes["generated anew"].detail
    assert outcomes["network: C on the host"].detail.startswith("1 of 12,000")
    assert outcomes["features: C on the host"].status == "FAILED"


@pytest.mark.slow
def test_the_network_alone_and_no_c_code_at_all(tmp_path, host_alone):
    convert(student(), tmp_path / "network", features())
    found = verify(tmp_path / "network", stream_s=SHORT_S)
    outcomes = by_stage(found)
    assert outcomes["network: C on the host"].status == "passed"
    assert outcomes["features, words"].optional
    convert(residual(), tmp_path / "tflm", features())
    found = verify(tmp_path / "tflm")
    assert by_stage(found)["C code"].status == "NOT RUN"
    assert "operator ADD" in by_stage(found)["C code"].detail
    assert found.verdict == "not verified"
    for name in ("network", "tflm"):
        with pytest.raises(
            ValueError, match="Invalid value for `recordings`. Expected none"
        ):
            verify(tmp_path / name, recordings(1))


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("c/decoder_table.h", '"up"', '"pu"'),
        ("c/model.h", "NETWORK_OUTPUT_ZERO_POINT ", "NETWORK_OUTPUT_ZERO_POINT 1"),
        ("golden/test_set.txt", "\n", " up\n"),
        ("tflm/model_data.cc", "0x", "1x"),
    ],
)
def test_what_no_run_would_notice_is_generated_anew(
    name, before, after, written, tmp_path, monkeypatch
):
    folder = shutil.copytree(written, tmp_path / "bundle")
    text = (folder / name).read_text()
    assert before in text
    (folder / name).write_text(text.replace(before, after, 1))
    renew_sums(folder)
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    found = by_stage(verify(folder, stream_s=SHORT_S))["generated anew"]
    assert (found.status, name in found.detail) == ("FAILED", True)


def as_of_an_earlier_version(folder):
    """Takes away what earlier versions did not write, and changes sources."""
    for name in ("c/network.c", "qemu/run.sh", "c/features_table.h"):
        path = folder / name
        path.write_text(path.read_text() + "\n")
    (folder / "qemu" / "virt.ld").unlink()
    report = json.loads((folder / "report.json").read_text())
    del report["files"]["qemu/virt.ld"], report["files"]["golden/sums.sha256"]
    for name in report["files"]:
        content = (folder / name).read_bytes()
        report["files"][name] = hashlib.sha256(content).hexdigest()
    for name in ("sum", "format"):
        del report[name]
    (folder / "report.json").write_text(json.dumps(report))


def test_sources_of_earlier_versions_are_no_fault(written, tmp_path):
    folder = shutil.copytree(written, tmp_path / "bundle")
    as_of_an_earlier_version(folder)
    (outcome, _) = outputs.generated_files(load_bundle(folder), None, ())
    assert outcome.status == "passed"
    assert outcome.detail.startswith("all but 4 sources of an earlier version")
    path = folder / "c" / "decoder_table.h"
    path.write_text(path.read_text().replace('"up"', '"pu"'))
    report = json.loads((folder / "report.json").read_text())
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    report["files"]["c/decoder_table.h"] = found
    (folder / "report.json").write_text(json.dumps(report))
    (outcome, _) = outputs.generated_files(load_bundle(folder), None, ())
    assert outcome.status == "FAILED"
    assert "c/decoder_table.h" in outcome.detail


def test_the_verdict_counts_what_was_not_run():
    passed, failed = Outcome("a", "passed", ""), Outcome("b", "FAILED", "")
    optional = Outcome("c", "NOT RUN", "", optional=True)
    assert Verification((passed, optional)).verdict == "verified"
    assert Verification((passed, Outcome("d", "NOT RUN", ""))).verdict == "not verified"
    assert Verification((passed, failed, optional)).verdict == "FAILED"


def test_the_last_line_tells_what_was_proven_and_what_is_missing():
    outcomes = [
        Outcome("files", "passed", ""),
        missing("network: TFLM", ["tflite-micro"]),
        Outcome("network: C on the host", "passed", ""),
        Outcome("network: QEMU Cortex-M3", "passed", ""),
        missing("network: QEMU RISC-V", ["qemu-system-riscv32"], optional=True),
        Outcome("words: C on the host", "passed", ""),
        missing("words: QEMU Cortex-M3", ["qemu-system-arm", "arm-none-eabi-gcc"]),
        Outcome("estimate", "NOT RUN", "", optional=True),
    ]
    assert str(Verification(tuple(outcomes))).splitlines()[-1] == (
        "verdict: not verified. Same bits as in Python: network, words in C on the "
        "host; network in QEMU Cortex-M3. Not run: network in TFLM, QEMU RISC-V; "
        "words in QEMU Cortex-M3. For these: apt install gcc-arm-none-eabi "
        "qemu-system-arm qemu-system-misc; pip install tflite-micro"
    )
    failed = Outcome("words: C on the host", "FAILED", "")
    assert str(Verification((*outcomes, failed))).splitlines()[-1] == (
        "verdict: FAILED. 1 failed: words: C on the host"
    )
    bare = Outcome("C code", "NOT RUN", "not in this bundle: operator ADD")
    assert str(Verification((outcomes[0], bare))).splitlines()[-1] == (
        "verdict: not verified. Not run: C code"
    )


def test_a_missing_accelerator_estimate_does_not_count(written, monkeypatch):
    monkeypatch.setattr(costs.shutil, "which", lambda name: None)
    (outcome,) = costs.ethos_u(None, None, ())
    assert (outcome.status, outcome.optional) == ("NOT RUN", True)
    assert "pip install ethos-u-vela" in outcome.detail
