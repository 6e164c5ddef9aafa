"""The command `rnn2dnn`: demo, convert, evaluate."""

import argparse
import contextlib
import dataclasses
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import keras

from keras_rnn2dnn import __version__, demo
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.batches import predict_utterances
from keras_rnn2dnn.demo.table import to_markdown
from keras_rnn2dnn.deploy import Int8Student, convert
from keras_rnn2dnn.distiller import Distiller
from keras_rnn2dnn.errors import invalid
from keras_rnn2dnn.files import Utterances
from keras_rnn2dnn.hmm import WordLoopDecoder
from keras_rnn2dnn.scoring import word_error_rate

_EPILOG = """example:
  {example}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: of the command line; those of the process by default.

    Returns:
        The exit code: 0; 2 for bad arguments or data, with one line on standard
        error; 130 when interrupted.
    """
    options = _parser().parse_args(arguments)
    level = logging.INFO if options.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s")
    try:
        options.run(options)
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        if options.verbose:
            raise
        line = " ".join(str(error).split())
        sys.stderr.write(f"rnn2dnn {options.command}: error: {line}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nrnn2dnn: interrupted; finished files are whole\n")
        return 130
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="rnn2dnn",
        description="Distil recurrent acoustic models into feed-forward students for "
        "microcontrollers.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_convert(commands)
    _add_evaluate(commands)
    return parser


def _add(commands, name, run, summary, example):
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=_EPILOG.format(example=example),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--verbose", action="store_true", help="say more, with tracebacks"
    )
    return parser


def _add_demo(commands):
    parser = _add(
        commands,
        "demo",
        _demo,
        "Train teacher and students, convert to int8, compare word error rates.",
        "rnn2dnn demo --data recordings --protocol new-speaker --speaker all",
    )
    add = parser.add_argument
    add(
        "--data",
        metavar="DIRECTORY",
        help="recordings named {digit}_{speaker}_{index}.wav (Free Spoken Digit "
        "Dataset); without it speech is synthesised (extra: synth)",
    )
    add("--words", nargs="+", metavar="WORD", help="vocabulary (default: the digits)")
    add("--protocol", default="new-speaker", choices=("new-speaker", "official"))
    add(
        "--speaker",
        metavar="NAME",
        help="held-out speaker, or 'all' for every one in turn (default: the first "
        "one; of synthetic voices the last four)",
    )
    add("--out", default="out", metavar="DIRECTORY", help="results (default: out)")
    add("--seed", type=int, default=0, metavar="N", help="default: 0")


def _demo(options):
    recordings = demo.demo_recordings(options.data, options.words, options.seed)
    rows = demo.run_demo(
        recordings,
        options.out,
        protocol=options.protocol,
        speaker=options.speaker,
        seed=options.seed,
        synthetic=options.data is None,
    )
    source = "SYNTHETIC speech" if options.data is None else "real recordings"
    _say(f"\n{to_markdown(rows)}\nMeasured on {source}. Files: {options.out}")


def _add_convert(commands):
    parser = _add(
        commands,
        "convert",
        _convert,
        "Convert a student to int8 TensorFlow Lite, with a report.",
        "rnn2dnn convert student.keras --calibration calibration.npz --out bundle",
    )
    add = parser.add_argument
    add("student", metavar="STUDENT.keras")
    add(
        "--calibration",
        required=True,
        metavar="FEATURES.npz",
        help="features of real utterances: `features` (all frames, features) and "
        "`num_frames` (utterances)",
    )
    add("--out", required=True, metavar="DIRECTORY")
    add("--features", metavar="SPEC.json", help="feature specification, for the report")
    add("--decoder", metavar="DECODER.json", help="adds word error rates to the report")
    add("--frame-step-ms", type=float, default=10.0, metavar="MS", help="default: 10")
    add("--seed", type=int, default=0, metavar="N", help="default: 0")


def _convert(options):
    calibration = Utterances.load(options.calibration)
    decode = references = None
    if options.decoder:
        decode, references = _decoder(options.decoder), _transcripts(calibration)
    report = convert(
        _load_model(options.student),
        options.out,
        calibration.features,
        feature_spec=_feature_spec(options.features) if options.features else None,
        decode=decode,
        references=references,
        frame_step_ms=options.frame_step_ms,
        seed=options.seed,
    )
    _say(str(report))


def _add_evaluate(commands):
    parser = _add(
        commands,
        "evaluate",
        _evaluate,
        "Recognise utterances with a model and print the word error rate.",
        "rnn2dnn evaluate out/george/student.tflite --data out/george/test.npz "
        "--decoder out/george/student.decoder.json",
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="a .keras file, or a .tflite of `convert`")
    add(
        "--data",
        required=True,
        metavar="FEATURES.npz",
        help="`features`, `num_frames` and `transcripts`, as the demo writes",
    )
    add("--decoder", required=True, metavar="DECODER.json", help="as the demo writes")
    add("--json", action="store_true", help="print all counts as JSON")


def _evaluate(options):
    data = Utterances.load(options.data)
    references, decode = _transcripts(data), _decoder(options.decoder)
    kind = Path(options.model).suffix
    if kind not in (".keras", ".tflite"):
        expected = "a .keras file, or a .tflite file of `rnn2dnn convert`"
        raise ValueError(invalid("MODEL", expected, options.model))
    if kind == ".keras":
        model = _load_model(options.model)
        _check_width(model, data)
        logits = predict_utterances(model, data.features)
    else:
        logits = Int8Student.load(options.model).predict(data.features)
    rate = word_error_rate(references, decode(logits))
    _say(json.dumps(dataclasses.asdict(rate), indent=2) if options.json else str(rate))


def _load_model(path):
    if not Path(path).is_file():
        raise FileNotFoundError(f"No file {path!r}. Expected a model saved as .keras")
    with _usable(path):
        model = keras.saving.load_model(path, compile=False)
    return model.student if isinstance(model, Distiller) else model


def _feature_spec(path):
    with _usable(path):
        return FeatureSpec.from_dict(_json(path))


@contextlib.contextmanager
def _usable(path):
    """Names the file in whatever error its content leads to."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"Cannot use {str(path)!r}: {error!r}") from error


def _decoder(path):
    with _usable(path):
        return WordLoopDecoder.from_dict(_json(path))


def _check_width(model, data):
    expected, received = model.input_shape[-1], data.features[0].shape[-1]
    if expected != received:
        raise ValueError(
            f"Different numbers of features. Expected {expected} per frame as in the "
            f"model {model.name!r}. Received: {received} in the data"
        )


def _transcripts(utterances):
    if utterances.transcripts is None:
        raise ValueError(
            "Transcripts are missing. Expected the array `transcripts` beside "
            "`features` in the .npz file"
        )
    return utterances.transcripts


def _json(path):
    try:
        return json.loads(Path(path).read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"Cannot read {str(path)!r} as JSON: {error}") from error


def _say(text):
    sys.stdout.write(f"{text}\n")
