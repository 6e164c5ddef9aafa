"""The stage of `verify` that checks the check: a changed table must be found."""

import dataclasses
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from keras_rnn2dnn.deploy import golden
from keras_rnn2dnn.deploy.device.decoder import search
from keras_rnn2dnn.deploy.device.network import gathered, run_network
from keras_rnn2dnn.deploy.loading import Bundle
from keras_rnn2dnn.deploy.toolchain import Workbench
from keras_rnn2dnn.deploy.verify.outcome import NOT_RUN, Outcome, judged, on_targets

# Header with the table, stage that reads it, what it is given and what it must give.
_NETWORK = ("model.h", "network", "network_inputs.s8", "network_outputs.s8")
_FEATURES = ("features_table.h", "features", "recordings.pcm", "features.f32")
_WORDS = ("decoder_table.h", "words", "recordings.pcm", "words.u32")


def mutations(bundle: Bundle, bench: Workbench, _: Sequence) -> Iterator[Outcome]:
    """Changes one number at a time in a copy; the golden outputs must not be met."""
    last = len(bundle.network.layers) - 1
    changes = [
        (f"a weight of the {which} layer by one", f"weights_{number}", place, _NETWORK)
        for which, number in (("first", 0), ("last", last))
        for place in [_telling_weight(bundle, number)]
    ]
    if bundle.recognizer is not None:
        half, eighth = (
            bundle.recognizer.spec.frame_length // 2,
            bundle.recognizer.spec.fft_length // 8,
        )
        changes += [
            ("a mel weight", "features_mel_weights", 0, _FEATURES),
            ("a value of the window", "features_window", half, _FEATURES),
            ("a cosine of the FFT", "features_cosine", eighth, _FEATURES),
        ]
    if bundle.recognizer is not None and bundle.recognizer.is_word_loop:
        what, node = "a state of the decoder", _telling_node(bundle)
        if node is None:
            text = "no word in golden/ hangs on a single state: convert with recordings"
            yield Outcome(f"mutation: {what}", NOT_RUN, text, optional=True)
        else:
            changes.append((what, "decoder_state_of_node", node, _WORDS))
    for what, name, place, files in changes:

        def check(stage, _, change=(name, place, *files)):
            differing = _differing(bundle, *change)
            return judged(stage, differing > 0, f"{differing:,} golden bytes not met")

        yield from on_targets("mutation", {"host": what}, check)


def _telling_weight(bundle, number):
    """Returns the place of a weight that meets the largest inputs and is heard."""
    layers = bundle.network.layers
    windows = np.frombuffer(bundle.golden("network_inputs.s8"), np.int8)
    x = windows.reshape(-1, bundle.network.field.window, bundle.network.num_features)
    outputs = run_network(layers[: number + 1], x).astype(float)
    outputs = outputs.reshape(len(x), layers[number].frames, -1)
    row = int(outputs.std(axis=(0, 1)).argmax())  # not a unit that is always 0
    before = run_network(layers[:number], x) if number else x.reshape(len(x), -1)
    met = gathered(layers[number], before).astype(float).std(axis=(0, 1))
    return row * layers[number].weights.shape[1] + int(met.argmax())


def _telling_node(bundle):
    """Returns a node whose state, changed as by `mutated`, gives other words or times.

    None where there is none.
    """
    recognizer, tables = bundle.recognizer, bundle.recognizer.tables
    recordings = golden.read_pcm(bundle.golden("recordings.pcm"))
    logits = [recognizer.logits(pcm) for pcm in recordings]
    expected = search(tables, logits)
    for node, state in enumerate(tables.state_of_node):
        states = tables.state_of_node.copy()
        states[node] += -1 if state > 0 else 1
        changed = dataclasses.replace(tables, state_of_node=states)
        if states.max() < len(tables.offset) and search(changed, logits) != expected:
            return node
    return None


def _differing(bundle, name, place, header, stage, given, expected):
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "bundle"
        ignored = shutil.ignore_patterns("golden", "build", "tflm")
        shutil.copytree(bundle.directory, copy, ignore=ignored)
        path = copy / "c" / header
        path.chmod(0o644)
        path.write_text(mutated(path.read_text(), name, place))
        with Workbench(copy) as bench:
            found = bench.run("host", stage, bundle.golden(given))
    expected = bundle.golden(expected)
    if len(found) != len(expected):
        return len(expected)
    pair = [np.frombuffer(data, np.uint8) for data in (found, expected)]
    return int((pair[0] != pair[1]).sum())


def mutated(header: str, name: str, place: int) -> str:
    r"""Changes a number of a table in a header: integers by one, floats by 2^-16.

    Args:
        header: the text.
        name: of the table.
        place: of the number.

    Example:
        >>> mutated("static const int8_t w[3] = {\n    1, -7, 3\n};", "w", 1)
        'static const int8_t w[3] = {\n    1, -6, 3\n};'
    """
    table = re.search(rf"\b{name}\[\d+\] = {{([^}}]*)}}", header)
    numbers = list(re.finditer(r"[^\s,]+", table[1]))
    start = table.start(1) + numbers[place].start()
    end = table.start(1) + numbers[place].end()
    return header[:start] + _changed(header[start:end]) + header[end:]


def _changed(number):
    if number.endswith("f"):
        return f"{np.float32(number[:-1]) * np.float32(1 - 2**-16)}f"
    value = int(number)
    return str(value - 1 if value > 0 else value + 1)  # stays within its type
