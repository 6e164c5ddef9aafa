"""What the systems of a run give on its test: `MeasuredRun`."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property

import numpy as np

from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.deploy import Int8Student, load_bundle
from keras_rnn2dnn.deploy.golden import int16_pcm
from keras_rnn2dnn.recipe.kept_models import WATCHED_STRINGS
from keras_rnn2dnn.recipe.run import RecipeRun
from keras_rnn2dnn.recipe.trained import Trained
from keras_rnn2dnn.report import table
from keras_rnn2dnn.util.files import new_file

# The systems of a table that are trained, and what the recipe calls them.
ALL_TRAINED = {
    table.TEACHER: "teacher",
    table.HARD: "hard",
    table.SELF: "self_labelled",
    table.SOFT: "soft",
    table.ALONE: "without_teacher",
    table.DISTILLED: "distilled",
}


class MeasuredRun:
    """Measures what the recipe makes of a split on its test.

    Each system is measured beside the training of the next.

    Args:
        run: the recipe on the split. What was measured is one of its finished steps.
        trained: the systems that are trained, by their names in the table: attributes
            of the run, in the order of the trainings.
        on_output: called with each system's output when it is there, in a thread of its
            own; what compares it with the teacher may then be None.
    """

    def __init__(
        self,
        run: RecipeRun,
        trained: Mapping[str, str] = ALL_TRAINED,
        on_output: Callable[[table.SystemOutput], None] | None = None,
    ):
        self.run, self.trained, self.on_output = run, trained, on_output
        self._teacher: Trained | None = None  # until it is trained

    def outputs(self) -> list[table.SystemOutput]:
        """Returns what each system gave, in the order of the table."""
        waiting: dict[str, tuple[Trained, Future]] = {}
        with ThreadPoolExecutor(1) as beside:
            for system, name in self.trained.items():
                trained = getattr(self.run, name)
                for _, earlier in waiting.values():
                    earlier.result()  # raises what went wrong there
                if name == "teacher":
                    self._teacher = trained
                if self.run.steps.result(f"{trained.name}.output") is None:
                    _ = self.run.material  # not in two threads at once
                measured = beside.submit(self._told, self._measured, system, trained)
                waiting[system] = trained, measured
            _ = self.run.bundle
        found = [
            self._measured(system, waiting[system][0])  # now with the teacher
            for system in sorted(waiting, key=list(ALL_TRAINED).index)
        ]
        self.run.progress.update(0.6)
        found.append(self._told(self._once, "int8.output", self._int8))
        self.run.progress.update(0.8)
        found.append(self._told(self._once, "device.output", self._device))
        self._write_history()
        self.run.progress.finish()
        return found

    def _told(self, measure, *arguments):
        found = measure(*arguments)
        if self.on_output:
            self.on_output(found)
        return found

    def _once(self, step, measure):
        kept = self.run.steps.result(step)
        if kept is None or (kept["kl"] is None and self._teacher):
            kept = dataclasses.asdict(measure())
            self.run.steps.finish(step, kept)
        return table.SystemOutput(**kept)

    def _measured(self, system: str, trained: Trained) -> table.SystemOutput:
        def measure():
            logits = predict_utterances(
                self.run.inference_of(trained.model), self._features
            )
            words, parameters = trained.decoder(logits), trained.model.count_params()
            return self._output(system, parameters, 4 * parameters, words, logits)

        return self._once(f"{trained.name}.output", measure)

    def _int8(self):
        logits = Int8Student.load(self.run.bundle).predict(self._features)
        words = self.run.distilled.decoder(logits)
        return self._output_of_bundle(table.INT8, words, logits)

    def _device(self):
        recognizer = load_bundle(self.run.bundle).recognizer
        pcm = [int16_pcm(s.samples) for s in self.run.material.test]
        logits = [recognizer.logits(samples) for samples in pcm]
        words = [[w.text for w in found] for found in recognizer.decode(logits)]
        logits = [recognizer.network.dequantized(z) for z in logits]
        return self._output_of_bundle(table.DEVICE, words, logits)

    def _output_of_bundle(self, system, words, logits):
        report = json.loads((self.run.bundle / "report.json").read_text())
        parameters = self.run.distilled.model.count_params()
        return self._output(system, parameters, report["bytes"], words, logits)

    def _output(
        self,
        system: str,
        parameters: int,
        num_bytes: int,
        words: Sequence[Sequence[str]],
        logits: Sequence[np.ndarray],
    ) -> table.SystemOutput:
        said = [s.words for s in self.run.material.test]
        taught = self._teacher_logits if self._teacher else None
        given = parameters, num_bytes, said, words, logits, taught
        return table.system_output(system, *given)

    @cached_property
    def _features(self):
        return [s.noisy for s in self.run.material.test]

    @cached_property
    def _teacher_logits(self):
        return predict_utterances(
            self.run.inference_of(self._teacher.model), self._features
        )

    def _write_history(self):
        """Writes `history.json`: the course of the training of each system."""
        strings = min(WATCHED_STRINGS, self.run.recipe.development_strings)
        histories = {}
        for system, name in self.trained.items():
            trained: Trained = getattr(self.run, name)
            found = {"system": system, "strings": strings, **trained.history}
            histories[trained.name] = found
        with new_file(self.run.out / "history.json") as path:
            path.write_text(json.dumps(histories, indent=2) + "\n")
