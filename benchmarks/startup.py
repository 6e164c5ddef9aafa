"""Seconds until the package is imported, and until the command has given help.

    python benchmarks/startup.py

Each line runs in processes of its own; the median of all but the first is printed.
"""

import argparse
import statistics
import subprocess
import sys
import time

COMMAND = "import sys; from keras_rnn2dnn.cli import main; sys.exit(main())"
LINES = {
    "python": ("pass",),
    "import keras_rnn2dnn": ("import keras_rnn2dnn",),
    "rnn2dnn --version": (COMMAND, "--version"),
    "rnn2dnn --help": (COMMAND, "--help"),
    "rnn2dnn align --help": (COMMAND, "align", "--help"),
    "rnn2dnn unknown": (COMMAND, "unknown"),
}


def seconds(line):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", *line], capture_output=True)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9, metavar="N")
    runs = parser.parse_args().runs
    print("| | seconds |\n|---|---|")
    for name, line in LINES.items():
        seconds(line)  # reads the files
        median = statistics.median(seconds(line) for _ in range(runs))
        print(f"| `{name}` | {median:.2f} |")


if __name__ == "__main__":
    main()
