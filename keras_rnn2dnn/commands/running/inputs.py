"""Reading what commands are given: models, features, decoders, specifications."""

import contextlib
import dataclasses
import json
import logging
from pathlib import Path

import keras
import numpy as np

from keras_rnn2dnn.audio.corpora.listing import list_corpus
from keras_rnn2dnn.audio.corpora.loading import AudioLoader
from keras_rnn2dnn.audio.corpora.whole_corpus import list_utterances
from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.deploy.golden import int16_pcm
from keras_rnn2dnn.distillation.model_files import load_model
from keras_rnn2dnn.hmm import WordLoopDecoder
from keras_rnn2dnn.keywords import KeywordSpotter
from keras_rnn2dnn.scoring.vocabulary import normalised
from keras_rnn2dnn.util.files import Audio

_LOG = logging.getLogger(__name__)


def load_student(path) -> keras.Model:
    """Loads a student to train on logits: a softmax at its end is left out."""
    model = load_model(path)
    last = model.layers[-1] if model.layers else None
    graph = isinstance(model, keras.Sequential | keras.Function)
    if graph and isinstance(last, keras.layers.Softmax):
        one = len(model.inputs) == 1
        given = model.inputs[0] if one else model.inputs
        return keras.Model(given, last.input, name=model.name)
    if graph and getattr(last, "activation", None) is keras.activations.softmax:
        last.activation = keras.activations.linear
    return model


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
        said = error if isinstance(error, ValueError) else repr(error)
        raise ValueError(f"Cannot use {str(path)!r}: {said}") from error


def decoder(path) -> WordLoopDecoder | GreedyDecoder | KeywordSpotter:
    """Reads a decoder: `to_dict()` of one of the three, as JSON."""
    with usable(path):
        config = read_json(path)
        kind = GreedyDecoder if "labels" in config else WordLoopDecoder
        kind = KeywordSpotter if "none" in config else kind
        return kind.from_dict(config)


def audio(path, sample_rate_hz, strict=False, normalisation=()) -> Audio:
    """Reads PCM at one rate: an `.npz` file of `Audio`, or what `list_corpus` reads."""
    found = _audio(path, sample_rate_hz, strict)
    if found.transcripts is None:
        return found
    texts = [normalised(text, normalisation) for text in found.transcripts]
    return dataclasses.replace(found, transcripts=texts)


def spoken_audio(
    path, sample_rate_hz, strict=False, normalisation=()
) -> tuple[list[np.ndarray], list[list[str]]]:
    """Reads PCM at one rate, and the words that are said.

    Args:
        path: an `.npz` file of `Audio`, or a corpus: folders by word, or any layout
            that `list_corpus` knows.
        sample_rate_hz: wanted.
        strict: whether a file that cannot be decoded is an error.
        normalisation: of the words, `vocabulary.OPTIONS` one after the other.

    Returns:
        The recordings, int16 `(samples,)`, and the words of each. A folder's name is
        one word, also with spaces in it.
    """
    path = Path(path)
    if path.suffix == ".npz":
        found = _audio(path, sample_rate_hz, strict)
        texts = transcripts(found, normalisation, beside="samples")
        return found.samples, [text.split() for text in texts]
    listing = list_utterances(path)
    said = {u.file.name: u.words for u in listing.utterances}
    files = [utterance.file for utterance in listing.utterances]
    loader = AudioLoader(files, sample_rate_hz, strict)
    pairs = [(int16_pcm(samples), said[file.name]) for file, samples in loader]
    if left_out := [*listing.skipped, *loader.skipped]:
        _LOG.warning("Left out: %d, such as %s", len(left_out), left_out[0])
    if not pairs:
        raise ValueError(_undecodable(path, loader))
    words = [[normalised(word, normalisation) for word in words] for _, words in pairs]
    return [pcm for pcm, _ in pairs], words


def _undecodable(path, loader):
    return (
        f"Cannot use {str(path)!r}. Expected audio. Received: {len(loader)} files that "
        f"cannot be decoded, such as {loader.skipped[0]}"
    )


def _audio(path, sample_rate_hz, strict):
    path = Path(path)
    if path.suffix == ".npz":
        found = Audio.load(path)
        if sample_rate_hz not in (None, found.sample_rate_hz):
            raise ValueError(
                f"Cannot use {str(path)!r}. Expected {sample_rate_hz} Hz, as the "
                f"features need. Received: {found.sample_rate_hz} Hz"
            )
        return found
    loader = AudioLoader(list_corpus(path), sample_rate_hz, strict)
    pairs = [(int16_pcm(samples), file.text) for file, samples in loader]
    if not pairs:
        raise ValueError(_undecodable(path, loader))
    texts = [text for _, text in pairs]
    known = None if None in texts else texts
    return Audio([pcm for pcm, _ in pairs], sample_rate_hz, known)


def check_width(model, data) -> None:
    """Raises ValueError where a model takes other features than those of the data."""
    expected, received = model.input_shape[-1], data.features[0].shape[-1]
    if expected != received:
        raise ValueError(
            f"Different numbers of features. Expected {expected} per frame as in the "
            f"model {model.name!r}. Received: {received} in the data"
        )


def transcripts(utterances, normalisation=(), beside="features") -> list[str]:
    """Returns the transcripts of a file; raises ValueError where there are none."""
    if utterances.transcripts is None:
        raise ValueError(
            "Transcripts are missing. Expected the array `transcripts` beside "
            f"`{beside}` in the .npz file"
        )
    return [normalised(text, normalisation) for text in utterances.transcripts]


def read_json(path):
    """Reads JSON; names the file where it is none."""
    try:
        return json.loads(Path(path).read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"Cannot read {str(path)!r} as JSON: {error}") from error
