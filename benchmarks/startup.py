"""Seconds until the package is imported, and until the command has given help.

    python benchmarks/startup.py
    python benchmarks/startup.py --bundle BUNDLE --python PYTHON PYTHON

Each line runs in processes of its own; the median of all but the first is printed.
With a bundle, `rnn2dnn listen` hears its golden recordings from a microphone that is
none, in real time: seconds until it listens, and of a core until it has ended without
any audio; the most memory; and the share of a core for the audio alone. Of each engine
in each Python, where the package is the one here.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMAND = "import sys; from keras_rnn2dnn.cli import main; sys.exit(main())"
LINES = {
    "python": ("pass",),
    "import keras_rnn2dnn": ("import keras_rnn2dnn",),
    "rnn2dnn --version": (COMMAND, "--version"),
    "rnn2dnn --help": (COMMAND, "--help"),
    "rnn2dnn align --help": (COMMAND, "align", "--help"),
    "rnn2dnn unknown": (COMMAND, "unknown"),
}
# In the place of the package `sounddevice`: each block comes at its time.
MICROPHONE = """
import os, threading, time
import numpy as np


class PortAudioError(Exception):
    pass


class InputStream:
    def __init__(self, samplerate, blocksize, callback, finished_callback, **options):
        self.rate, self.size, self.callback = samplerate, blocksize, callback
        self.finished = finished_callback

    def __enter__(self):
        self.thread = threading.Thread(target=self.hear)
        self.thread.start()

    def __exit__(self, *_):
        self.thread.join()

    def hear(self):
        size, rate = self.size, self.rate
        count = int(float(os.environ["SECONDS"]) * rate) // size
        pcm = np.resize(np.fromfile(os.environ["PCM"], "<i2"), count * size)
        begin = time.perf_counter()
        for number, block in enumerate(pcm.reshape(count, size), 1):
            time.sleep(max(0, begin + number * size / rate - time.perf_counter()))
            self.callback(block[:, None], size, None, "")
        self.finished()
"""


def seconds(line):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", *line], capture_output=True)
    return time.perf_counter() - start


def listened(python, bundle, engine, folder, audio_s):
    """Returns seconds until it listens, those of the processor, and megabytes."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
    environment |= {"SECONDS": str(audio_s), "PCM": str(Path(folder) / "pcm")}
    line = [python, "-c", COMMAND, "listen", bundle, "--engine", engine]
    start = time.perf_counter()
    process = subprocess.Popen(
        line,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = process.stderr.readline()
    took = time.perf_counter() - start
    said += process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or "Listening at" not in said:
        raise RuntimeError(said)
    return took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def row(python, bundle, engine, folder, runs, audio_s):
    listened(python, bundle, engine, folder, 0)  # reads the files, and compiles
    starts = [listened(python, bundle, engine, folder, 0) for _ in range(runs)]
    start_s, busy_s, _ = (statistics.median(kind) for kind in zip(*starts, strict=True))
    _, whole_s, megabytes = listened(python, bundle, engine, folder, audio_s)
    share = (whole_s - busy_s) / audio_s
    found = f"{start_s:.2f} | {busy_s:.2f} | {megabytes:.0f} | {100 * share:.1f}"
    return f"| {engine} | {found} |"


def table(options):
    sys.path.insert(0, str(ROOT))
    from keras_rnn2dnn.deploy.golden import read_pcm

    recordings = Path(options.bundle) / "golden" / "recordings.pcm"
    spoken = read_pcm(recordings.read_bytes())[8:]  # behind the signals
    for python in options.python:
        print(f"{python}, {options.audio} s of audio\n")
        print("| engine | s until it listens | s of a core | MB | % of a core |")
        print("|---|---:|---:|---:|---:|")
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "sounddevice.py").write_text(MICROPHONE)
            with open(Path(folder) / "pcm", "wb") as file:
                for pcm in spoken:
                    file.write(pcm.tobytes())
            for engine in options.engine:
                given = folder, options.runs, options.audio
                print(row(python, options.bundle, engine, *given), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9, metavar="N")
    parser.add_argument("--bundle", help="with real recordings among its golden ones")
    parser.add_argument("--python", nargs="+", default=[sys.executable])
    parser.add_argument("--engine", nargs="+", default=["c", "numpy"])
    parser.add_argument("--audio", type=float, default=20, metavar="SECONDS")
    options = parser.parse_args()
    if options.bundle:
        table(options)
        return
    print("| | seconds |\n|---|---|")
    for name, line in LINES.items():
        seconds(line)  # reads the files
        median = statistics.median(seconds(line) for _ in range(options.runs))
        print(f"| `{name}` | {median:.2f} |")


if __name__ == "__main__":
    main()
