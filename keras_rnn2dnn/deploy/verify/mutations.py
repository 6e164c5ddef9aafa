"""The stage of `verify` that checks the check: a changed table must be found."""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from keras_rnn2dnn.deploy.loading import Bundle
from keras_rnn2dnn.deploy.toolchain import Workbench, missing_tools
from keras_rnn2dnn.deploy.verify.outcome import Outcome, judged, missing, not_in_bundle


def mutations(bundle: Bundle, bench: Workbench, _: Sequence) -> Iterator[Outcome]:
    """Changes one number at a time in a copy; the golden outputs must not be met."""
    if bundle.network is None:
        stage = "mutations"
        yield not_in_bundle(stage, "the C code does not run this student")
        return
    last = len(bundle.network.layers) - 1
    changes = [
        ("a weight of the first layer by one", "model.h", "weights_0", _by_one),
        ("a weight of the last layer by one", "model.h", f"weights_{last}", _by_one),
        ("a bias by one", "model.h", f"bias_{last}", _by_one),
    ]
    if bundle.recognizer is not None:
        table = "features_table.h"
        changes += [
            ("a mel weight", table, "features_mel_weights", _next_float),
            ("a value of the window", table, "features_window", _next_float),
            ("a cosine of the FFT", table, "features_cosine", _next_float),
        ]
    for what, header, name, change in changes:
        stage = f"mutation: {what}"
        if missing_tools("host"):
            yield missing(stage, missing_tools("host"))
        else:
            differing = _differing(bundle, header, name, change)
            text = f"{differing:,} golden bytes are not met"
            yield judged(stage, differing > 0, text)


def _differing(bundle, header, name, change):
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "bundle"
        ignored = shutil.ignore_patterns("golden", "build", "tflm")
        shutil.copytree(bundle.directory, copy, ignore=ignored)
        path = copy / "c" / header
        path.write_text(mutated(path.read_text(), name, change))
        stage, given, expected = ("features", "recordings.pcm", "features.f32")
        if header == "model.h":
            stage, given = "network", "network_inputs.s8"
            expected = "network_outputs.s8"
        with Workbench(copy) as bench:
            found = bench.run("host", stage, bundle.golden(given))
    expected = bundle.golden(expected)
    if len(found) != len(expected):
        return len(expected)
    pair = [np.frombuffer(data, np.uint8) for data in (found, expected)]
    return int((pair[0] != pair[1]).sum())


def mutated(header: str, name: str, change: Callable[[str], str]) -> str:
    r"""Changes the largest number of a table in a header.

    Args:
        header: the text.
        name: of the table.
        change: of the number's text.

    Example:
        >>> mutated("static const int8_t w[3] = {\n    1, -7, 3\n};", "w", _by_one)
        'static const int8_t w[3] = {\n    1, -6, 3\n};'
    """
    table = re.search(rf"\b{name}\[\d+\] = {{([^}}]*)}}", header)
    numbers = list(re.finditer(r"[^\s,]+", table[1]))
    largest = max(numbers, key=lambda n: abs(float(n[0].rstrip("f"))))
    start = table.start(1) + largest.start()
    end = table.start(1) + largest.end()
    return header[:start] + change(header[start:end]) + header[end:]


def _by_one(text):
    """One step towards 0, so that it stays within its type."""
    return str(int(text) - 1 if int(text) > 0 else int(text) + 1)


def _next_float(text):
    value = np.float32(text.rstrip("f"))
    return f"{np.nextafter(value, np.float32(0))}f"
