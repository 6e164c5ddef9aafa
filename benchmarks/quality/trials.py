"""What else was tried: changes of one row of the benchmark, each with one seed.

Teachers of other builds, certainty, the course of the mixture, and other students with
as many trained weights. Needs the results of
`python -m benchmarks.quality` in --out; can be called again, as that.
"""

import argparse
import concurrent.futures
import dataclasses
import multiprocessing
import os
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from benchmarks.quality.__main__ import check_out
from benchmarks.quality.rows import Row, examples
from benchmarks.quality.students import new_teacher, train_on_states
from benchmarks.quality.table import Summary, load_results
from benchmarks.quality.variations import trials
from benchmarks.quality.work import Work
from keras_rnn2dnn.audio.augment import spec_augment
from keras_rnn2dnn.recipe.strings import FeatureString

SEED = 0
_ADAPTED_EPOCHS = 4
_ADAPTED_RATE = 0.25  # of the rate of the training


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="the recordings (FSDD)")
    parser.add_argument("--out", required=True, help="results of benchmarks.quality")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--splits", nargs="*", help="some of them; default: all")
    options = parser.parse_args()
    out = Path(options.out)
    folders = sorted(out.glob(f"*-{SEED}/teacher.keras"))
    splits = [path.parent.name.rpartition("-")[0] for path in folders]
    if not splits:
        raise SystemExit(f"No results in {out}. Run benchmarks.quality on it first")
    check_out(out, False, seeds=len(list(out.glob(f"{splits[0]}-*/teacher.keras"))))
    wanted = options.splits or splits
    if not set(wanted) <= set(splits):
        parser.error(f"--splits: expected some of {splits}. Received: {wanted}")
    splits = [split for split in splits if split in wanted]
    threads = max(1, os.cpu_count() // options.jobs)
    with concurrent.futures.ProcessPoolExecutor(
        options.jobs, multiprocessing.get_context("spawn"), _set_threads, (threads,)
    ) as pool:
        runs = [pool.submit(_run, options.data, out, split) for split in splits]
        for run in runs:
            run.result()
    for title, official in (("New speaker", False), ("Official split", True)):
        chosen = [s for s in splits if (s == "official") == official]
        if chosen:
            _print_table(title, out, chosen)


def _set_threads(number):
    tf.config.threading.set_intra_op_parallelism_threads(number)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _run(data, out, split):
    seeds = len(list(out.glob(f"{split}-*/teacher.keras")))
    Trials(data, out, split, SEED, seeds, quick=False).run("trials")


def _print_table(title, out, splits):
    pairs = [(row.name, base) for row, base in trials("official" in splits)]
    pairs += [("boosted paths, skewed words", "hard + one-best, skewed words")]
    found = [r for s in splits for r in load_results(out / f"{s}-{SEED}")]
    bases = {base for _, base in pairs}
    found += [
        r
        for r in load_results(out)
        if r.row in bases and r.seed == SEED and r.split in splits
    ]
    table = Summary(found).comparisons(pairs)
    print(f"\n{title} ({', '.join(splits)}; seed {SEED})\n\n{table}")


class Trials(Work):
    """Trains the trials of a split."""

    def _trials(self):
        self._label_with(self._teachers()[SEED])
        done = self.folder
        self.folder = done / "trials"
        self.folder.mkdir(exist_ok=True)
        for row, _ in trials(self.official):
            self._student(row)
        self.folder = done
        (done / "corpus.pickle").unlink()

    def _labeller(self, name):
        if name not in self.labellers:
            if name == "ensemble":
                models = self._teachers()
            else:
                models = [self._teacher_of(part) for part in name.split(" and ")]
            self.labellers[name] = self._labeller_of(*models)
        return self.labellers[name]

    def _teacher_of(self, build):
        """Returns a teacher of another build; `LSTM` is the usual one."""
        if build == "LSTM":
            return self.labellers["teacher"].models[0]
        if build == "adapted":
            return self._adapted()
        if build in self.labellers:
            return self.labellers[build].models[0]
        model = new_teacher(self.corpus, SEED, "gru" if build == "GRU" else "lstm")
        banks = self.corpus.banks
        if build == "SpecAugment":
            rng = np.random.default_rng(SEED)
            banks = [  # masks of its own for every epoch
                [_masked(string, rng) for string in banks[n % len(banks)]]
                for n in range(self.sizes.teacher_epochs)
            ]
        train_on_states(model, banks, SEED, self.sizes.teacher_epochs)
        return model

    def _adapted(self):
        """Returns the teacher after a training on the states that it recognises."""
        row = Row("", known="path", unknown="path", matched=True)
        teacher = self.labellers["teacher"]
        strings = examples(row, self.corpus, teacher, self.sizes.epochs)
        banks = [
            [
                FeatureString(
                    x["features"], x["features"], path[:, 1, 0].astype("int32"), ()
                )
                for x, path in bank
            ]
            for bank in strings
        ]
        model = keras.models.clone_model(teacher.models[0])
        model.set_weights(teacher.models[0].get_weights())
        train_on_states(model, banks, SEED, _ADAPTED_EPOCHS, share=_ADAPTED_RATE)
        return model


def _masked(string, rng):
    return dataclasses.replace(string, noisy=spec_augment(string.noisy, rng))


if __name__ == "__main__":
    main()
