"""Flash and RAM of a bundle's library, of the example that listens, of the recordings.

    python benchmarks/board_memory.py BUNDLE

Objects of GCC for Cortex-M4F with `-Os`, as the table of docs/boards.md has them: code
and constants are flash, variables RAM. What a board's own system takes is not in it.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

from keras_rnn2dnn.deploy import write_project

COMPILER = "arm-none-eabi-gcc"
FLAGS = [
    *("-std=gnu11", "-Os", "-ffreestanding", "-mcpu=cortex-m4", "-mthumb"),
    *("-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
]
GOLDEN = "listen_golden.c"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", help="directory of `convert`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = write_project(options.bundle, "arduino", Path(folder) / "project")
        example = project / "examples" / "Listen"
        parts = {
            "library": sorted((project / "src").glob("*.c")),
            "example": sorted(p for p in example.glob("*.c") if p.name != GOLDEN),
            "golden recordings": [example / GOLDEN],
        }
        include = [f"-I{path}" for path in (project / "src", example)]
        print("| | flash | RAM |\n|---|---:|---:|")
        for name, sources in parts.items():
            flash, ram = memory(sources, include, Path(folder))
            print(f"| {name} | {flash:,} | {ram:,} |")


def memory(sources: list[Path], include: list[str], folder: Path) -> tuple[int, int]:
    """Returns flash and RAM of compiled sources, in bytes."""
    flash = ram = 0
    for source in sources:
        made = folder / f"{source.stem}.o"
        line = [COMPILER, *FLAGS, *include, "-c", source, "-o", made]
        subprocess.run(line, check=True)
        line = [COMPILER.replace("gcc", "size"), made]
        sizes = subprocess.run(line, check=True, capture_output=True, text=True).stdout
        text, data, bss = map(int, sizes.splitlines()[1].split()[:3])
        flash, ram = flash + text + data, ram + data + bss
    return flash, ram


if __name__ == "__main__":
    main()
