"""How much of the demo's gain small students keep, for every held-out speaker.

Reads a directory that `rnn2dnn demo --full --data DIRECTORY --speaker all
--keep-alignments` wrote. For each speaker every student is trained on the soft
alignments of the distilled student, converted to int8, and its decoder tuned on the
development strings; errors are those of the int8 file on the test strings. "gain kept"
is (hard - student) / (hard - distilled), with the errors of the demo's hard-label and
distilled students.
"""

import argparse
import json
import tempfile
from pathlib import Path

import keras

from keras_rnn2dnn import SoftAlignments, convert, dnn_student, word_error_rate
from keras_rnn2dnn.alignments.training import train_student
from keras_rnn2dnn.deploy import Int8Student
from keras_rnn2dnn.hmm import SequenceKL, WordLoopDecoder, tune_decoder
from keras_rnn2dnn.models.reference import tdnn_student
from keras_rnn2dnn.util.files import Utterances

CONTEXT = (10, 10)
STUDENTS = "24,24 tdnn:48,32,28"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", metavar="OUT", help="directory that the demo wrote")
    parser.add_argument("--students", default=STUDENTS, help=f"default: {STUDENTS!r}")
    parser.add_argument("--epochs", type=int, default=8, help="default: 8, the demo's")
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folds = sorted(path.parent for path in Path(options.out).glob("*/student.align"))
    if not folds:
        parser.error(f"no student.align in the folders of {options.out!r}")
    print(f"epochs {options.epochs}, seed {options.seed}; {len(folds)} speakers")
    baselines = [table_errors(fold) for fold in folds]
    words = sum(b["words"] for b in baselines)
    hard, distilled = (sum(b[k] for b in baselines) for k in ("hard", "distilled"))
    print(f"hard {hard}, distilled {distilled} errors of {words:,} words")
    for name in options.students.split():
        rows = [measured(fold, name, options) for fold in folds]
        errors = sum(errors for _, errors, _ in rows)
        print(
            f"{name:<20} {max(size for size, _, _ in rows):>7,} bytes  "
            f"{errors:>5} errors ({', '.join(str(e) for _, e, _ in rows)})  "
            f"development {sum(d for _, _, d in rows)}  "
            f"gain kept {(hard - errors) / (hard - distilled):.1%}",
            flush=True,
        )


def table_errors(fold):
    """Returns the errors of the demo's students on one speaker, and the words."""
    rows = json.loads((fold / "table.json").read_text())
    by_system = {row["system"]: row for row in rows}
    hard = by_system["student, hard labels"]
    distilled = by_system["student, distilled"]["errors"]
    return {"hard": hard["errors"], "words": hard["words"], "distilled": distilled}


def new_student(name, store, seed):
    """Builds `24,24` or, with convolutions, `tdnn:48,32,28`."""
    keras.utils.set_random_seed(seed)
    kind, _, units = name.rpartition(":")
    units = tuple(int(n) for n in units.split(","))
    sizes = store.manifest.settings.feature_shape[0], store.num_classes
    if kind == "tdnn":
        return tdnn_student(*sizes, units)
    return dnn_student(*sizes, CONTEXT, units)


def measured(fold, name, options):
    """Trains a student; returns bytes, test errors and development errors in int8."""
    store = SoftAlignments(fold / "student.align")
    student = new_student(name, store, options.seed)
    decoder = json.loads((fold / "student.decoder.json").read_text())
    decoder = WordLoopDecoder.from_dict(decoder)
    settings = {"epochs": options.epochs, "learning_rate": options.learning_rate}
    paths = SequenceKL.of_words(decoder.topology)
    train_student(student, store, seed=options.seed, loss=paths, **settings)
    calibration = Utterances.load(fold / "calibration.npz").features
    with tempfile.TemporaryDirectory() as folder:
        size = convert(student, folder, calibration).bytes
        device = Int8Student.load(folder)
    data = [Utterances.load(fold / f"{use}.npz") for use in ("development", "test")]
    logits = [device.predict(utterances.features) for utterances in data]
    references = [utterances.transcripts for utterances in data]
    tuned = tune_decoder(decoder, logits[0], references[0])
    errors = [
        word_error_rate(spoken, tuned(z)).errors
        for spoken, z in zip(references, logits, strict=True)
    ]
    return size, errors[1], errors[0]


if __name__ == "__main__":
    main()
