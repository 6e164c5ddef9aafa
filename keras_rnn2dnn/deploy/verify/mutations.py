"""The stage of `verify` that checks the check: a changed table must be found."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from keras_rnn2dnn.deploy import golden
from keras_rnn2dnn.deploy.c_prefix import prefixed
from keras_rnn2dnn.deploy.device.features import device_features, feature_tables
from keras_rnn2dnn.deploy.device.images.operators import DEPTHWISE
from keras_rnn2dnn.deploy.device.images.running import run_images
from keras_rnn2dnn.deploy.device.keywords import SpotterTables
from keras_rnn2dnn.deploy.device.network import gathered, run_network
from keras_rnn2dnn.deploy.loading import Bundle
from keras_rnn2dnn.deploy.toolchain import Workbench
from keras_rnn2dnn.deploy.verify.changes import (
    Change,
    shorter_by,
    smaller,
    unmet_bytes,
)
from keras_rnn2dnn.deploy.verify.normalized import heard_window
from keras_rnn2dnn.deploy.verify.outcome import NOT_RUN, Outcome, judged, on_targets

# Header with the table, stage that reads it, what it is given and what it must give.
_NETWORK = ("model.h", "network", "network_inputs.s8", "network_outputs.s8")
_FEATURES = ("features_table.h", "features", "recordings.pcm", "features.f32")
_WORDS = ("decoder_table.h", "words", "recordings.pcm", "words.u32")

_TRIED = 3  # changes of a table
_MOST_LOOKED_AT = 64
_WINDOWS_HEARD = 20  # of a network of two-dimensional layers


def mutations(bundle: Bundle, bench: Workbench, _: Sequence) -> Iterator[Outcome]:
    """Changes one number at a time in a copy; the golden outputs must not be met.

    Only numbers are changed which numpy says are heard in `golden/`: what no output
    depends on cannot be found by any check, and is no fault of a bundle.
    """
    for what, found in _all_changes(bundle):
        changes = list(itertools.islice(found, _TRIED))
        if not changes:
            text = "no such change is heard in golden/: convert with recordings"
            yield Outcome(f"mutation: {what}", NOT_RUN, text, optional=True)
            continue

        def check(stage, _, changes=changes):
            differing = [
                unmet_bytes(
                    bundle, c, bundle.golden(c.given), bundle.golden(c.expected)
                )
                for c in changes
            ]
            caught = sum(count > 0 for count in differing)
            text = f"{caught} of {len(changes)} changes caught"
            text += f", {sum(differing):,} golden bytes not met"
            return judged(stage, caught == len(changes), text)

        yield from on_targets("mutation", {"host": what}, check)


def _all_changes(bundle) -> Iterator[tuple[str, Iterator[Change]]]:
    for which in ("first", "last"):
        what = f"a weight of the {which} layer by one"
        of_images = bundle.network.is_images
        heard = _heard_weights_of_images if of_images else _heard_weights
        yield what, heard(bundle, which == "last")
    if bundle.recognizer is None:
        return
    yield "a mel weight", _heard_values(bundle, "mel_weights", _mel_places)
    yield "a value of the window", _heard_values(bundle, "window", _window_places)
    yield "a cosine of the FFT", _heard_values(bundle, "cosine", _cosine_places)
    yield "a mean of the features", _heard_values(bundle, "mean", _mean_places)
    tables = feature_tables(bundle.recognizer.spec)
    if tables.pcen:
        yield "the bias of PCEN", _heard_bias(bundle)
    if tables.cepstra is not None:
        yield "a weight of the cepstra", _heard_values(bundle, "cepstra", _cepstra)
    if bundle.recognizer.spec.example_norm != "none":
        yield "a frame of the clip", heard_window(bundle)
    reporting = bundle.recognizer.decoder.reporting
    if bundle.recognizer.is_word_loop:
        yield "a state of the decoder", _heard_states(bundle, "state_of_node")
    if reporting.decide_ms is None:
        return
    yield "the silence that ends an utterance", _heard_silence(bundle)
    if bundle.recognizer.is_word_loop:
        yield "a state of no word", _heard_states(bundle, "background")
    elif isinstance(bundle.recognizer.tables, SpotterTables):
        yield "a class that is no keyword", _heard_classes(bundle)
        yield "an exponential of the posteriors", _heard_exponentials(bundle)
        yield "the windows that are averaged", _heard_smoothing(bundle)
    else:
        yield "the scale of confidences", _heard_slope(bundle)


def _heard_weights_of_images(bundle, of_last) -> Iterator[Change]:
    """As `_heard_weights`, of a network of two-dimensional layers."""
    network = bundle.network.layers
    numbers = [k for k, one in enumerate(network.operators) if one.weights is not None]
    number = numbers[-of_last]
    operator = network.operators[number]
    windows = np.frombuffer(bundle.golden("network_inputs.s8"), np.int8)
    windows = windows.reshape(-1, bundle.network.inputs)[-_WINDOWS_HEARD:]
    expected = run_images(network, windows)
    order = np.argsort(-np.abs(operator.weights.astype(int)), axis=None, kind="stable")
    for place in order[:_MOST_LOOKED_AT].tolist():
        weights = operator.weights.copy()
        weights.flat[place] += -1 if weights.flat[place] > 0 else 1
        operators = list(network.operators)
        operators[number] = dataclasses.replace(operator, weights=weights)
        changed = dataclasses.replace(network, operators=tuple(operators))
        if not np.array_equal(run_images(changed, windows), expected):
            row, column = divmod(place, weights.shape[1])
            if operator.kind == DEPTHWISE:
                place = column * weights.shape[0] + row
            yield Change(f"weights_{number}", place, *_NETWORK)


def _heard_weights(bundle, of_last) -> Iterator[Change]:
    """Finds weights which, changed by one, change an output for a golden window."""
    layers = bundle.network.layers
    number = len(layers) - 1 if of_last else 0
    layer, rest = layers[number], layers[number + 1 :]
    windows = np.frombuffer(bundle.golden("network_inputs.s8"), np.int8)
    x = windows.reshape(-1, bundle.network.inputs)
    before = run_network(layers[:number], x) if number else x
    own = run_network([layer], before)
    expected = run_network(rest, own) if rest else own
    rows = own.astype(float).reshape(len(x), layer.frames, -1).std(axis=(0, 1))
    met = gathered(layer, before).astype(float).std(axis=(0, 1))
    for row, column in _pairs(np.argsort(-rows), np.argsort(-met)):
        weights = layer.weights.copy()
        weights[row, column] += -1 if weights[row, column] > 0 else 1
        changed = dataclasses.replace(layer, weights=weights)
        if not np.array_equal(run_network([changed, *rest], before), expected):
            place = int(row) * layer.weights.shape[1] + int(column)
            yield Change(f"weights_{number}", place, *_NETWORK)


def _pairs(rows, columns):
    """Yields pairs of what comes early in both, each row and column first once."""
    count = min(_MOST_LOOKED_AT, len(rows) * len(columns))
    for k in range(count):
        lap = k // min(len(rows), len(columns))
        yield rows[k % len(rows)], columns[(k + lap) % len(columns)]


def _heard_values(bundle, name, places) -> Iterator[Change]:
    """Finds values of a table of the features that change a golden feature."""
    tables, recordings = feature_tables(bundle.recognizer.spec), _loudest_first(bundle)
    table = prefixed(f"features_{name}", bundle.prefix)
    for place, changed in places(bundle, tables):
        other = dataclasses.replace(tables, **{name: changed})
        if _are_heard(bundle, recordings, other):
            yield Change(table, place, *_FEATURES)


def _heard_bias(bundle) -> Iterator[Change]:
    """Gives the change of a constant, as a value of a table is changed."""
    tables = feature_tables(bundle.recognizer.spec)
    pcen = dataclasses.replace(tables.pcen, bias=smaller(tables.pcen.bias))
    other = dataclasses.replace(tables, pcen=pcen)
    if _are_heard(bundle, _loudest_first(bundle), other):
        yield Change(prefixed("FEATURES_BIAS", bundle.prefix.upper()), 0, *_FEATURES)


def _are_heard(bundle, recordings, tables):
    spec = bundle.recognizer.spec
    return any(
        device_features(pcm, spec, tables).tobytes()
        != device_features(pcm, spec).tobytes()
        for pcm in recordings
    )


def _loudest_first(bundle):
    recordings = golden.read_pcm(bundle.golden("recordings.pcm"))
    return sorted(recordings, key=lambda pcm: -float(np.std(pcm)) if len(pcm) else 0)


def _mel_places(bundle, tables):
    """The largest weight of each triangle."""
    start = 0
    for bin_, weights in enumerate(tables.mel_weights):
        if len(weights):
            largest = int(weights.argmax())
            changed = list(tables.mel_weights)
            changed[bin_] = weights.copy()
            changed[bin_][largest] = smaller(weights[largest])
            yield start + largest, tuple(changed)
        start += len(weights)


def _window_places(bundle, tables):
    for place in np.argsort(-tables.window)[:_MOST_LOOKED_AT].tolist():
        changed = tables.window.copy()
        changed[place] = smaller(changed[place])
        yield place, changed


def _mean_places(bundle, tables):
    for place in np.argsort(-np.abs(tables.mean)).tolist():
        changed = tables.mean.copy()
        changed[place] = smaller(changed[place])
        yield place, changed


def _cepstra(bundle, tables):
    """The largest weights, each of which changes one cepstrum."""
    order = np.argsort(-np.abs(tables.cepstra), axis=None, kind="stable")
    for place in order[:_MOST_LOOKED_AT].tolist():
        changed = tables.cepstra.copy()
        changed.flat[place] = smaller(changed.flat[place])
        yield place, changed


def _cosine_places(bundle, tables):
    """Those before the right angle, which stand for those beyond it too."""
    half = len(tables.cosine)
    path = bundle.directory / "c" / prefixed("features_table.h", bundle.prefix)
    whole = f"features_cosine[{half}]" in path.read_text()  # of earlier versions
    for k in sorted(range(1, half // 2), key=lambda k: abs(k - half // 4)):
        changed = tables.cosine.copy()
        changed[k] = smaller(changed[k])
        if not whole:
            changed[half - k] = -changed[k]
        yield k if whole else k - 1, changed


def _heard_states(bundle, name) -> Iterator[Change]:
    """Finds states in a table of the decoder which, changed by one, are heard."""
    tables = bundle.recognizer.tables
    for place, state in enumerate(getattr(tables, name)[:_MOST_LOOKED_AT]):
        states = getattr(tables, name).copy()
        states[place] += -1 if state > 0 else 1
        changed = dataclasses.replace(tables, **{name: states})
        if states.max() < len(tables.offset) and _is_heard(bundle, tables=changed):
            yield Change(prefixed(f"decoder_{name}", bundle.prefix), place, *_WORDS)


def _heard_slope(bundle) -> Iterator[Change]:
    """Finds whether a confidence changes with the scale of the logits of CTC."""
    tables = bundle.recognizer.tables
    changed = dataclasses.replace(tables, slope=tables.slope - 1)
    if _is_heard(bundle, tables=changed):
        yield Change(prefixed("DECODER_SLOPE", bundle.prefix.upper()), 0, *_WORDS)


def _heard_classes(bundle) -> Iterator[Change]:
    """Finds classes that are heard, and makes none of keywords, or the reverse."""
    tables = bundle.recognizer.tables
    for place in range(min(len(tables.none), _MOST_LOOKED_AT)):
        none = tuple(is_none ^ (k == place) for k, is_none in enumerate(tables.none))
        if _is_heard(bundle, tables=dataclasses.replace(tables, none=none)):
            yield Change(prefixed("decoder_none", bundle.prefix), place, *_WORDS)


def _heard_exponentials(bundle) -> Iterator[Change]:
    """Finds exponentials by which a confidence changes: the smallest change most."""
    tables = bundle.recognizer.tables
    places = range(len(tables.exponentials) - 1, 0, -1)
    for place in list(places)[:_MOST_LOOKED_AT]:
        values = tables.exponentials.copy()
        values[place] -= np.uint64(1)
        if _is_heard(bundle, tables=dataclasses.replace(tables, exponentials=values)):
            name = prefixed("decoder_exponentials", bundle.prefix)
            yield Change(name, place, *_WORDS)


def _heard_smoothing(bundle) -> Iterator[Change]:
    """Finds whether keywords change where a window less is averaged."""
    tables = bundle.recognizer.tables
    changed = dataclasses.replace(tables, smoothed=tables.smoothed - 1)
    if tables.smoothed > 1 and _is_heard(bundle, tables=changed):
        yield Change(prefixed("DECODER_SMOOTHED", bundle.prefix.upper()), 0, *_WORDS)


def _heard_silence(bundle) -> Iterator[Change]:
    """Finds whether a shorter silence ends other utterances."""
    limits = bundle.recognizer.limits
    name = prefixed("DECODER_SILENCE_FRAMES", bundle.prefix.upper())
    for less in shorter_by(limits.silence):
        changed = dataclasses.replace(limits, silence=limits.silence - less)
        if _is_heard(bundle, limits=changed):
            yield Change(name, 0, *_WORDS, less)


def _is_heard(bundle, **changed):
    """Tells whether other tables or limits report other events in `golden/`."""
    recognizer, logits = bundle.recognizer, _golden_logits(bundle)
    other = dataclasses.replace(recognizer)
    vars(other).update(changed)  # in the place of its cached properties
    return other.events(logits) != recognizer.events(logits)


def _golden_logits(bundle):
    """Returns the logits of `golden/`, of each recording."""
    recognizer = bundle.recognizer
    recordings = golden.read_pcm(bundle.golden("recordings.pcm"))
    stride = recognizer.network.field.stride
    counts = [-(-recognizer.spec.num_frames(len(pcm)) // stride) for pcm in recordings]
    logits = np.frombuffer(bundle.golden("logits.s8"), np.int8)
    logits = logits.reshape(-1, recognizer.network.outputs)
    return np.split(logits, np.cumsum(counts)[:-1])
