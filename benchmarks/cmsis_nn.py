"""Instructions, flash and RAM of a keyword network: this library's C code and CMSIS-NN.

    python -m benchmarks.cmsis_nn --cmsis CMSIS-NN [--student student.keras]

`--cmsis` is a checkout of https://github.com/ARM-software/CMSIS-NN. The same int8
weights, multipliers and shifts run through its `arm_*_s8` functions, called as
TensorFlow Lite Micro calls them, and through the C code of a bundle, on an emulated
Cortex-M4F. The outputs of golden clips must be the same to the bit. Printed
is one table: both compiled with -O2 and -O3, CMSIS-NN with and without its inline
assembly; the ratio is that to this library with -O2, as bundles are compiled.

Without `--student` it is `ds_cnn_student(10, 12)`, the network of MLPerf Tiny's
keywords, with random weights. Flash is code and tables of what is reached, RAM what
layers need between them: images, and what is gathered. An interpreter is in neither.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import keras
import numpy as np
from keras.saving import load_model

from benchmarks.cmsis_network import network_source
from keras_rnn2dnn import convert, ds_cnn_student
from keras_rnn2dnn.deploy import golden
from keras_rnn2dnn.deploy.loading import load_bundle
from keras_rnn2dnn.deploy.toolchain import Workbench
from keras_rnn2dnn.util.errors import invalid

COMPILER = "arm-none-eabi-gcc"
CORE = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]
CORE += ["-ffunction-sections", "-fdata-sections", "-fcallgraph-info=su"]
FOLDERS = ("Convolution", "FullyConnected", "NNSupport", "Pooling")
LEVELS = ("-O2", "-O3")
ASSEMBLY = "-DCMSIS_NN_USE_REQUANTIZE_INLINE_ASSEMBLY"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--cmsis", type=Path, required=True, help="a checkout of CMSIS-NN"
    )
    parser.add_argument("--student", type=Path, help="of whole clips, a .keras file")
    options = parser.parse_args()
    sources = cmsis_sources(options.cmsis)
    with tempfile.TemporaryDirectory() as folder:
        bundle = make_bundle(options.student, Path(folder))
        own = Path(folder) / "network.c"
        own.write_text(network_source(bundle.network.layers))
        rows = [
            (f"this library, {level}", of_bundle(bundle, level)) for level in LEVELS
        ]
        for more in ([], [ASSEMBLY]):
            for level in LEVELS:
                flags = [level, *more, f"-I{options.cmsis / 'Include'}"]
                name = f"CMSIS-NN, {level}{', inline assembly' if more else ''}"
                rows.append((name, of_sources(bundle, [own, *sources], flags)))
    print("| kernels | instructions a clip | ratio | flash | RAM | stack |")
    print("|---|---:|---:|---:|---:|---:|")
    ours = rows[0][1]["instructions"]
    for name, costs in rows:
        ratio = f"{costs['instructions'] / ours:.2f}"
        numbers = [f"{costs[key]:,}" for key in ("flash", "ram", "stack")]
        values = [name, f"{costs['instructions']:,}", ratio, *numbers]
        print("|", " | ".join(values), "|")


def cmsis_sources(directory: Path) -> list[Path]:
    """Returns the sources of int8 kernels in a checkout.

    Raises:
        ValueError: if it is none.
    """
    found = [
        path
        for folder in FOLDERS
        for path in sorted((directory / "Source" / f"{folder}Functions").glob("*.c"))
        if "f16" not in path.name and "f32" not in path.name and "flt" not in path.name
    ]
    header = directory / "Include" / "arm_nnfunctions.h"
    if header.is_file() and any(p.name == "arm_convolve_wrapper_s8.c" for p in found):
        return found
    expected = "a checkout of CMSIS-NN, with Include/arm_nnfunctions.h and Source/"
    hint = "git clone https://github.com/ARM-software/CMSIS-NN"
    raise ValueError(invalid("--cmsis", expected, str(directory), hint))


def make_bundle(student: Path | None, folder: Path):
    """Converts a student, or the one of the table, calibrated on noise.

    Raises:
        ValueError: if the C code does not run it as images, or its outputs are the
            same for most clips, so that comparing them would prove nothing.
    """
    keras.utils.set_random_seed(0)
    model = ds_cnn_student(10, 12) if student is None else load_model(student)
    rng, size = np.random.default_rng(0), (240, *model.input_shape[1:])
    clips = rng.standard_normal(size)
    for axis in (1, 2):  # else their means are alike, and the outputs the same
        each = [n if k in (0, axis) else 1 for k, n in enumerate(size)]
        clips += 2 * rng.standard_normal(each)
    convert(model, folder / "bundle", clips.astype(np.float32))
    bundle = load_bundle(folder / "bundle")
    if bundle.network is None or not bundle.network.is_images:
        expected = "a student of whole clips, which the C code runs as images"
        raise ValueError(invalid("--student", expected, str(student)))
    outputs = np.frombuffer(bundle.golden("network_outputs.s8"), np.int8)
    outputs = outputs.reshape(-1, bundle.network.num_classes)
    distinct = len(np.unique(outputs, axis=0))
    if 2 * distinct < len(outputs):
        expected = "other outputs for other clips, to be compared"
        raise ValueError(invalid("--student", expected, f"{distinct} outputs"))
    return bundle


def of_bundle(bundle, level: str) -> dict[str, int]:
    """Measures the bundle's own C code."""
    with Workbench(bundle.directory, flags=level) as bench:
        costs = costs_in(bench, bundle)
        ram = np.frombuffer(bench.run("m4", "sizes"), "<u4")[4]
    return costs | {"ram": int(ram)}


def of_sources(bundle, sources: list[Path], flags: list[str]) -> dict[str, int]:
    """Measures other sources that define `network_run`.

    Raises:
        RuntimeError: if their outputs are not the bundle's.
    """
    with Workbench(bundle.directory) as bench:
        parts = bench.build_directory / "parts"
        made = bench.build_directory / "m4"
        parts.mkdir(parents=True)
        made.mkdir()
        root = bench.build_directory.parent
        flags = [*CORE, *flags, f"-I{root / 'c'}", f"-I{root / 'check'}"]
        for source in sources:
            run(COMPILER, *flags, "-c", source, "-o", parts / f"{source.stem}.o")
        for graph in parts.glob("*.ci"):
            graph.rename(made / graph.name)
        # What `network_run` reaches alone, with what it needs of the C library.
        whole = made / "network.o"
        line = ["-r", "-nostdlib", "-Wl,--gc-sections,-e,network_run", "-o", whole]
        run(COMPILER, *CORE, *line, *sorted(parts.glob("*.o")), "-lc", "-lgcc")
        line = ["-nostartfiles", "-L", root / "qemu", "-T", root / "qemu" / "mps2.ld"]
        line += [root / "check" / "check.c", root / "qemu" / "startup.c", whole]
        run(COMPILER, *flags, *line, "-lgcc", "-o", made / "check.elf")
        data = bundle.golden("network_inputs.s8")
        if bench.run("m4", "network", data) != bundle.golden("network_outputs.s8"):
            raise RuntimeError(f"other outputs than the bundle's with {flags}")
        costs = costs_in(bench, bundle)
        ram = int(
            run(COMPILER.replace("gcc", "size"), whole).splitlines()[1].split()[2]
        )
    return costs | {"ram": ram}


def costs_in(bench, bundle) -> dict[str, int]:
    """Returns what is measured on the emulated core."""
    files = {"golden/network_inputs.s8": bundle.golden("network_inputs.s8")}
    data = golden.counted_input(files, bundle.network)
    found = bench.costs("m4", data, stages=False)
    return {
        "instructions": found.instructions_per_frame["total"],
        "flash": found.flash_bytes,
        "stack": found.stack_bytes,
    }


def run(*line) -> str:
    """Runs a program; its errors are seen."""
    done = subprocess.run([*map(str, line)], check=True, stdout=subprocess.PIPE)
    return done.stdout.decode()


if __name__ == "__main__":
    main()
