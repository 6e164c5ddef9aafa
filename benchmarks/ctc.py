"""Students of a CTC teacher on digit strings of FSDD: what should they learn?

The official split: strings as the demo makes them, whose recordings are heard by the
teacher and by all students, with the digits as labels. The teacher is of the keras.io
kind: strided Conv2D, bidirectional GRUs, CTC loss; it gives an output for every fourth
frame. Every student has the same size, the same first weights and the same number of
updates. They differ in the targets alone.

All choices (settings of targets, delay, decoder) are made on development strings; the
test is read once for every row. Words are decoded by a loop over the digits whose
insertion penalty, prior scale and shortest duration of a word are tuned for each row;
the errors of greedy decoding, in which nothing is tuned, stand beside.
"""

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import layers

from keras_rnn2dnn import Distiller, SoftAlignments, dnn_student, hmm, word_error_rate
from keras_rnn2dnn.audio.word_strings import make_strings
from keras_rnn2dnn.batches.bucketing import bucketed_dataset
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.ctc import CTCLoss, GreedyDecoder, class_log_priors, constrained
from keras_rnn2dnn.demo import demo_recordings
from keras_rnn2dnn.demo.data import split_recordings
from keras_rnn2dnn.recipe.align import at_speeds
from keras_rnn2dnn.recipe.material import feature_layer
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.recipe.strings import evaluation_strings, feature_strings
from keras_rnn2dnn.util.learning_rate import warmup_cosine

FACTOR = 4  # input frames for each output
BANKS, STRINGS, DEVELOPMENT, TEST = 2, 2000, 300, 600
DURATIONS = (1, 2, 3)
PENALTIES = (-8, -6, -4, -3, -2, -1, 0, 1, 2)


@dataclasses.dataclass(frozen=True)
class Row:
    """What a student learns.

    Args:
        name: in the table.
        targets: options of `ctc.constrained`, of which `priors` is the prior scale;
            None for the teacher's posteriors as they are.
        ctc: share of the CTC loss, `student_loss_weight`; or a function that gives it
            by the share of the training that is done.
        delay: in output frames.
        learning_rate: highest.
    """

    name: str
    targets: dict | None = None
    ctc: float | Callable[[float], float] = 0.0
    delay: int = 0
    learning_rate: float = 3e-3


def last_third(share):
    return 1.0 if share >= 2 / 3 else 0.0


SPREAD = {"scale": 0.5, "priors": 1.5}
ROWS = (
    Row("CTC loss", ctc=1.0),
    Row("CTC loss, learning rate 0.001", ctc=1.0, learning_rate=1e-3),
    Row("soft targets"),
    Row("soft targets, delay 1", delay=1),
    Row("occupancies", {}),
    Row("occupancies, scale 0.001: no teacher", {"scale": 0.001}),
    Row("occupancies, scale 0.5", {"scale": 0.5}),
    Row("occupancies, scale 0.5, priors 1.5", SPREAD),
    Row("the same with 0.02 CTC loss", SPREAD, ctc=0.02),
    Row("the same, then CTC loss", SPREAD, ctc=last_third),
)


class Corpus:
    """Strings of one seed: banks for the training, development and test."""

    def __init__(self, directory, seed):
        recordings = demo_recordings(directory)
        split = split_recordings(recordings, "official")
        self.words = split.vocabulary
        train = at_speeds(split.train, Recipe().speeds)
        self.layer = feature_layer(train, seed)
        self.banks = [
            feature_strings(
                make_strings(train, STRINGS, 1000 * seed + n, self.layer.spec),
                self.layer,
            )
            for n in range(BANKS)
        ]
        split = dataclasses.replace(split, train=train)
        self.development, self.test = (
            evaluation_strings(split, use, number, self.layer, seed)
            for use, number in (("development", DEVELOPMENT), ("test", TEST))
        )

    @property
    def strings(self):
        """Of the training, all banks."""
        return [string for bank in self.banks for string in bank]

    @property
    def blank(self):
        """The last class."""
        return len(self.words)

    def labels(self, words):
        """Returns the classes of words."""
        return [self.words.index(word) for word in words]


def conv_gru(num_features, num_classes, units=(96, 96)):
    """A recogniser as on keras.io, which gives logits."""
    inputs = layers.Input((None, num_features))
    x = layers.Reshape((-1, num_features, 1))(inputs)
    for channels, strides in ((16, (2, 2)), (16, (2, 2))):
        x = layers.Conv2D(channels, 5, strides, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Reshape((-1, x.shape[-2] * x.shape[-1]))(x)
    for width in units:
        x = layers.Bidirectional(layers.GRU(width, return_sequences=True))(x)
        x = layers.Dropout(0.2)(x)
    return keras.Model(inputs, layers.Dense(num_classes)(x), name="teacher")


def train_teacher(corpus, seed, epochs):
    keras.utils.set_random_seed(seed)
    teacher = conv_gru(corpus.layer.spec.num_bins, len(corpus.words) + 1)
    most = max(len(s.words) for s in corpus.strings)

    def example(string):  # labels as long as the features, so that they batch together
        padded = np.full(len(string.noisy), -1)
        padded[: len(string.words)] = corpus.labels(string.words)
        return string.noisy, padded

    banks = [[example(s) for s in bank] for bank in corpus.banks]
    used = [banks[epoch % BANKS] for epoch in range(epochs)]
    batches = bucketed_dataset(used, 32, seed=seed).map(
        lambda x, y, w: (x, y[:, :most])
    )
    steps = -(-STRINGS // 32)
    schedule = warmup_cosine(3e-3, steps * epochs, steps // 2, lowest=0.2)
    optimizer = keras.optimizers.Adam(schedule, global_clipnorm=1.0)
    teacher.compile(optimizer, CTCLoss(corpus.blank))
    options = {"epochs": epochs, "steps_per_epoch": steps, "shuffle": False}
    teacher.fit(batches, verbose=0, **options)
    return teacher


def soft_alignments(row, corpus, teacher, log_priors, path):
    """Runs the teacher over the strings of the training."""
    transform = None
    if row.targets is not None:
        targets = dict(row.targets)
        if "priors" in targets:
            targets |= {"log_priors": log_priors, "prior_scale": targets.pop("priors")}
        transform = constrained(
            lambda text: corpus.labels(text.split()), corpus.blank, **targets
        )

    def batches():
        for string in corpus.strings:
            labels = np.array([corpus.labels(string.words)], "int32")
            y = {"transcripts": [" ".join(string.words)], "labels": labels}
            yield string.noisy[None], y

    return SoftAlignments.write(path, teacher, batches(), transform=transform)


def train_student(row, corpus, store, seed, epochs):
    keras.utils.set_random_seed(seed)
    recipe = Recipe()
    student = dnn_student(
        corpus.layer.spec.num_bins,
        len(corpus.words) + 1,
        recipe.student_context,
        recipe.student_units,
        stride=FACTOR,
    )
    share = row.ctc if callable(row.ctc) else lambda done: row.ctc
    distiller = Distiller(None, student, None, share(0.0), row.delay)
    dataset = store.dataset(32, shuffle=True, seed=seed, labels=True, cache=True)
    steps = int(dataset.cardinality())
    schedule = warmup_cosine(row.learning_rate, steps * epochs, steps // 2, lowest=0.2)
    optimizer = keras.optimizers.Adam(schedule, global_clipnorm=1.0)
    distiller.compile(optimizer, loss=CTCLoss(corpus.blank))

    def begin(epoch, logs=None):
        distiller.student_loss_weight = share(epoch / epochs)

    callback = keras.callbacks.LambdaCallback(on_epoch_begin=begin)
    distiller.fit(dataset, epochs=epochs, callbacks=[callback], verbose=0)
    return student


@dataclasses.dataclass(frozen=True)
class Score:
    """Word errors of a model: by decoding, and on development and test strings."""

    errors: np.ndarray  # (decodings, uses)
    words: np.ndarray  # (uses,)

    def __add__(self, other):
        return Score(self.errors + other.errors, self.words + other.words)

    def line(self, name):
        """Returns a row of the table."""
        cells = [
            f"{100 * count / words:.2f} ({count}/{words})"
            for counts in self.errors
            for count, words in zip(counts, self.words, strict=True)
        ]
        return f"| {name:<46} | {' | '.join(cells)} |"


def lasting(words, frames):
    """Returns words of one state each that last at least so many output frames."""
    lexicon = {word: [word] * frames for word in words}
    return hmm.Topology(words, states_per_unit=1, lexicon=lexicon)


def measure(model, corpus):
    """Tunes the decoder on the development strings, then reads the test."""
    logits, references = {}, {}
    for use in ("development", "test"):
        strings = getattr(corpus, use)
        logits[use] = predict_utterances(model, [s.noisy for s in strings])
        references[use] = [list(s.words) for s in strings]
    priors = class_log_priors(logits["development"])
    decoders = [
        hmm.tune_decoder(
            hmm.WordLoopDecoder(lasting(corpus.words, frames), log_priors=priors),
            logits["development"],
            references["development"],
            insertion_penalties=PENALTIES,
        )
        for frames in DURATIONS
    ]
    given = logits["development"], references["development"]
    decoder = min(decoders, key=lambda d: word_error_rate(given[1], d(given[0])).errors)
    greedy = GreedyDecoder((*corpus.words, ""), corpus.blank)
    rates = [
        [word_error_rate(references[use], decode(logits[use]), 1) for use in logits]
        for decode in (decoder, greedy)
    ]
    errors = np.array([[rate.errors for rate in row] for row in rates])
    return Score(errors, np.array([rate.words for rate in rates[0]]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="the recordings (FSDD)")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--epochs", type=int, default=20, help="of students")
    parser.add_argument("--rows", default="", help="those with this in their names")
    parser.add_argument("--teacher-epochs", type=int, default=10)
    options = parser.parse_args()
    totals = {}
    for seed in range(options.seeds):
        for name, score in run(options, seed):
            totals[name] = totals[name] + score if name in totals else score
    print("\nAll seeds: WER % (errors/words)")
    print("| | development | test | greedy, development | greedy, test |")
    print("|---|---:|---:|---:|---:|")
    for name, score in totals.items():
        print(score.line(name))


def run(options, seed):
    """Yields the name and the score of every row."""
    begin = time.monotonic()

    def scored(name, model):
        score = measure(model, corpus)
        print(
            f"{seed} {time.monotonic() - begin:5.0f} s {score.line(name)}", flush=True
        )
        return name, score

    corpus = Corpus(options.data, seed)
    teacher = train_teacher(corpus, seed, options.teacher_epochs)
    yield scored("teacher", teacher)
    heard = [s.noisy for s in corpus.strings[:500]]
    log_priors = class_log_priors(predict_utterances(teacher, heard))
    with tempfile.TemporaryDirectory() as folder:
        stores = {}
        for row in (row for row in ROWS if options.rows in row.name):
            key = repr(row.targets)
            if key not in stores:
                path = Path(folder) / str(len(stores))
                stores[key] = soft_alignments(row, corpus, teacher, log_priors, path)
            student = train_student(row, corpus, stores[key], seed, options.epochs)
            yield scored(f"student, {row.name}", student)


if __name__ == "__main__":
    main()
