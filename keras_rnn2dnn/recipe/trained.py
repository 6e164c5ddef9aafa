"""A trained model with its decoder, and their files: `Trained`."""

import dataclasses
import json
from pathlib import Path

import keras

from keras_rnn2dnn import hmm
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
