"""Trains the systems, and keeps what they give: `Work`."""

import dataclasses
import functools
import re
import time
from pathlib import Path

import keras
import numpy as np

from benchmarks.keywords.clips import CEPSTRA, FRAMES
from benchmarks.keywords.material import SETS, Material
from benchmarks.keywords.rows import Row
from keras_rnn2dnn import Distiller, SoftAlignmentKL, crnn_teacher, ds_cnn_student
from keras_rnn2dnn.recipe.targets import log_means
from keras_rnn2dnn.util.files import new_file
from keras_rnn2dnn.util.learning_rate import warmup_cosine
from keras_rnn2dnn.util.log_softmax import log_softmax

RATES = {"CRNN": 2e-3, "DS-CNN": 3e-3, "DNN": 2e-3}
_LARGE_BATCH = 500


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much of all there is.

    Args:
        epochs: of each training.
        banks: copies of the training's clips.
        every: which recordings are read: each, each second, ...
        teacher: width of the teacher's two layers, of each direction.
        dnn: width of the DNN's two layers.
        temperatures: of which the best is chosen.
        batch: clips of a batch; batch normalization needs some hundred of them.
    """

    epochs: int = 20
    banks: int = 8
    every: int = 1
    teacher: int = 64
    dnn: int = 72
    temperatures: tuple[float, ...] = (1.0, 2.0, 4.0)
    batch: int = 64


class Work:
    """Trains and measures; what is finished is left alone.

    Args:
        material: of all trainings.
        out: directory of all results.
        sizes: of all trainings.
        seeds: of all trainings.
    """

    def __init__(self, material: Material, out: Path, sizes: Sizes, seeds: list[int]):
        self.material, self.out, self.sizes = material, out, sizes
        self.seeds, self.rows = seeds, {}

    def logits(self, row: Row, seed: int) -> dict[str, np.ndarray]:
        """Returns the logits of a row for all sets, `(clips, classes)`; trains it."""
        self.rows[row.name] = row
        path = self.path(row.name, seed, ".npz")
        if not path.is_file():
            heard = [examples.features for examples in self.material.sets.values()]
            found = dict(zip(SETS, self._outputs(row, seed, heard), strict=True))
            with new_file(path) as temporary, open(temporary, "wb") as file:
                np.savez(file, **found)
        with np.load(path) as kept:
            return {name: kept[name] for name in SETS}

    def model(self, name: str, seed: int) -> keras.Model:
        """Returns the model of a row, which is trained where it is not there."""
        path = self.path(name, seed, ".keras")
        if not path.is_file():
            begin = time.monotonic()
            model = self._trained(self.rows[name], seed)
            with new_file(path) as temporary:
                model.save(temporary)
            seconds = time.monotonic() - begin
            print(f"{name}, seed {seed}: {seconds:.0f} s", flush=True)
        return keras.saving.load_model(path)

    def parameters(self, name: str) -> int:
        """Returns how many parameters a row has, all members together."""
        row = self.rows[name]
        if row.model is None:
            return len(self.seeds) * self.parameters(row.taught_by)
        return self._new_model(row.model).count_params()

    def path(self, name: str, seed: int, suffix: str = "") -> Path:
        """Returns where something of a row is kept."""
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower())
        return self.out / f"seed-{seed}" / f"{plain}{suffix}"

    def _outputs(self, row, seed, heard):
        """Returns the outputs of a row for several arrays of clips."""
        if row.model is not None:
            model = self.model(row.name, seed)
            return [model.predict(x, _LARGE_BATCH, verbose=0) for x in heard]
        members = [
            self._outputs(self.rows[row.taught_by], member, heard)
            for member in (self.seeds if row.of_all_seeds else [seed])
        ]
        return log_means([[log_softmax(z) for z in of] for of in members])

    def _targets(self, row, seed):
        """Returns the log-posteriors which a row learns, of each bank; keeps them."""
        name = f"{row.taught_by}{' of all seeds' * row.of_all_seeds}, targets"
        path = self.path(name, seed, ".npy")
        if row.of_all_seeds:
            path = self.out / path.name  # the same for all seeds
        if not path.is_file():
            mean = dataclasses.replace(row, name=name, model=None)
            heard = [bank.features for bank in self.material.banks]
            with new_file(path) as temporary, open(temporary, "wb") as file:
                np.save(file, np.stack(self._outputs(mean, seed, heard)))
        return np.load(path)

    def _trained(self, row, seed):
        keras.utils.set_random_seed(seed)
        model = self._new_model(row.model)
        targets = None if row.taught_by is None else self._targets(row, seed)
        epochs = row.epochs * self.sizes.epochs
        given = row.hard, epochs, seed, self.sizes.batch
        data = Batches(self.material, targets, *given)
        steps = len(data)
        rate = warmup_cosine(RATES[row.model], steps, steps // epochs)
        adam = keras.optimizers.Adam(rate, global_clipnorm=1.0)
        hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        if targets is None:
            model.compile(adam, hard, jit_compile=False)
            model.fit(data, shuffle=False, verbose=0)
            return model
        soft = SoftAlignmentKL(row.temperature)
        distiller = Distiller(None, model, soft, student_loss_weight=row.hard)
        distiller.compile(adam, hard if row.hard else None)
        distiller.fit(data, shuffle=False, verbose=0)
        return model

    def _new_model(self, kind):
        classes = len(self.material.labels)
        make = {
            "CRNN": functools.partial(
                crnn_teacher,
                kernel=(10, 4),
                strides=(2, 2),
                units=(self.sizes.teacher,) * 2,
                dropout=0.2,
            ),
            "DS-CNN": functools.partial(ds_cnn_student, frames=FRAMES),
            "DNN": self._new_dnn,
        }
        return make[kind](CEPSTRA, classes)

    def _new_dnn(self, num_features, num_classes):
        layers = [keras.Input((FRAMES, num_features)), keras.layers.Flatten()]
        layers += [
            keras.layers.Dense(self.sizes.dnn, activation="relu") for _ in range(2)
        ]
        return keras.Sequential([*layers, keras.layers.Dense(num_classes)], name="dnn")


class Batches(keras.utils.PyDataset):
    """All batches of a training, those of all epochs one after the other.

    The same seed gives the same clips in the same order, whatever is learnt.

    Args:
        material: of the clips.
        targets: log-posteriors `(banks, clips, classes)`, or None for labels alone.
        hard: share of the labels beside them.
        epochs: of the training.
        seed: of the draw and of the order.
        size: of a batch.
    """

    def __init__(self, material, targets, hard, epochs, seed, size):
        super().__init__()
        self.material, self.targets, self.hard = material, targets, hard
        rng, self.places = np.random.default_rng(seed), []
        for epoch in range(epochs):
            bank, chosen = material.epoch(epoch, rng)
            for start in range(0, len(chosen) - size + 1, size):
                self.places.append((bank, chosen[start : start + size]))

    def __len__(self):
        """Returns the number of batches."""
        return len(self.places)

    def __getitem__(self, number):
        """Returns features and what is to be learnt of them."""
        bank, chosen = self.places[number]
        examples = self.material.banks[bank]
        x, labels = examples.features[chosen], examples.labels[chosen]
        if self.targets is None:
            return x, labels
        soft = self.targets[bank, chosen]
        return x, {"soft": soft, "labels": labels} if self.hard else soft


QUICK = Sizes(epochs=10, banks=2, every=4, temperatures=(2.0,), batch=16)
