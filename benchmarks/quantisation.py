"""What int8 costs a student of the demo: ranges, int16, quantisation-aware training.

Reads a directory that `rnn2dnn demo --full --data DIRECTORY --keep-alignments` wrote
for one new speaker, such as `out/jackson`. Each row is measured on the test strings:
KL(float || row) and the share of frames with the same best class, against the float
student, and the word errors with the student's decoder.

An epoch more is trained on the demo's soft alignments, once in float, then converted,
and once as it will be quantised. Compare these two: what both have in common comes from
the epoch. `--units 24,24` trains another student on them first, of these hidden layers,
and measures that one.
"""

import argparse
import json
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

from keras_rnn2dnn import SoftAlignments, dnn_student, word_error_rate
from keras_rnn2dnn.alignments.training import train_student
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.deploy import Int8Student, convert
from keras_rnn2dnn.hmm import SequenceKL, WordLoopDecoder
from keras_rnn2dnn.quantization import quantization_aware
from keras_rnn2dnn.quantization.comparison import compare_logits
from keras_rnn2dnn.quantization.ranges import RANGES
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.util.files import Utterances

SEED = 1  # of other students


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "directory", type=Path, help="of one speaker, by `rnn2dnn demo`"
    )
    parser.add_argument("--units", help="of another student, such as 24,24")
    parser.add_argument(
        "--learning-rate", type=float, default=1e-4, help="of the epoch"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = SoftAlignments(options.directory / "student.align")
        student = load(options.directory / "student.keras")
        decoder = json.loads((options.directory / "student.decoder.json").read_text())
        decoder = WordLoopDecoder.from_dict(decoder)
        if options.units:
            units = tuple(int(n) for n in options.units.split(","))
            student = new_student(student, units, store, decoder.topology)
        table = Table(options.directory, student, decoder, Path(folder))
        table.print_all(store, options)


def load(path):
    return keras.saving.load_model(path, compile=False)


def new_student(like, units, store, topology):
    keras.utils.set_random_seed(SEED)
    recipe, shape = Recipe(), (like.input_shape[-1], like.output_shape[-1])
    student = dnn_student(*shape, recipe.student_context, units)
    paths = SequenceKL.of_words(topology)
    train_student(student, store, epochs=recipe.student_epochs, loss=paths)
    return student


class Table:
    """Measures students on the test strings, and prints rows."""

    def __init__(self, directory, student, decoder, folder):
        self.student, self.decode, self.folder = student, decoder, folder
        self.calibration = Utterances.load(directory / "calibration.npz").features
        self.test = Utterances.load(directory / "test.npz")
        self.logits = predict_utterances(student, self.test.features)

    def print_all(self, store, options):
        """Prints every row."""
        frames = sum(len(logits) for logits in self.logits)
        print(
            f"{self.student.count_params():,} parameters; {len(self.test.features)} "
            f"strings, {frames:,} frames; TensorFlow {tf.__version__}"
        )
        parameters = 4 * self.student.count_params()
        self.row("float", self.logits, parameters)
        for ranges in RANGES:
            self.converted(f"int8, {ranges}", self.student, ranges=ranges)
        every = {"num_calibration_windows": 20_000}
        for ranges in RANGES:
            name = f"int8, {ranges}, 20,000 windows"
            self.converted(name, self.student, ranges=ranges, **every)
        self.converted("int16", self.student, activations="int16")
        aware = quantization_aware(self.student, self.calibration)
        self.converted("quantisation-aware, untrained", aware)
        tuned = keras.models.clone_model(self.student)
        tuned.set_weights(self.student.get_weights())
        for model in (tuned, aware):
            paths = SequenceKL.of_words(self.decode.topology)
            rate = options.learning_rate
            train_student(model, store, epochs=1, learning_rate=rate, loss=paths)
        logits = predict_utterances(tuned, self.test.features)
        self.row("an epoch more in float", logits, parameters)
        name = "an epoch more in float, int8, percentile"
        self.converted(name, tuned, ranges="percentile")
        self.converted("an epoch more quantisation-aware", aware)

    def converted(self, name, student, **options):
        """Prints a row of what a device computes."""
        report = convert(student, self.folder, self.calibration, **options)
        device = Int8Student.load(self.folder)
        self.row(name, device.predict(self.test.features), report.bytes)

    def row(self, name, logits, size):
        """Prints a row."""
        compared = compare_logits(self.logits, logits)
        score = word_error_rate(self.test.transcripts, self.decode(logits))
        print(
            f"{name:<41} {size:>8,} bytes  KL {compared['kl']:.6f}  "
            f"{compared['agreement']:.2%}  {score}",
            flush=True,
        )


if __name__ == "__main__":
    main()
