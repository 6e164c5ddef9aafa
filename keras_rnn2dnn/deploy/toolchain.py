"""Builds a bundle and runs its check, on this host and on emulated cores."""

import collections
import dataclasses
import logging
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np

CORES = {"m3": "Cortex-M3", "m4": "Cortex-M4F", "m55": "Cortex-M55"}
# Further ones, of which the report has no costs.
PORTS = {"m0": "Cortex-M0", "rv32": "RISC-V RV32IMC"}
_logger = logging.getLogger(__name__)
_HOST_TOOLS = ("make", "cc")
_CORE_TOOLS = ("make", "arm-none-eabi-gcc", "qemu-system-arm")
_RISCV_TOOLS = ("make", "riscv64-unknown-elf-gcc", "qemu-system-riscv32")
# Debian's, where it is not the name of the program.
_PACKAGES = {
    "make": "build-essential",
    "cc": "build-essential",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi",
    "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf",
    "qemu-system-riscv32": "qemu-system-misc",
}
_CALIBRATION = 200_000  # instructions, IO_CALIBRATION of check/io.h
# An instruction takes 2 or 64 ns: 24 bits last for 335 or 10 million of them.
_COUNTED_COARSELY, _COUNTED_FINELY = 200e6, 6e6
_TIMEOUT_S = 900
_NOT_BUILT = shutil.ignore_patterns("golden", "build", "tflm", "web")
_TARGETS = {"host": "host/check", "sanitize": "sanitize/check"}


def missing_tools(target: str) -> list[str]:
    """Lists the programs that building and running for a target needs, and lacks.

    Args:
        target: `"host"`, `"sanitize"`, or a core: `"m0"`, `"m3"`, `"m4"`, `"m55"`,
            `"rv32"`.
    """
    tools = _HOST_TOOLS
    if is_core(target):
        tools = _RISCV_TOOLS if target == "rv32" else _CORE_TOOLS
    return [tool for tool in tools if shutil.which(tool) is None]


def packages_of(tools: Iterable[str]) -> list[str]:
    """Returns Debian's packages that hold some of these programs.

    Example:
        >>> packages_of(["cc", "make", "qemu-system-arm"])
        ['build-essential', 'qemu-system-arm']
    """
    known = {*_HOST_TOOLS, *_CORE_TOOLS, *_RISCV_TOOLS}
    return sorted({_PACKAGES.get(tool, tool) for tool in known.intersection(tools)})


def is_core(target: str) -> bool:
    """Tells whether a target is an emulated core."""
    return target in CORES or target in PORTS


@dataclasses.dataclass(frozen=True)
class CoreCosts:
    """What a bundle costs on one core.

    Args:
        flash_bytes: code and tables of `c/`.
        stack_bytes: the deepest stack of a call of the library.
        instructions_per_frame: of `features`, `network` and `decoder`, and their
            `total`, for each frame; of the network alone where there is no recognizer.
    """

    flash_bytes: int
    stack_bytes: int
    instructions_per_frame: dict[str, int]


class Workbench:
    """Builds a bundle in a temporary directory, which is removed in the end.

    Args:
        bundle: its directory; nothing is written there.
        rounding: `"double"` or `"single"`.
        flags: further ones of the compiler.

    Example:
        with Workbench("bundle") as bench:
            logits = bench.run("m4", "network", inputs)
    """

    def __init__(self, bundle: str | Path, rounding: str = "double", flags: str = ""):
        self._options = [f"ROUNDING={rounding}", f"CFLAGS={flags}"]
        self._folder = tempfile.TemporaryDirectory()
        self._copy = Path(self._folder.name) / "bundle"  # make knows no spaces in paths
        shutil.copytree(bundle, self._copy, ignore=_NOT_BUILT)
        self.build_directory = self._copy / "build"
        self._locks = collections.defaultdict(threading.Lock)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._folder.cleanup()

    def builds_for(self, target: str) -> bool:
        """Tells whether the bundle can be built for a target: older ones know less."""
        makefile = (self._copy / "Makefile").read_text()
        return target not in PORTS or f"{target}_FLAGS" in makefile

    def build(self, target: str) -> Path:
        """Builds the check for a target, once, whichever thread asks first.

        Args:
            target: `"host"`, `"sanitize"`, or a core.

        Returns:
            The program.

        Raises:
            RuntimeError: if it does not build; holds what the compiler said.
        """
        name = _TARGETS.get(target, f"{target}/check.elf")
        program = self.build_directory / name
        with self._locks[target]:
            if not program.is_file():
                line = ["make", "-s", "-C", str(self._copy), "-f", "Makefile"]
                line += [f"build/{name}", "BUILD=build", *self._options]
                _call(line, f"The bundle does not build for {target}")
        return program

    def run(self, target: str, stage: str, data: bytes = b"", options: str = ""):
        """Runs a stage of the check; see `check/check.c`.

        Args:
            target: `"host"`, `"sanitize"`, or a core.
            stage: such as `"network"`.
            data: its input file.
            options: of QEMU.

        Returns:
            Its output file, bytes.

        Raises:
            RuntimeError: if it fails; holds what it said.
        """
        program = self.build(target)
        with tempfile.TemporaryDirectory(dir=self._folder.name) as folder:
            (Path(folder) / "in").write_bytes(data)
            line = [str(program), stage, "in", "out"]
            if is_core(target):
                script = self._copy / "qemu" / "run.sh"
                line = ["sh", str(script), target, str(program), stage, "in", "out"]
            environment = {**os.environ, "QEMU_OPTIONS": options}
            _call(line, f"The check failed on {target}", folder, environment)
            return (Path(folder) / "out").read_bytes()

    def costs(self, core: str, data: bytes, stages: bool, stride: int = 1) -> CoreCosts:
        """Measures flash, stack and instructions on an emulated core.

        Args:
            core: a core.
            data: recordings as of `golden.pcm_bytes`, or frames of int8 features.
            stages: whether the bundle has features and decoder.
            stride: input frames per output frame, in one of which all work is done.

        Returns:
            The costs.
        """
        counts = self._counts(core, data, stride)
        ticks, frames = counts[1:4].astype(float), np.maximum(counts[4:7], 1)
        found = np.rint(ticks / counts[0] * _CALIBRATION / frames).astype(int)
        named = dict(
            zip(("features", "network", "decoder"), found.tolist(), strict=True)
        )
        if not stages:
            named = {"network": named["network"]}
        named["total"] = sum(named.values())
        return CoreCosts(self._flash(core), self._stack(core), named)

    def _counts(self, core, data, stride):
        """Returns the ticks: fine ones, where the coarse ones say that they fit."""

        def count(shift):
            options = f"-icount shift={shift}"
            return np.frombuffer(self.run(core, "count", data, options), "<u8")

        coarse = count(1)
        most = stride * (coarse[1:4] / np.maximum(coarse[4:7], 1)).max() / coarse[0]
        if most * _CALIBRATION > _COUNTED_COARSELY:
            raise RuntimeError("more instructions per frame than can be counted")
        return coarse if most * _CALIBRATION > _COUNTED_FINELY else count(6)

    def undefined_symbols(self, core: str) -> list[str]:
        """Lists what the library's object files need from elsewhere."""
        self.build(core)
        objects = sorted((self.build_directory / core).glob("*.o"))
        nm = "riscv64-unknown-elf-nm" if core == "rv32" else "arm-none-eabi-nm"
        listed = _call([nm, *map(str, objects)], f"{nm} failed").splitlines()
        parts = [text.split() for text in listed if text]
        undefined = {p[1] for p in parts if len(p) == 2 and p[0] == "U"}
        return sorted(undefined - {p[2] for p in parts if len(p) == 3})

    def _flash(self, core):
        objects = sorted((self.build_directory / core).glob("*.o"))
        line = ["arm-none-eabi-size", "-t", *map(str, objects)]
        total = _call(line, "arm-none-eabi-size failed").splitlines()[-1].split()
        return int(total[0]) + int(total[1])  # text, and data that flash holds too

    def _stack(self, core):
        """Adds up the deepest chain of calls that the compiler has seen."""
        sizes, calls = {}, {}
        for graph in (self.build_directory / core).glob("*.ci"):
            text = graph.read_text()
            for title, label in re.findall(
                r'node: { title: "(.*?)" label: "(.*?)"', text
            ):
                size = re.search(r"(\d+) bytes", label)
                if size:
                    sizes[title] = int(size[1])
            edges = r'edge: { sourcename: "(.*?)" targetname: "(.*?)"'
            for source, called in re.findall(edges, text):
                calls.setdefault(source, set()).add(called)
        # Through pointers the library calls `report` alone, but for the user's own.
        reports = [name for name in sizes if name.endswith("recognizer.c:report")]
        sizes["__indirect_call"] = max((sizes[name] for name in reports), default=0)
        return max(_depth(name, sizes, calls, ()) for name in sizes)


def _depth(name, sizes, calls, above):
    if name in above:
        raise RuntimeError(f"The C code calls itself: {' > '.join((*above, name))}")
    deeper = [_depth(c, sizes, calls, (*above, name)) for c in calls.get(name, ())]
    return sizes.get(name, 0) + max(deeper, default=0)


def _call(line, failure, folder=None, environment=None):
    try:
        done = subprocess.run(
            line,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{failure}: not done after {_TIMEOUT_S} s") from error
    if done.returncode:
        said = (done.stderr + done.stdout).strip()
        raise RuntimeError(f"{failure} (code {done.returncode}): {said}")
    return done.stdout


def measure_cores(
    bundle: str | Path, data: bytes, stages: bool, stride: int = 1
) -> dict | None:
    """Measures the costs on all cores.

    Args:
        bundle: its directory.
        data: see `Workbench.costs`.
        stages: see `Workbench.costs`.
        stride: see `Workbench.costs`.

    Returns:
        `CoreCosts` as dicts by core; None where a tool is missing or fails.
    """
    if missing_tools("m4"):
        return None
    try:
        with Workbench(bundle) as bench:
            costs = {core: bench.costs(core, data, stages, stride) for core in CORES}
    except RuntimeError as error:  # a conversion does not fail for want of a budget
        _logger.warning("The costs on emulated cores were not measured: %s", error)
        return None
    return {core: dataclasses.asdict(found) for core, found in costs.items()}
