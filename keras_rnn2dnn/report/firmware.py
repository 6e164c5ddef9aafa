"""Section: what the bundle takes in flash and RAM, and its instructions."""

from keras_rnn2dnn.report import svg
from keras_rnn2dnn.report.collect import Run
from keras_rnn2dnn.report.html import LeftOut, Section, figure, legend, table

_COLOURS = {
    "features": "blue",
    "network": "orange",
    "decoder": "green",
    "scratch": "purple",
    "stack": "sky",
    "parameters": "orange",
    "code and other tables": "black",
}
_CORES = {"m3": "Cortex-M3", "m4": "Cortex-M4", "m55": "Cortex-M55"}


def firmware(run: Run) -> Section:
    """Flash, RAM and instructions per frame, by core."""
    bundles = {fold.name: fold.bundle for fold in run.folds if fold.bundle}
    if not bundles:
        raise LeftOut(run.lacking("bundle/report.json"))
    refused = {
        name: bundle["firmware"].get("refused") or "no C code"
        for name, bundle in bundles.items()
        if not bundle["firmware"].get("ram_bytes")
    }
    missing = [f"{name}: {why}" for name, why in refused.items()]
    missing += filter(None, [run.lacking("bundle/report.json")])
    bundles = {name: b for name, b in bundles.items() if name not in refused}
    if not bundles:
        raise LeftOut("; ".join(missing))
    name, bundle = next(iter(bundles.items()))
    costs = bundle["firmware"]
    cores = costs.get("cores") or {}
    figures = []
    if cores:
        figures.append(_flash(bundle, bundles))
    else:
        missing.append(
            "flash, stack and instructions: the demo had no cross compiler or emulator"
        )
    figures.append(_ram(costs, bundles))
    if cores:
        figures.append(_instructions(cores, bundles))
    text = (
        f"Of the bundle of {name}, from PCM to words, per core; the tables hold all "
        "folds. Instructions are counted in an emulator without a model of cycles: "
        "they are no times."
    )
    return Section(text, figures, missing)


def _flash(bundle, bundles):
    parameters, bars = bundle["parameters"], []
    for core, found in bundle["firmware"]["cores"].items():
        rest = found["flash_bytes"] - parameters
        bars.append(
            (_core(core), {"parameters": parameters, "code and other tables": rest})
        )
    rows = [
        (name, _core(core), f"{b['parameters']:,}", f"{found['flash_bytes']:,}")
        for name, b in bundles.items()
        for core, found in (b["firmware"]["cores"] or {}).items()
    ]
    return _bars(
        bars,
        "Flash, bytes",
        "All that is stored. Parameters of the network take at least a byte each; "
        "scales and 32-bit biases are counted with the code.",
        table(["fold", "core", "parameters", "flash"], rows, texts=2),
    )


def _ram(costs, bundles):
    static = {k: v for k, v in costs["ram_bytes"].items() if k != "total"}
    cores = costs.get("cores") or {}
    bars = [
        (_core(core), {**static, "stack": found["stack_bytes"]})
        for core, found in cores.items()
    ] or [("static", static)]
    rows = []
    for name, bundle in bundles.items():
        ram = bundle["firmware"]["ram_bytes"]
        parts = [f"{ram[part]:,}" for part in static]
        found = bundle["firmware"]["cores"] or {"-": {"stack_bytes": 0}}
        rows += [(name, _core(c), *parts, v["stack_bytes"]) for c, v in found.items()]
    return _bars(
        bars,
        "RAM, bytes",
        "What the recogniser keeps, and the deepest stack.",
        table(["fold", "core", *static, "stack"], rows, texts=2),
    )


def _instructions(cores, bundles):
    bars = [
        (_core(core), _without_total(found["instructions_per_frame"]))
        for core, found in cores.items()
    ]
    names = list(bars[0][1])
    rows = [
        (name, _core(core), *(f"{c['instructions_per_frame'][n]:,}" for n in names))
        for name, bundle in bundles.items()
        for core, c in (bundle["firmware"]["cores"] or {}).items()
    ]
    return _bars(
        bars,
        "Instructions per frame",
        "By part, for each frame of speech.",
        table(["fold", "core", *names], rows, texts=2),
    )


def _bars(bars, title, caption, behind):
    parts = list(dict.fromkeys(part for _, values in bars for part in values))
    colours = {part: svg.OKABE_ITO[_COLOURS.get(part, "yellow")] for part in parts}
    keys = [(part, colour, "bar") for part, colour in colours.items()]
    picture = svg.stacked_bars(bars, colours, title)
    return figure(title, picture, caption, behind, legend(keys))


def _without_total(parts):
    return {name: count for name, count in parts.items() if name != "total"}


def _core(name):
    return _CORES.get(name, name)
