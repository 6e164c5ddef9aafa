"""A trained model with its decoder: how that is chosen, and their files."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from keras_rnn2dnn import hmm
from keras_rnn2dnn.batches.inference import Inference
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.recipe.strings import FeatureString
from keras_rnn2dnn.recipe.targets import mean_log_posteriors
from keras_rnn2dnn.util.checksums import with_sum
from keras_rnn2dnn.util.files import new_file


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """A trained model.

    Args:
        name: of its files.
        model: teacher or student.
        decoder: tuned to it.
        history: `loss`, `kl`, `agreement` and `wer` of each epoch; see
            `EpochRecorder.measured`.
    """

    name: str
    model: keras.Model
    decoder: hmm.WordLoopDecoder
    history: dict[str, list[float]]

    def save(self, out: Path) -> list[Path]:
        """Writes `NAME.keras` and `NAME.decoder.json`, and returns their paths."""
        path, decoder = _paths(out, self.name)
        save_model(self.model, path)
        return [path, write_json(decoder, self.decoder.to_dict())]

    @classmethod
    def load(cls, out: Path, name: str, history: dict[str, list[float]]) -> "Trained":
        """Reads what `save` wrote."""
        path, decoder = _paths(out, name)
        config = json.loads(decoder.read_text())
        decode = hmm.WordLoopDecoder.from_dict(config)
        return cls(name, keras.saving.load_model(path), decode, history)


def _paths(out, name):
    return out / f"{name}.keras", out / f"{name}.decoder.json"


def save_model(model: keras.Model, path: Path) -> None:
    """Writes a model, whole or not at all."""
    with new_file(path) as temporary:
        model.save(temporary)


def write_json(path: Path, fields: dict) -> Path:
    """Writes a configuration with its sum, and returns the path."""
    with new_file(path) as temporary:
        temporary.write_text(json.dumps(with_sum(fields)) + "\n")
    return path


@dataclasses.dataclass(frozen=True, eq=False)
class TuningStrings:
    """What decoders are tuned on.

    Args:
        features: `(frames, features)` of noisy strings.
        words: of each.
    """

    features: list[np.ndarray]
    words: list[list[str]]

    @classmethod
    def of(cls, strings: Sequence[FeatureString]) -> "TuningStrings":
        """Returns transcribed strings, such as those of development."""
        return cls([s.noisy for s in strings], [list(s.words) for s in strings])

    def with_agreed(
        self, strings: Sequence[FeatureString], words: Sequence[Sequence[str]]
    ) -> "TuningStrings":
        """Adds strings whose transcripts nobody has.

        Args:
            strings: untranscribed; their own `words` are not looked at.
            words: that the teacher recognises in the clean ones.
        """
        heard = [s.noisy for s in strings]
        return TuningStrings(self.features + heard, self.words + list(words))


def tuned_to(
    untuned: hmm.WordLoopDecoder,
    models: Sequence[keras.Model | Inference],
    strings: TuningStrings,
) -> hmm.WordLoopDecoder:
    """Returns the decoder with the fewest errors for the mean of models."""
    outputs = mean_log_posteriors(models, strings.features)
    return hmm.tune_decoder(untuned, outputs, strings.words)


def agreed_with(
    teacher: keras.Model | Inference,
    untuned: hmm.WordLoopDecoder,
    development: TuningStrings,
    strings: Sequence[FeatureString],
) -> TuningStrings:
    """Returns development strings, and others with the words a teacher recognises.

    Args:
        teacher: hears the clean strings, with a decoder tuned on `development`.
        untuned: has topology and priors.
        development: transcribed strings.
        strings: untranscribed ones; may be empty.
    """
    if not strings:
        return development
    decoder = tuned_to(untuned, [teacher], development)
    clean = predict_utterances(teacher, [s.clean for s in strings])
    return development.with_agreed(strings, decoder(clean))
