"""A teacher that exists: what is known of it, and the run with it."""

import dataclasses
import json
from functools import cached_property
from pathlib import Path
from typing import Any

import keras

from keras_rnn2dnn import hmm
from keras_rnn2dnn.audio.features import FeatureSpec, LogMel
from keras_rnn2dnn.distillation.model_files import load_model
from keras_rnn2dnn.recipe.material import feature_spec
from keras_rnn2dnn.recipe.run import RecipeRun
from keras_rnn2dnn.recipe.trained import Trained, TuningStrings, tuned_to
from keras_rnn2dnn.util.checksums import checksum_of
from keras_rnn2dnn.util.errors import invalid

_STATES_PER_WORD = 5
_NORMS = ("all", "bins")  # of examples, of which strings in a stream are none


@dataclasses.dataclass(frozen=True, eq=False)
class OwnTeacher:
    """A teacher that exists.

    Args:
        path: of the model.
        model: gives logits of the topology's states.
        spec: of its features, from `features.json` beside it; None for the recipe's
            own.
        topology: of its states, from `decoder.json` or `NAME.decoder.json` beside it;
            None for five states a word, in alphabetical order, and one of silence.
    """

    path: Path
    model: keras.Model
    spec: FeatureSpec | None
    topology: hmm.Topology | None

    @classmethod
    def load(cls, path: str | Path) -> "OwnTeacher":
        """Reads a teacher, and what lies beside it.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is no model, or its features are none that a device can
                compute in a stream.
        """
        path = Path(path)
        model, spec, topology = load_model(path), None, None
        beside = path.parent / "features.json"
        if beside.is_file():
            spec = FeatureSpec.from_dict(json.loads(beside.read_text()))
            for name, whole in (
                ("centering", ("utterance",)),
                ("example_norm", _NORMS),
            ):
                if (value := getattr(spec, name)) in whole:
                    expected = "features that a device computes in a stream"
                    hint = "Train the teacher on features centred by a running mean"
                    received = f"{name}={value!r}"
                    raise ValueError(invalid(str(beside), expected, received, hint))
        for name in (f"{path.stem}.decoder.json", "decoder.json"):
            if topology is None and (path.parent / name).is_file():
                config = json.loads((path.parent / name).read_text())
                topology = hmm.WordLoopDecoder.from_dict(config).topology
        return cls(path, model, spec, topology)

    @property
    def is_for_streams(self) -> bool:
        """Whether its features forget within seconds what was heard in pauses."""
        return self.spec is not None and self.spec.compression == "pcen"

    def topology_for(self, words: tuple[str, ...]) -> hmm.Topology:
        """Returns the topology of the words of a corpus.

        Raises:
            ValueError: if the teacher has other features or states, or does not know
                a word.
        """
        topology = self.topology or hmm.Topology(words, _STATES_PER_WORD)
        if unknown := sorted({*words} - {*topology.words}):
            expected = f"words of the teacher: {', '.join(topology.words)}"
            hint = "Name those of them that the corpus has"
            raise ValueError(invalid("words", expected, unknown, hint))
        features = (self.spec or feature_spec(8000)).num_features
        shapes = {
            "inputs": (features, self.model.input_shape[-1]),
            "outputs": (topology.num_states, self.model.output_shape[-1]),
        }
        for name, (needed, found) in shapes.items():
            if needed != found:
                hint = (
                    "Lay `features.json` and `decoder.json` beside it, as `rnn2dnn "
                    "train` writes them, if it has features or states of its own"
                )
                expected = f"a model of {needed} {name}"
                received = f"{self.path}, with {found}"
                raise ValueError(invalid("teacher", expected, received, hint))
        return topology


class OwnTeacherRun(RecipeRun):
    """A run whose teacher exists: it labels, and students are trained.

    Args:
        own: the teacher.
        *given: as of `RecipeRun`.
        **options: as of `RecipeRun`.
    """

    def __init__(self, own: OwnTeacher, *given: Any, **options: Any):
        self.own = own
        super().__init__(*given, **options)

    def _depends_on(self):
        return [*super()._depends_on(), checksum_of(self.own.path), self.own.spec]

    def _feature_layer(self, train):
        if self.own.spec is None:
            return super()._feature_layer(train)
        return LogMel.from_spec(self.own.spec)

    @cached_property
    def teacher(self) -> Trained:
        """The teacher, with a decoder that is tuned on the development strings."""
        self._start("teacher: recognise")
        if (kept := self.steps.result("teacher")) is not None:
            return Trained.load(self.out, "teacher", kept)
        development = TuningStrings.of(self.material.development)
        decoder = tuned_to(self.material.untuned, [self.own.model], development)
        found = Trained("teacher", self.own.model, decoder, {})
        self.steps.finish("teacher", {}, found.save(self.out))
        return found
