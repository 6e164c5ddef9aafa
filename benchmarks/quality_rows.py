"""What each student of `quality.py` learns, and how it is trained."""

import dataclasses

import keras
import numpy as np
from quality_risk import BayesRisk

from keras_rnn2dnn import Distiller, SoftAlignmentKL, dnn_student, hmm, rnn_teacher
from keras_rnn2dnn.alignments import match_priors
from keras_rnn2dnn.batches import bucketed_dataset, predict_utterances
from keras_rnn2dnn.demo.training import Recipe
from keras_rnn2dnn.log_softmax import log_softmax
from keras_rnn2dnn.models import tdnn_student
from keras_rnn2dnn.schedules import warmup_cosine

RECIPE = Recipe()
FEW = 300  # strings that priors are matched on
SHARE = 0.5  # of the unlabelled strings in an epoch


@dataclasses.dataclass(frozen=True)
class Row:
    """A student.

    Args:
        name: in the table.
        known: targets of transcribed strings: `hard`, `soft`, `one-best`,
            `occupancies` (forward-backward over the transcript) or `path` (the best of
            these in each frame).
        unknown: targets of unlabelled strings: `soft`, `one-best`, `occupancies` (over
            the word loop) or `path` (as for a transcript, of the words which the
            teacher recognises); None without them.
        hears: what the teacher hears, `clean` or `noisy`.
        temperature: of `soft`.
        labeller: `teacher`, `ensemble`, or the row whose student gives the targets.
        matched: whether unlabelled posteriors are matched to the priors.
        skewed: whether every second word is rare in the unlabelled strings.
        known_weight: weight of the frames of transcribed strings, beside 1.
        outputs_matched: whether nothing is trained: of the student of hard labels, the
            outputs for unlabelled noisy strings are matched to the priors, and those
            for development and test are changed likewise.
        paths: epochs in which paths through the word loop are the loss, not frames:
            `none`, `all`, or `later`, the last third; of `risk` with minimum Bayes
            risk as the loss.
        boost: of `SequenceKL`.
        sure: whether frames of unlabelled strings weigh what their class is given.
        student: name in `STUDENTS`.
    """

    name: str
    known: str = "hard"
    unknown: str | None = None
    hears: str = "clean"
    temperature: float = 1.0
    labeller: str = "teacher"
    matched: bool = False
    skewed: bool = False
    known_weight: float = 1.0
    outputs_matched: bool = False
    paths: str = "none"
    boost: float = 0.0
    sure: bool = False
    student: str = "64,64"


STUDENTS = {  # the first is that of all other rows
    "64,64": lambda f, c: dnn_student(f, c, (10, 10), (64, 64)),
    "16,16": lambda f, c: dnn_student(f, c, (10, 10), (16, 16)),
    "112,112": lambda f, c: dnn_student(f, c, (10, 10), (112, 112)),
    "time-delay 80,72,60": lambda f, c: tdnn_student(f, c, (80, 72, 60), (1, 3, 6)),
}


class Labeller:
    """Log-posteriors of one or several models on the strings of a corpus, kept.

    Args:
        models: whose mean posteriors are taken.
        corpus: of `quality_data`.
    """

    def __init__(self, models, corpus):
        self.models, self.corpus = models, corpus
        self._kept, self._matches, self._targets = {}, {}, (None, None)

    def posteriors(self, which, hears):
        """Returns log-posteriors of all banks; `which` are those of the corpus."""
        if (which, hears) not in self._kept:
            self._kept[which, hears] = [
                self.of([getattr(s, hears) for s in bank])
                for bank in getattr(self.corpus, which)
            ]
        return self._kept[which, hears]

    def match(self, which, hears):
        """Returns `match_priors` of the unlabelled strings."""
        if (which, hears) not in self._matches:
            found = self.posteriors(which, hears)[0][:FEW]
            free = [self.corpus.topology.silence_state]
            match = match_priors(found, self.corpus.log_priors, free)
            self._matches[which, hears] = match
        return self._matches[which, hears]

    def targets(self, kind, hears, decoder, temperature):
        """Returns targets of all transcribed strings of each bank; keeps the last."""
        wanted = kind, hears, temperature
        if self._targets[0] != wanted:
            banks = zip(self.posteriors("banks", hears), self.corpus.banks, strict=True)
            found = [
                targets_of(kind, z, [list(s.words) for s in bank], decoder, temperature)
                for z, bank in banks
            ]
            self._targets = wanted, found
        return self._targets[1]

    def of(self, features):
        """Returns log-posteriors of utterances."""
        if not features:
            return []
        outputs = [
            [log_softmax(z) for z in predict_utterances(model, features)]
            for model in self.models
        ]
        if len(outputs) == 1:
            return outputs[0]
        return [
            np.log(np.mean([np.exp(z) for z in of_string], axis=0) + 1e-20)
            for of_string in zip(*outputs, strict=True)
        ]


def targets_of(kind, posteriors, transcripts, decoder, temperature=1.0):
    """Returns targets of strings for `SoftAlignmentKL`, of either form.

    Args:
        kind: see `Row`.
        posteriors: log-posteriors of the teacher.
        transcripts: words of each string, None where they are not known.
        decoder: of the teacher.
        temperature: of `soft`.
    """
    if kind == "soft":
        return [log_softmax(z / temperature).astype("float16") for z in posteriors]
    if kind == "one-best":
        return [one_best(z.argmax(-1)) for z in posteriors]
    known = transcripts[0] is not None
    if kind == "path" and not known:
        transcripts, known = decoder(posteriors), True
    if known:
        occupied = hmm.forward_backward(posteriors, transcripts, decoder.topology)
    else:
        occupied = hmm.LoopGraph(decoder).occupancies(posteriors)
    if kind == "path":
        return [one_best(p.argmax(-1)) for p in occupied]
    return [np.log(np.maximum(p, 1e-8)).astype("float16") for p in occupied]


def one_best(states):
    """Returns a top-k target with the whole mass on one state of each frame."""
    nothing, never = np.zeros(len(states)), np.full(len(states), -np.inf)
    rows = [[nothing, never], [states, nothing - 1]]
    return np.asarray(rows, "float32").transpose(2, 0, 1)


def examples(row, corpus, labeller, decoder):
    """Returns the features with weights, and the target, of each bank's strings."""
    banks = []
    if row.known == "hard":
        known = [[one_best(s.states) for s in bank] for bank in corpus.banks]
    else:
        known = labeller.targets(row.known, row.hears, decoder, row.temperature)
    heard = "skewed" if row.skewed else "unlabelled"
    unknown = labeller.posteriors(heard, row.hears) if row.unknown else None
    for number, strings in enumerate(corpus.banks):
        added = round(len(strings) * SHARE) if row.unknown else 0
        kept = strings[: len(strings) - added]
        targets = known[number][: len(kept)]
        weights = [np.full(len(z), row.known_weight, "float32") for z in targets]
        if row.unknown:
            posteriors = unknown[number][:added]
            if row.matched:
                posteriors = labeller.match(heard, row.hears)(posteriors, None)
            given = posteriors, [None] * added, decoder, row.temperature
            targets = targets + targets_of(row.unknown, *given)
            sure = [np.exp(z.max(axis=-1)).astype("float32") for z in posteriors]
            weights += sure if row.sure else [np.ones_like(w) for w in sure]
            kept = kept + getattr(corpus, heard)[number][:added]
        inputs = [
            {"features": string.noisy, "weights": of_frames}
            for string, of_frames in zip(kept, weights, strict=True)
        ]
        banks.append(list(zip(inputs, targets, strict=True)))
    return banks


class Students:
    """Trains students with equal first weights and equal steps, whatever they learn.

    Those of one form are one Keras model, set back to its first weights, so that it is
    compiled once.

    Args:
        corpus: of `quality_data`.
        seed: of the first weights and of the order of the strings.
        epochs: of each student.
    """

    def __init__(self, corpus, seed, epochs):
        self.corpus, self.seed, self.epochs = corpus, seed, epochs
        self._compiled = {}

    def train(self, row, banks):
        """Returns the student of a row, until the next one is trained."""
        form = row.student, row.paths, row.boost
        if form not in self._compiled:
            self._compiled[form] = self._compile(row, len(banks[0]))
        distiller, loss, state = self._compiled[form]
        for variable, first in state:
            variable.assign(first)
        callbacks = []
        if row.paths in ("later", "risk"):
            callbacks = [_frames_first(loss, self.epochs, loss.frame_share)]
        size = RECIPE.student_batch_size
        fit(distiller, banks, size, self.seed, self.epochs, callbacks)
        return distiller.student

    def _compile(self, row, size):
        """Returns a new distiller, its loss, and its variables with their values."""
        keras.utils.set_random_seed(self.seed)
        sizes = self.corpus.layer.spec.num_bins, self.corpus.topology.num_states
        student, loss = STUDENTS[row.student](*sizes), SoftAlignmentKL()
        if row.paths != "none":
            kind = BayesRisk if row.paths == "risk" else hmm.SequenceKL
            loss = kind.of_words(self.corpus.topology, boost=row.boost)
        distiller = Distiller(None, student, loss)
        rates = RECIPE.student_batch_size, RECIPE.student_learning_rate
        distiller.compile(adam(size, *rates, self.epochs))
        distiller.optimizer.build(student.trainable_variables)
        state = student.variables + distiller.optimizer.variables
        return distiller, loss, [(v, v.numpy()) for v in state]


def _frames_first(loss, epochs, later):
    """Returns a callback: frames alone in two thirds of the epochs, then paths."""

    def choose(epoch, logs=None):
        loss.frame_share = 1.0 if epoch < 2 * epochs // 3 else later

    return keras.callbacks.LambdaCallback(on_epoch_begin=choose)


def train_teacher(corpus, seed, epochs, callbacks=()):
    """Trains a teacher on hard labels."""
    keras.utils.set_random_seed(seed)
    teacher = rnn_teacher(
        corpus.layer.spec.num_bins,
        corpus.topology.num_states,
        units=RECIPE.teacher_units,
        stack=RECIPE.teacher_stack,
        dropout=RECIPE.teacher_dropout,
    )
    banks = [[(s.noisy, s.states) for s in bank] for bank in corpus.banks]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rates = RECIPE.teacher_batch_size, RECIPE.teacher_learning_rate
    teacher.compile(adam(len(banks[0]), *rates, epochs), loss)
    fit(teacher, banks, rates[0], seed, epochs, callbacks)
    return teacher


def adam(size, batch_size, learning_rate, epochs):
    """Returns an optimizer with warm-up and cosine decay; `size` strings an epoch."""
    steps = -(-size // batch_size)
    schedule = warmup_cosine(learning_rate, steps * epochs, steps // 2)
    return keras.optimizers.Adam(schedule, global_clipnorm=1.0)


def fit(model, banks, batch_size, seed, epochs, callbacks=()):
    """Fits a compiled model, with one bank after the other."""
    used = [banks[epoch % len(banks)] for epoch in range(epochs)]
    batches = bucketed_dataset(used, batch_size, seed=seed)
    if isinstance(used[0][0][0], dict):
        batches = batches.map(
            lambda x, y, present: (x["features"], y, x["weights"] * present)
        )
    model.fit(
        batches,
        epochs=epochs,
        steps_per_epoch=-(-len(banks[0]) // batch_size),
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    )
