"""`rnn2dnn evaluate`: the word error rate of a model."""

import argparse
import dataclasses
import json
import zipfile
from pathlib import Path

import numpy as np

from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.commands.running import inputs
from keras_rnn2dnn.commands.terminal import say
from keras_rnn2dnn.deploy import Int8Student, load_bundle
from keras_rnn2dnn.distillation.input_checks import are_probabilities
from keras_rnn2dnn.distillation.model_files import load_model
from keras_rnn2dnn.scoring.vocabulary import check_vocabulary
from keras_rnn2dnn.scoring.word_errors import word_error_rate
from keras_rnn2dnn.util.errors import invalid
from keras_rnn2dnn.util.files import Utterances


def run(options: argparse.Namespace) -> None:
    """Prints a word error rate."""
    data = Path(options.data)
    audio = data.suffix != ".npz" and data.exists() and Path(options.model).is_dir()
    on_device = options.device_arithmetic or audio
    rate = _on_device(options) if on_device else _on_host(options)
    say(json.dumps(dataclasses.asdict(rate), indent=2) if options.json else str(rate))


def _on_host(options):
    data = _features(options.data)
    references = inputs.transcripts(data, options.normalisation)
    path = Path(options.model)
    decode = _decoder(options, path)
    check_vocabulary(references, decode, "transcripts")
    decode = getattr(decode, "words", decode)
    if path.suffix == ".keras":
        model = load_model(options.model)
        inputs.check_width(model, data)
        scores = predict_utterances(model, data.features)
        return word_error_rate(references, decode(_logits(scores)))
    if path.suffix != ".tflite" and not path.is_dir():
        expected = "a .keras file, a .tflite file of `rnn2dnn convert`, or a bundle"
        raise ValueError(invalid("MODEL", expected, options.model))
    logits = Int8Student.load(path).predict(data.features)
    return word_error_rate(references, decode(logits))


def _logits(scores):
    """Returns logits; of a model that ends in a softmax, log-posteriors."""
    rows = np.concatenate(scores)
    if not len(rows) or not are_probabilities(rows):
        return scores
    return [np.log(np.maximum(rows, 1e-30)) for rows in scores]


def _features(path):
    named = Path(path).suffix == ".npz" or not Path(path).exists()
    if not named and (Path(path).is_dir() or not zipfile.is_zipfile(path)):
        hint = "Audio needs a bundle and --device-arithmetic; for the words alone: "
        hint += "`rnn2dnn transcribe`"
        expected = "an .npz file of features and transcripts, as the demo writes"
        raise ValueError(invalid("--data", expected, str(path), hint))
    return Utterances.load(path)


def _decoder(options, path):
    if options.decoder:
        return inputs.decoder(options.decoder)
    if path.is_dir() and (bundle := load_bundle(path)).recognizer is not None:
        return bundle.recognizer.decoder
    raise ValueError(invalid("--decoder", "a decoder, as MODEL has none", None))


def _on_device(options):
    path = Path(options.model)
    bundle = load_bundle(path.parent if path.suffix == ".tflite" else path)
    if bundle.recognizer is None:
        why = bundle.report["firmware"]["refused"]
        expected = "a bundle whose C code goes from PCM to words"
        raise ValueError(invalid("MODEL", expected, options.model, why))
    if options.decoder:
        expected = "no other decoder than that of the bundle with --device-arithmetic"
        raise ValueError(invalid("--decoder", expected, options.decoder))
    rate = bundle.recognizer.spec.sample_rate_hz
    given = options.data, rate, options.strict, options.normalisation
    recordings, references = inputs.spoken_audio(*given)
    check_vocabulary(references, bundle.recognizer.decoder, "transcripts")
    words = bundle.recognizer.recognize(recordings)
    return word_error_rate(references, [[w.text for w in found] for found in words])
