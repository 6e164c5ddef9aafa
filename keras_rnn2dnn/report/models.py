"""The models of a fold, read when they are needed, and what they give."""

import contextlib
import functools
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.batches.inference import inference_function
from keras_rnn2dnn.batches.predicting import map_by_length
from keras_rnn2dnn.deploy import Int8Student
from keras_rnn2dnn.distillation.model_files import load_model
from keras_rnn2dnn.hmm import WordLoopDecoder
from keras_rnn2dnn.report.collect import FoldFiles
from keras_rnn2dnn.report.html import LeftOut
from keras_rnn2dnn.report.table import DISTILLED
from keras_rnn2dnn.util.files import Audio, Utterances

_SAMPLE = 60  # strings of all folds together


class FoldModels:
    """Teacher, distilled student and int8 student of a fold, and its test strings.

    Args:
        fold: of the demo.
    """

    def __init__(self, fold: FoldFiles):
        self.fold = fold
        self._functions: dict[str, Callable] = {}

    @functools.cached_property
    def test(self) -> Utterances:
        """The test strings."""
        with self._reading("test.npz") as path:
            return Utterances.load(path)

    @functools.cached_property
    def audio(self) -> Audio:
        """Their samples."""
        with self._reading("test_audio.npz") as path:
            return Audio.load(path)

    def decoder(self, model: str) -> WordLoopDecoder:
        """Returns the decoder that was chosen for `"teacher"` or `"student"`."""
        with self._reading(f"{model}.decoder.json") as path:
            return WordLoopDecoder.from_dict(json.loads(path.read_text()))

    @functools.cached_property
    def frame_step_s(self) -> float:
        """Seconds from frame to frame."""
        with self._reading("features.json") as path:
            spec = FeatureSpec.from_dict(json.loads(path.read_text()))
            return spec.frame_step_ms / 1000

    def recognised(self) -> list[tuple[str, str]]:
        """Returns what was said in each test string, and what the student heard.

        An older demo kept no hypotheses: they are then found again.
        """
        kept = self.fold.hypotheses
        if kept is not None and DISTILLED in kept["systems"]:
            heard = kept["systems"][DISTILLED]
            return list(zip(kept["references"], heard, strict=True))
        if self.test.transcripts is None:
            raise LeftOut(f"no transcripts in {self.fold.name}/test.npz")
        every = range(len(self.test.features))
        heard = self.decoder("student")(self.logits("student", every))
        found = [" ".join(words) for words in heard]
        return list(zip(self.test.transcripts, found, strict=True))

    def sample(self, num_folds: int) -> list[int]:
        """Returns test strings that stand for all: evenly spread, few of each fold."""
        total = len(self.test.features)
        number = min(total, -(-_SAMPLE // num_folds))
        return np.linspace(0, total - 1, number).round().astype(int).tolist()

    def logits(self, model: str, numbers: Iterable[int]) -> list[np.ndarray]:
        """Returns what a model gives for test strings.

        Args:
            model: `"teacher"`, `"student"` or `"int8"`.
            numbers: of the strings.

        Returns:
            Logits `(frames, states)` of each.
        """
        features = [self.test.features[n] for n in numbers]
        if model == "int8":
            return self.int8.predict(features)
        return map_by_length(self._inference(model), features)

    @functools.cached_property
    def int8(self) -> Int8Student:
        """The int8 student of the bundle."""
        with self._reading("bundle/student.tflite") as path:
            self._path("bundle/report.json")
            return Int8Student.load(path.parent)

    def _inference(self, name):
        if name not in self._functions:
            with self._reading(f"{name}.keras") as path:
                model = load_model(path)
            self._functions[name] = inference_function(model)
        return self._functions[name]

    @contextlib.contextmanager
    def _reading(self, name) -> Iterator[Path]:
        """Gives the path of a file; raises LeftOut where it is missing or damaged."""
        path = self._path(name)
        try:
            yield path
        except (
            *(ValueError, TypeError, KeyError, AttributeError, IndexError),
            *(OSError, RuntimeError),
        ) as error:
            why = f"{name} of {self.fold.name} is damaged: {error}"
            raise LeftOut(" ".join(why.split()).rstrip(".")) from error

    def _path(self, name):
        path = self.fold.path / name
        if not path.exists():
            raise LeftOut(f"no {name} in {self.fold.name}")
        return path
