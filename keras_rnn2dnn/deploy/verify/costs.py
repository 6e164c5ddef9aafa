"""Stages of `verify` about memory, symbols, and what the cores need."""

import functools
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from keras_rnn2dnn.deploy import golden
from keras_rnn2dnn.deploy.loading import Bundle
from keras_rnn2dnn.deploy.toolchain import CORES, PORTS, Workbench
from keras_rnn2dnn.deploy.verify.outcome import (
    NOT_RUN,
    PASSED,
    Outcome,
    judged,
    on_targets,
)

_MOST_REGRESSION = 0.03
# Arithmetic that the core lacks, from the compiler's own library; no C library.
_ARITHMETIC = ("__aeabi_f", "__aeabi_i2f", "__aeabi_ui2f", "__aeabi_l", "__aeabi_ul")
_ARITHMETIC += ("__aeabi_idiv", "__aeabi_uidiv", "__gnu_thumb1_case_")
_ARITHMETIC += ("__addsf", "__subsf", "__mulsf", "__divsf", "__fixsf", "__float")
_ARITHMETIC += ("__ltsf", "__lesf", "__gtsf", "__gesf", "__eqsf", "__nesf")
_ARITHMETIC += ("__divdi", "__udivdi", "__moddi", "__umoddi", "__muldi", "__ash")
_LARGEST_STACK = 2048


def memory_safety(bundle: Bundle, bench: Workbench, _: Sequence) -> Iterator[Outcome]:
    """Runs every stage of the check under the sanitizers, built with all warnings."""
    runs = {"network": "network_inputs.s8"}
    if bundle.recognizer is not None:
        for name in ("features", "inputs", "logits", "words"):
            runs[name] = "recordings.pcm"

    def check(stage, target):
        for name, file in runs.items():
            bench.run(target, name, bundle.golden(file))
        text = (
            f"nothing found in {', '.join(runs)}; -Wall -Wextra -Wconversion -Wshadow"
        )
        return judged(stage, True, f"{text} without a warning")

    yield from on_targets("memory", {"sanitize": "AddressSanitizer, UBSan"}, check)


def symbols(bundle: Bundle, bench: Workbench, _: Sequence) -> Iterator[Outcome]:
    """Looks for calls of a C library in the object files: none, so no malloc either."""

    def check(stage, core):
        needed = bench.undefined_symbols(core)
        foreign = [n for n in needed if not n.startswith(_ARITHMETIC)]
        text = f"needs from a C library: {', '.join(foreign) or 'nothing'}"
        if needed and not foreign:
            text += f" ({len(needed)} routines of the compiler for arithmetic)"
        return judged(stage, not foreign, text)

    yield from on_targets("symbols", CORES | PORTS, check, bench)


def core_costs(bundle: Bundle, bench: Workbench, _: Sequence) -> Iterator[Outcome]:
    """Measures RAM, flash, stack and instructions, and compares with the report."""
    check = functools.partial(_core_costs, bundle, bench)
    yield from on_targets("costs", CORES, check)


def _core_costs(bundle, bench, stage, core):
    whole = bundle.recognizer is not None
    name = "recordings.pcm" if whole else "network_inputs.s8"
    content = {f"golden/{name}": bundle.golden(name)}
    network = bundle.recognizer.network if whole else bundle.network
    data = golden.counted_input(content, network)
    stride = 1 if network.field.is_clip else network.field.stride
    found = bench.costs(core, data, whole, stride)
    sizes = np.frombuffer(bench.run(core, "sizes"), "<u4")
    total = found.instructions_per_frame["total"]
    text = (
        f"{found.flash_bytes:,} bytes flash, {found.stack_bytes} bytes stack, "
        f"{total:,} instructions per frame"
    )
    good = found.stack_bytes <= _LARGEST_STACK
    if whole:
        ram = bundle.report["firmware"]["ram_bytes"]["total"]
        text += f", {sizes[0]:,} bytes RAM (report: {ram:,})"
        good = good and int(sizes[0]) == ram
    budget = (bundle.report["firmware"]["cores"] or {}).get(core)
    if budget is None:
        return judged(stage, good, f"{text}; no budget in the report")
    before = budget["instructions_per_frame"]["total"], budget["flash_bytes"]
    now = total, found.flash_bytes
    for what, a, b in zip(("instructions", "flash"), before, now, strict=True):
        if abs(b / a - 1) > _MOST_REGRESSION:
            text += f"; {what} {b / a - 1:+.1%} against the report's {a:,}"
            good = good and b < a
    return judged(stage, good, text)


def ethos_u(bundle: Bundle, bench: Workbench, _: Sequence) -> Iterator[Outcome]:
    """Shows Arm's estimate for an Ethos-U55, where ethos-u-vela is installed."""
    stage = "Ethos-U55 estimate"
    if shutil.which("vela") is None:
        text = "ethos-u-vela missing: pip install ethos-u-vela (optional)"
        yield Outcome(stage, NOT_RUN, text, optional=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "student.tflite"
        model.write_bytes(bundle.tflite)
        line = ["vela", str(model), "--output-dir", folder]
        line += ["--accelerator-config", "ethos-u55-128"]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split())[-300:]
        yield Outcome(stage, NOT_RUN, f"vela failed: {said}", optional=True)
        return
    lines = [" ".join(text.split()) for text in done.stdout.splitlines()]
    wanted = (
        "NPU operators",
        "Total SRAM used",
        "Total Off-chip Flash used",
        "Batch Inference",
    )
    shown = [text for text in lines if text.startswith(wanted)]
    yield Outcome(stage, PASSED, "; ".join(shown), optional=True)
