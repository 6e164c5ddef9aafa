"""Small finished demos for the tests of the report, made without any training."""

import json

import numpy as np
from helpers import bundles

from keras_rnn2dnn import rnn_teacher
from keras_rnn2dnn.deploy import convert
from keras_rnn2dnn.hmm import Topology, WordLoopDecoder
from keras_rnn2dnn.report import table
from keras_rnn2dnn.util.files import Audio, Utterances

SCRIPT = "<script>alert(1)</script>"  # a word that nobody should run
TITLE = "Connected words, real recordings; protocol new-speaker, new: <b>; seed 0."
REFERENCES = [["up"], [SCRIPT, "up"], ["up", "up"], [SCRIPT]]
HEARD = [["up"], ["up", "up"], [], [SCRIPT, "up"]]
SYSTEMS = (
    *("RNN teacher", table.HARD, table.SELF, table.SOFT),
    *(table.DISTILLED, table.INT8, table.DEVICE),
)
CORES = {
    core: {
        "flash_bytes": 20_000 + extra,
        "stack_bytes": 400,
        "instructions_per_frame": {
            "features": 100_000,
            "network": 50_000 + extra,
            "decoder": 3_000,
            "total": 153_000 + extra,
        },
    }
    for core, extra in (("m3", 7), ("m4", 5))
}


POINTS = ((None, 260.0, 0.04), (3.5, 31.0, 0.05), (9.25, 0.5, 0.1), (11.0, 0.0, 0.3))
CURVE = [
    {"threshold": t, "false_per_hour": false, "missed": missed}
    for t, false, missed in POINTS
]
TUNED = {"hours": 2.0, "chosen": CURVE[2], "curve": CURVE}


def make_run(path, folds=("ada",)):
    """Writes the directory of a demo with models that were never trained."""
    outputs = []
    for number, name in enumerate(folds):
        outputs.append(_make_fold(path / name, number))
    _dump(path / "run.json", {"title": TITLE, "folds": list(folds)})
    table.write_table(path, TITLE, table.table_rows(table.pooled(outputs)))
    return path


def _make_fold(path, seed):
    path.mkdir(parents=True)
    topology = Topology(("up", SCRIPT), states_per_unit=2)
    decoder = WordLoopDecoder(topology, insertion_penalty=-1.0)
    student = bundles.student(seed=seed)
    student.save(path / "student.keras")
    rnn_teacher(bundles.BINS, 5, units=(4,), stack=1).save(path / "teacher.keras")
    for model in ("student", "teacher"):
        _dump(path / f"{model}.decoder.json", decoder.to_dict())
    _dump(path / "features.json", bundles.SPEC.to_dict())
    pcm = bundles.recordings(seed=seed)
    features = bundles.features(pcm)
    texts = [" ".join(words) for words in REFERENCES]
    Utterances(features[: len(texts)], texts).save(path / "test.npz")
    Audio(pcm[: len(texts)], 8000, texts).save(path / "test_audio.npz")
    convert(student, path / "bundle", features, feature_spec=bundles.SPEC)
    report = json.loads((path / "bundle/report.json").read_text())
    report["firmware"] |= {
        "refused": None,
        "ram_bytes": {"features": 500, "network": 600, "total": 1100},
        "cores": CORES,
    }
    _dump(path / "bundle/report.json", report)
    outputs = [_output(system) for system in SYSTEMS]
    table.write_hypotheses(path, outputs)
    table.write_table(path, TITLE, table.table_rows(outputs))
    _dump(path / "bundle.threshold.json", TUNED)
    _dump(path / "history.json", {n: _history(n, s) for n, s in _models().items()})
    return outputs


def _models():
    names = ("teacher", "student_hard", "student_self", "student_soft", "student")
    return dict(zip(names, SYSTEMS, strict=False))


def _history(name, system):
    found = {"system": system, "strings": 4, "loss": [2.0, 1.5, 1.25]}
    if name != "teacher":
        found |= {"kl": [0.9, 0.8, 0.75], "agreement": [0.5, 0.6, 0.7]}
    return {**found, "wer": [0.9, 0.4, 0.3]}


def _output(system):
    right = system == "RNN teacher"
    heard = REFERENCES if right else HEARD
    return table.SystemOutput(system, 100, 400, REFERENCES, heard, 0.5, 0.75, 200)


def _dump(path, content):
    path.write_text(json.dumps(content))


def frames(*shape, seed=0):
    """Random logits."""
    return 3 * np.random.default_rng(seed).normal(size=shape)
