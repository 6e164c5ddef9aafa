"""The models of a fold, read when they are needed, and what they give."""

import functools
import json
from collections.abc import Callable, Iterable

import keras
import numpy as np

from keras_rnn2dnn.batches import inference_function, map_by_length
from keras_rnn2dnn.demo.table import DISTILLED
from keras_rnn2dnn.deploy import Int8Student
from keras_rnn2dnn.files import Audio, Utterances
from keras_rnn2dnn.hmm import WordLoopDecoder
from keras_rnn2dnn.report.collect import FoldFiles
from keras_rnn2dnn.report.html import LeftOut

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
        return Utterances.load(self._path("test.npz"))

    @functools.cached_property
    def audio(self) -> Audio:
        """Their samples."""
        return Audio.load(self._path("test_audio.npz"))

    def decoder(self, model: str) -> WordLoopDecoder:
        """Returns the decoder that was chosen for `"teacher"` or `"student"`."""
        path = self._path(f"{model}.decoder.json")
        return WordLoopDecoder.from_dict(json.loads(path.read_text()))

    @functools.cached_property
    def frame_step_s(self) -> float:
        """Seconds from frame to frame."""
        spec = json.loads(self._path("features.json").read_text())
        return spec["frame_step_ms"] / 1000

    def recognised(self) -> list[tuple[str, str]]:
        """Returns what was said in each test string, and what the student heard.

        An older demo kept no hypotheses: they are then found again.
        """
        kept = self.fold.hypotheses
        if kept is not None:
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
        self._path("bundle/student.tflite")
        return Int8Student.load(self._path("bundle"))

    def _inference(self, name):
        if name not in self._functions:
            path, width = self._path(f"{name}.keras"), self.test.features[0].shape[-1]
            model = keras.saving.load_model(path, compile=False)
            self._functions[name] = inference_function(model, width)
        return self._functions[name]

    def _path(self, name):
        path = self.fold.path / name
        if not path.exists():
            raise LeftOut(f"no {name} in {self.fold.name}")
        return path
