"""Features of all that is learnt and heard, computed once and kept: `Material`."""

import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.keywords.clips import Room, exact_features, feature_spec, features
from benchmarks.keywords.task import OTHER, Task
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.util.files import new_file

SETS = {
    "development": ("development", Room.as_recorded),
    "development in noise": ("development", Room.in_noise),
    "test": ("test", Room.as_recorded),
    "test in noise": ("test", Room.in_noise),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Clips of which a model is trained or tested.

    Args:
        features: float32 `(clips, frames, cepstra)`.
        labels: `(clips,)`.
        speakers: of each clip; "" of silence.
    """

    features: np.ndarray
    labels: np.ndarray
    speakers: np.ndarray


class Material:
    """All examples of a task.

    Args:
        read: gives the task, where something is missing.
        folder: in which features are kept.
        banks: how many copies of the training's clips there are, each changed in other
            ways.
    """

    def __init__(self, read: Callable[[], Task], folder: Path, banks: int):
        self._read, self.folder = functools.cache(read), folder
        self.spec, fields = self._spec_and_task()
        self.labels, self.others = tuple(fields["labels"]), fields["others"]
        self.banks = [self._examples(f"bank-{n}", self._bank(n)) for n in range(banks)]
        self.sets = {name: self._examples(name, self._set(name)) for name in SETS}

    def _spec_and_task(self):
        path = self.folder / "spec.json"
        if not path.is_file():
            task = self._read()
            spec = feature_spec(task, Room(task, "train", 0).bank())
            fields = {"labels": task.labels, "others": task.others}
            with new_file(path) as temporary:
                temporary.write_text(json.dumps([spec.to_dict(), fields]))
        spec, fields = json.loads(path.read_text())
        return FeatureSpec.from_dict(spec), fields

    def _bank(self, number):
        def made():
            heard = Room(self._read(), "train", number).bank()
            return features(heard, self.spec), heard

        return made

    def _set(self, name):
        def made():
            use, hear = SETS[name]
            heard = hear(Room(self._read(), use, 0))
            return exact_features(heard, self.spec), heard

        return made

    def _examples(self, name, made):
        path = self.folder / f"{name.replace(' ', '-')}.npz"
        if not path.is_file():
            values, heard = made()
            with new_file(path) as temporary, open(temporary, "wb") as file:
                given = {"labels": heard.labels, "speakers": heard.speakers}
                np.savez(file, features=values, **given)
        with np.load(path) as kept:
            return Examples(**{name: kept[name] for name in kept.files})

    def epoch(self, number: int, rng: np.random.Generator) -> tuple[int, np.ndarray]:
        """Draws the clips of an epoch: of other words as many as the task says.

        Args:
            number: of the epoch.
            rng: of the draw and of the order.

        Returns:
            The number of the bank, and places in it.
        """
        bank = number % len(self.banks)
        labels = self.banks[bank].labels
        other = labels == self.labels.index(OTHER)
        keywords = int((labels < self.labels.index(OTHER)).sum())
        drawn = np.flatnonzero(other)
        count = min(len(drawn), round(self.others * keywords))
        chosen = [np.flatnonzero(~other), rng.permutation(drawn)[:count]]
        return bank, rng.permutation(np.concatenate(chosen))
