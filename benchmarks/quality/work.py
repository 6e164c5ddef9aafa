"""The stages of one split and one seed."""

import dataclasses
import functools
import pickle
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import keras

from benchmarks.quality.data import Corpus, Sizes
from benchmarks.quality.rows import Committee, Labeller, examples
from benchmarks.quality.students import Students, new_teacher, train_on_states
from benchmarks.quality.table import (
    HARD,
    TEACHER,
    Result,
    chosen_row,
    errors_by_recording,
    load_results,
)
from benchmarks.quality.variations import candidates, rows, sizes
from keras_rnn2dnn import convert, hmm, word_error_rate
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.deploy import Int8Student
from keras_rnn2dnn.recipe.targets import matched_to_priors, mean_log_posteriors
from keras_rnn2dnn.util.files import new_file

ENSEMBLE = "ensemble of the teachers of all seeds"
_CALIBRATION = 200
_GRID = (0.0, 0.3, 0.6), (-40, -25, -15, -8)  # the second is extended where needed


class Work:
    """Runs the stages; what is finished is left alone.

    Args:
        data: directories of the recordings, by `fsdd` and `commands`.
        out: directory of all results.
        split: held-out speaker, or one of `table.GIVEN`.
        seed: of everything random.
        seeds: how many there are.
        quick: fewer strings, epochs and rows.
    """

    def __init__(self, data, out, split, seed, seeds, quick):
        self.out, self.split, self.seed, self.seeds = out, split, seed, seeds
        self.quick, self.folder = quick, out / f"{split}-{seed}"
        self.sizes = Sizes.of(split, quick)
        self.corpus = self._corpus(data)
        self.students = Students(self.corpus, seed, self.sizes.epochs)

    def _corpus(self, data):
        kept = self.folder / "corpus.pickle"
        if not kept.is_file():
            corpus = Corpus(data, self.split, self.seed, self.sizes)
            with new_file(kept) as path:
                path.write_bytes(pickle.dumps(corpus, pickle.HIGHEST_PROTOCOL))
        with open(kept, "rb") as file:
            return pickle.load(file)

    def run(self, stage):
        """Runs `teacher`, `rows` or `best`."""
        getattr(self, f"_{stage}")()

    def _teacher(self):
        path = self.folder / "teacher.keras"
        if not path.is_file():
            by_epoch = _DevelopmentErrors(self)
            model = new_teacher(self.corpus, self.seed)
            epochs = self.sizes.teacher_epochs
            train_on_states(model, self.corpus.banks, self.seed, epochs, [by_epoch])
            print(f"development errors by epoch: {by_epoch.errors}", flush=True)
            with new_file(path) as temporary:
                model.save(temporary)

    def _rows(self):
        models = self._teachers()
        teacher = models[self.seed]
        self._label_with(teacher)
        self._result(TEACHER, lambda: teacher)
        if self.seeds > 1:
            self._result(ENSEMBLE, lambda: _Mean(models))
        for row in rows(self.split, self.quick):
            self._student(row)

    def _teachers(self):
        folders = [self.out / f"{self.split}-{n}" for n in range(self.seeds)]
        return [keras.saving.load_model(f / "teacher.keras") for f in folders]

    def _saved(self, name):
        return keras.saving.load_model(self._path(name).with_suffix(".keras"))

    def _labeller(self, name):
        """Returns that of a `Row`; those of teachers alone are kept."""
        if name in self.labellers:
            return self.labellers[name]
        if name == "ensemble":
            self.labellers[name] = self._labeller_of(*self._teachers())
            return self.labellers[name]
        if " and " in name:
            members = [self._labeller(part) for part in name.split(" and ")]
            return Committee(members, self.corpus, self.untuned)
        return self._labeller_of(self._saved(name))

    def _labeller_of(self, *models):
        return Labeller(models, self.corpus, self.untuned)

    def _label_with(self, teacher):
        """Prepares the teacher as a labeller, and what all decoders are tuned on."""
        priors = self.corpus.log_priors
        self.untuned = hmm.WordLoopDecoder(self.corpus.topology, log_priors=priors)
        labeller = self._labeller_of(teacher)
        self.labellers = {"teacher": labeller}
        self.tuning = self.corpus.tuning
        if self.corpus.unlabelled[-1]:
            heard = self.corpus.unlabelled[-1][-self.sizes.agreed :]
            clean = labeller.of([s.clean for s in heard])
            self.tuning = self.tuning.with_agreed(heard, labeller.decoder(clean))

    def _student(self, row):
        """Trains the student of a row, and measures it."""
        path = self._path(row.name)
        if path.is_file():
            return
        if row.outputs_matched:
            self._result(row.name, lambda: self._matched(self._saved(HARD)))
            return
        labeller = self._labeller(row.labeller)
        banks = examples(row, self.corpus, labeller)
        student = self.students.train(row, banks)
        with new_file(path.with_suffix(".keras")) as temporary:
            student.save(temporary)
        self._result(row.name, lambda: student)

    def _matched(self, model):
        heard = [s.noisy for s in self.corpus.unlabelled[0]]
        outputs = predict_utterances(model, heard)
        return _Matched(model, matched_to_priors(outputs, self.untuned))

    def _best(self):
        self._label_with(keras.saving.load_model(self.folder / "teacher.keras"))
        names = candidates(self.split, self.quick)
        best = chosen_row(load_results(self.out), names, self.split)
        print(f"best for {self.split}: {best}", flush=True)
        row = next(r for r in rows(self.split, self.quick) if r.name == best)
        found = Result.load(self._path(best))
        dataclasses.replace(found, row="best recipe").save(self._path("best recipe"))
        self._quantised("best recipe", best)
        for name, units in sizes(self.quick).items():
            sized = dataclasses.replace(row, name=name, student=units)
            self._student(sized)
            self._quantised(name, name)
        (self.folder / "corpus.pickle").unlink()

    def _quantised(self, title, name):
        """Measures the int8 student of a row, with the decoder of the float one."""
        scale, penalty = Result.load(self._path(name)).decoder
        decoder = dataclasses.replace(
            self.untuned, prior_scale=scale, insertion_penalty=penalty
        )
        quantised = functools.partial(self._int8, name)
        self._result(f"{title}, int8", quantised, decoder)

    def _int8(self, name):
        student = self._saved(name)
        heard = (self.corpus.unlabelled[0] or self.corpus.banks[0])[:_CALIBRATION]
        with tempfile.TemporaryDirectory() as folder:
            bundle = Path(folder) / "bundle"
            report = convert(student, bundle, [s.noisy for s in heard])
            quantised = Int8Student.load(bundle)
        return _Quantised(quantised, report.bytes)

    def _path(self, name):
        return self.folder / (re.sub(r"[^a-z0-9]+", "-", name.lower()) + ".json")

    def _logits(self, model, strings):
        return _outputs(model, [s.features for s in strings])

    def _result(self, name, model, decoder=None):
        """Measures a system, unless that is done: tunes, then reads the test once."""
        path = self._path(name)
        if path.is_file():
            return
        begin, model = time.monotonic(), model()
        if decoder is None:
            outputs, words = _outputs(model, self.tuning.features), self.tuning.words
            decoder = hmm.tune_decoder(self.untuned, outputs, words, None, *_GRID)
        found = {
            use: decoder(self._logits(model, getattr(self.corpus, use)))
            for use in ("development", "choice", "test")
        }
        counted = {}
        for use in ("development", "choice"):
            said = [list(s.words) for s in getattr(self.corpus, use)]
            rate = word_error_rate(said, found[use], num_resamples=1)
            counted[use] = rate.errors, rate.words
        test = self.corpus.test
        by_recording = errors_by_recording(
            [list(s.words) for s in test], [s.recordings for s in test], found["test"]
        )
        num_bytes = getattr(model, "num_bytes", 0) or 4 * model.count_params()
        Result(
            name,
            self.split,
            self.seed,
            num_bytes,
            *counted.values(),
            by_recording,
            (decoder.prior_scale, decoder.insertion_penalty),
        ).save(path)
        print(f"{name}: {counted} {time.monotonic() - begin:.0f} s", flush=True)


def _outputs(model, features):
    if not isinstance(model, keras.Model):
        return model.outputs(features)
    return predict_utterances(model, features)


@dataclasses.dataclass
class _Quantised:
    student: Int8Student
    num_bytes: int

    def outputs(self, features):
        return self.student.predict(features)


@dataclasses.dataclass
class _Matched:
    """A model whose outputs are matched to the priors."""

    model: keras.Model
    transform: Callable

    def outputs(self, features):
        return self.transform(predict_utterances(self.model, features), None)

    def count_params(self):
        return self.model.count_params()


@dataclasses.dataclass
class _Mean:
    """The mean posteriors of several models."""

    models: list

    def outputs(self, features):
        return mean_log_posteriors(self.models, features)

    def count_params(self):
        return sum(model.count_params() for model in self.models)


class _DevelopmentErrors(keras.callbacks.Callback):
    """Counts word errors on development strings in the course of the training."""

    def __init__(self, work, every=4):
        super().__init__()
        self.work, self.every, self.errors = work, every, {}

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every:
            return
        corpus = self.work.corpus
        decoder = hmm.WordLoopDecoder(
            corpus.topology, corpus.log_priors, 0.3, insertion_penalty=-15
        )
        logits = self.work._logits(self.model, corpus.development)
        said = [list(s.words) for s in corpus.development]
        rate = word_error_rate(said, decoder(logits), num_resamples=1)
        self.errors[epoch + 1] = rate.errors
