"""Models of a run: trained, tuned and kept, or taken from what is kept."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import keras

from keras_rnn2dnn import hmm
from keras_rnn2dnn.batches.inference import Inference, inference_function
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.recipe.fitting import EpochRecorder
from keras_rnn2dnn.recipe.material import Material
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.recipe.steps import Steps
from keras_rnn2dnn.recipe.trained import (
    Trained,
    TuningStrings,
    agreed_with,
    tuned_to,
)
from keras_rnn2dnn.util.progress import StageProgress
from keras_rnn2dnn.util.tensorboard import write_scalars

WATCHED_STRINGS = 40  # development strings recognised after each epoch


class KeptModels:
    """How the models of a `RecipeRun` are trained, and which of them there are already.

    A run has beside it `material` and `teacher`.

    Args:
        out: directory of the models.
        recipe: the numbers.
        seed: of everything random.
        progress: shows the stages.
        title: stands before the name of each stage.
        keep_alignments: whether the store of `student` stays.
        steps: what is finished.
    """

    material: Material
    teacher: Trained

    def __init__(
        self,
        out: Path,
        recipe: Recipe,
        seed: int,
        progress: StageProgress,
        title: str,
        keep_alignments: bool,
        steps: Steps,
    ):
        self.out, self.recipe, self.seed = out, recipe, seed
        self.progress, self.title = progress, title
        self.keep_alignments, self.steps = keep_alignments, steps
        self._tuning: TuningStrings | None = None
        self._inference: dict[int, Inference] = {}

    def inference_of(self, model: keras.Model) -> Inference:
        """Returns a model's inference, compiled once for all that it is asked.

        Args:
            model: teacher or student; it is kept as long as this run.
        """
        if id(model) not in self._inference:
            self._inference[id(model)] = inference_function(model)
        return self._inference[id(model)]

    def _start(self, stage):
        self.progress.start(f"{self.title}: {stage}" if self.title else stage)

    def _trained(self, name: str, new: Callable, learn: Callable) -> Trained:
        """Returns a model with its decoder, which is tuned when it is trained.

        Args:
            name: of its files.
            new: makes the untrained model.
            learn: trains it.
        """
        kept = self.steps.result(name)
        if self._stays(name) and not self._store(name).exists():
            kept = None  # the store is asked for only now
        of_teacher = self.teacher.model if self._waits(name) else None
        model = self._new(new) if kept is None else None
        self._start(f"{name}: train")
        if model is None:
            self._start(f"{name}: recognise")
            return Trained.load(self.out, name, kept)
        watched = self.material.development[:WATCHED_STRINGS]
        recorder = EpochRecorder(
            self.inference_of(model),
            [s.noisy for s in watched],
            self.steps.path(f"{name}.epochs.npz"),
        )
        self._fit(name, model, learn, recorder)
        self._start(f"{name}: recognise")
        tuning = self._tuned_on(model, of_teacher)
        logits = predict_utterances(self.inference_of(model), tuning.features)
        decoder = hmm.tune_decoder(self.material.untuned, logits, tuning.words)
        history = recorder.measured(
            self._teacher_watched if of_teacher else None,
            decoder,
            [s.words for s in watched],
        )
        found = Trained(name, model, decoder, history)
        files = found.save(self.out)
        write_scalars(self.out / "tensorboard" / name, history)
        self._finish(name, history, files)
        return found

    def _new(self, new):
        return new(*self.material.model_sizes, self.recipe, self.seed)

    def _fit(self, name, model, learn, recorder=None):
        """Trains a model, or goes on with a training that was stopped."""
        backup = self.steps.backup(name)
        options: dict[str, Any] = {"store": self._store(name), "backup": backup}
        if recorder:
            recorder.restore(backup.epoch)
            options["callbacks"] = [recorder]
        learn(model, on_progress=self.progress.update, **options)

    def _stays(self, name):
        return self.keep_alignments and name == "student"

    def _store(self, name):
        file = f"{name}.align"
        return self.out / file if self._stays(name) else self.steps.path(file)

    def _finish(self, name, result, files):
        self.steps.finish(name, result, files)
        self.steps.remove(f"{name}.backup", f"{name}.epochs.npz", f"{name}.align")

    def _tuned_to(self, models):
        development = TuningStrings.of(self.material.development)
        return tuned_to(self.material.untuned, models, development)

    def _waits(self, name):
        """Tells whether a model is tuned with the teacher, or compared to it."""
        alone = name == "student_hard" and self.recipe.agreed_by == "itself"
        return name != "teacher" and not alone

    def _tuned_on(self, model, of_teacher):
        """Returns what decoders are tuned on: of some the words are recognised."""
        if self.recipe.agreed_by == "itself":
            return self._agreed_with(model)
        if self._tuning is None:
            self._tuning = self._agreed_with(of_teacher or model)
        return self._tuning

    def _agreed_with(self, model):
        heard = [s for s in self.material.mixed[-1] if s.states is None]
        return agreed_with(
            self.inference_of(model),
            self.material.untuned,
            TuningStrings.of(self.material.development),
            heard[max(len(heard) - self.recipe.agreed_strings, 0) :],
        )

    @cached_property
    def _teacher_watched(self):
        """What the trained teacher gives for the watched strings."""
        watched = self.material.development[:WATCHED_STRINGS]
        run = self.inference_of(self.teacher.model)
        return predict_utterances(run, [s.noisy for s in watched])
