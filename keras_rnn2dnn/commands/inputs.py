"""Reading what commands are given: models, features, decoders, specifications."""

import contextlib
import json
from pathlib import Path

import keras

from keras_rnn2dnn.audio.corpora import read_wav
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.deploy.golden import int16_pcm
from keras_rnn2dnn.distiller import Distiller
from keras_rnn2dnn.files import Audio
from keras_rnn2dnn.hmm import WordLoopDecoder


def load_model(path) -> keras.Model:
    """Loads a `.keras` file; of a saved Distiller its student."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"No file {path!r}. Expected a model saved as .keras")
    with usable(path):
        model = keras.saving.load_model(path, compile=False)
    return model.student if isinstance(model, Distiller) else model


def feature_spec(path) -> FeatureSpec:
    """Reads a feature specification."""
    with usable(path):
        return FeatureSpec.from_dict(read_json(path))


@contextlib.contextmanager
def usable(path):
    """Names the file in whatever error its content leads to."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"Cannot use {str(path)!r}: {error!r}") from error


def decoder(path) -> WordLoopDecoder | GreedyDecoder:
    """Reads a decoder: `to_dict()` of one of the two, as JSON."""
    with usable(path):
        config = read_json(path)
        kind = GreedyDecoder if "labels" in config else WordLoopDecoder
        return kind.from_dict(config)


def audio(path, sample_rate_hz) -> Audio:
    """Reads PCM: an `.npz` file of `Audio`, a `.wav` file, or a directory of them."""
    path = Path(path)
    if path.suffix == ".npz":
        found = Audio.load(path)
    else:
        files = sorted(path.rglob("*.wav")) if path.is_dir() else [path]
        if not files:
            raise FileNotFoundError(f"No .wav files in {str(path)!r}")
        recordings = [read_wav(file) for file in files]
        rates = sorted({rate for _, rate in recordings})
        if len(rates) > 1:
            raise ValueError(
                f"Cannot use {str(path)!r}. Expected one sample rate. Received: {rates}"
            )
        found = Audio([int16_pcm(samples) for samples, _ in recordings], rates[0])
    if sample_rate_hz not in (None, found.sample_rate_hz):
        raise ValueError(
            f"Cannot use {str(path)!r}. Expected {sample_rate_hz} Hz, as the features "
            f"need. Received: {found.sample_rate_hz} Hz"
        )
    return found


def check_width(model, data) -> None:
    """Raises ValueError where a model takes other features than those of the data."""
    expected, received = model.input_shape[-1], data.features[0].shape[-1]
    if expected != received:
        raise ValueError(
            f"Different numbers of features. Expected {expected} per frame as in the "
            f"model {model.name!r}. Received: {received} in the data"
        )


def transcripts(utterances) -> list[str]:
    """Returns the transcripts of a file; raises ValueError where there are none."""
    if utterances.transcripts is None:
        raise ValueError(
            "Transcripts are missing. Expected the array `transcripts` beside "
            "`features` in the .npz file"
        )
    return utterances.transcripts


def read_json(path):
    """Reads JSON; names the file where it is none."""
    try:
        return json.loads(Path(path).read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"Cannot read {str(path)!r} as JSON: {error}") from error
