"""`rnn2dnn distill`: a student from soft alignments on disk."""

import argparse
import json
from pathlib import Path

import keras

from keras_rnn2dnn.alignments import SoftAlignments
from keras_rnn2dnn.alignments.delay import choose_delay
from keras_rnn2dnn.alignments.training import train_student
from keras_rnn2dnn.budget.plot import to_svg
from keras_rnn2dnn.budget.result import to_markdown
from keras_rnn2dnn.budget.search import search_student
from keras_rnn2dnn.commands import numbers
from keras_rnn2dnn.commands.parser import add_command, say
from keras_rnn2dnn.commands.running import inputs
from keras_rnn2dnn.commands.running.align import CHAIN
from keras_rnn2dnn.commands.running.sources import FeatureSource
from keras_rnn2dnn.hmm import SequenceKL, WordLoopDecoder
from keras_rnn2dnn.hmm.constrained import made_of_paths
from keras_rnn2dnn.models.reference import dnn_student
from keras_rnn2dnn.quantization import quantization_aware
from keras_rnn2dnn.util.epoch_backup import remove_backups
from keras_rnn2dnn.util.errors import invalid
from keras_rnn2dnn.util.files import Utterances, check_writable, new_file
from keras_rnn2dnn.util.progress import StageProgress
from keras_rnn2dnn.util.sums import with_sum

_MOST_UTTERANCES = 2000  # that set the ranges of int8
_UNITS = 128, 128, 128
_NOT_SEARCHED = {  # defaults of what the search for a budget does not use
    "student": None,
    "units": _UNITS,
    "int8": False,
    "stride": 1,
    "delay": 0,
}


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "distill",
        _run,
        "Train a feed-forward student on a store; again after a stop, to go on.",
        CHAIN,
        goes_on=True,
    )
    parser.add_argument("store", metavar="STORE", help="of `rnn2dnn align`")
    parser.add_argument("--out", required=True, metavar="STUDENT.keras")
    parser.add_argument(
        "--student",
        metavar="STUDENT.keras",
        help="a student to train, as it is; a softmax at its end is left out",
    )
    parser.add_argument(
        "--units",
        type=numbers.several,
        default=_UNITS,
        metavar="N,N,...",
        help="hidden layers of a new student (default: 128,128,128)",
    )
    parser.add_argument(
        "--context",
        type=numbers.several,
        default=(15, 5),
        metavar="LEFT,RIGHT",
        help="frames around each frame, for a new student (default: 15,5)",
    )
    parser.add_argument(
        "--epochs", type=int, default=10, metavar="N", help="default: 10"
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        default=32,
        metavar="N",
        help="utterances; default: 32",
    )
    parser.add_argument(
        "--learning-rate",
        type=float,
        default=3e-3,
        metavar="RATE",
        help="highest; default: 0.003",
    )
    parser.add_argument(
        "--int8",
        action="store_true",
        help="train the student as it will be quantised, in ranges set by the store; "
        "for an epoch more of a trained one, with --student and a low rate",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument(
        "--stride",
        type=int,
        default=1,
        metavar="N",
        help="frames for each output of a new student, as its teacher (default: 1)",
    )
    parser.add_argument(
        "--delay",
        type=numbers.delay,
        default=0,
        metavar="N|auto",
        help="output frames by which the teacher lags; `auto` tries several in short "
        "trainings, and needs --development and --decoder (default: 0)",
    )
    parser.add_argument(
        "--sequence",
        action=argparse.BooleanOptionalAction,
        help="learn paths through the word loop of --decoder instead of frames "
        "(default: where `align` had a --decoder of the same words and states; never "
        "with --delay auto)",
    )
    search = parser.add_argument_group(
        "budget", "Train several students that fit a budget, and keep the best."
    )
    search.add_argument(
        "--max-bytes",
        type=numbers.count,
        metavar="N",
        help="of the int8 file, such as 32k",
    )
    search.add_argument(
        "--max-instructions",
        type=numbers.count,
        metavar="N",
        help="of the network per frame on a Cortex-M4F, such as 200k",
    )
    search.add_argument(
        "--development",
        metavar="FEATURES.npz",
        help="features with transcripts; their word errors choose the student",
    )
    search.add_argument(
        "--decoder",
        metavar="DECODER.json",
        help="priors and words, which is tuned; or labels and blank of CTC",
    )


def _run(options):
    out = Path(options.out)
    if out.suffix != ".keras":
        raise ValueError(invalid("--out", "a name that ends in .keras", options.out))
    if out.exists():
        raise ValueError(f"{options.out!r} exists. Give another name, or remove it")
    check_writable(options.out)
    store = SoftAlignments(options.store)
    if options.max_bytes is not None or options.max_instructions is not None:
        for name, default in _NOT_SEARCHED.items():
            value = getattr(options, name)
            if value != default:
                expected = "none with a budget, whose search does not use it"
                raise ValueError(invalid(f"--{name}", expected, value))
        return _search(options, store, out, _loss(options, store))
    loss = _loss(options, store)
    progress = StageProgress(num_stages=1 + (options.delay == "auto"))
    delay = options.delay
    if delay == "auto":
        delay = _best_delay(options, store, out, progress)
    student = _student(options, store)
    progress.start(f"distill {out.name}")
    logs = train_student(
        student,
        store,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        seed=options.seed,
        loss=loss,
        teacher_delay=delay,
        backup=out.with_name(f"{out.stem}.backup"),
        out=out,
        on_progress=progress.update,
    )
    remove_backups(_backups(out))
    progress.finish()
    say(
        f"{out}: {student.count_params():,} parameters, {_learnt(loss)}, KL "
        f"{logs['kl']:.4f} from the teacher, agreement {100 * logs['agreement']:.1f} %"
    )


def _learnt(loss):
    return "learnt frames" if loss is None else "learnt paths"


def _loss(options, store):
    """Returns the loss of paths, or None to learn frames."""
    told, auto = options.sequence, options.delay == "auto"
    if not told and (told is False or auto or options.decoder is None):
        return None
    if auto:
        expected = "a number with --sequence"
        raise ValueError(invalid("--delay", expected, options.delay))
    if options.decoder is None:
        expected = "a file, as --sequence needs its words"
        raise ValueError(invalid("--decoder", expected, None))
    decoder = inputs.decoder(options.decoder)
    of_words = isinstance(decoder, WordLoopDecoder)
    if told is None and not (of_words and _holds_paths(store, decoder)):
        return None
    if not of_words:
        expected = "a decoder of words with states, not of CTC"
        raise ValueError(invalid("--decoder", expected, options.decoder))
    if decoder.topology.num_states != store.num_classes:
        expected = f"{store.num_classes} states, as many as the store has classes"
        received = f"{decoder.topology.num_states} states"
        raise ValueError(invalid("--decoder", expected, received))
    return SequenceKL.of_words(decoder.topology, decoder.self_loop)


def _holds_paths(store, decoder):
    made = store.manifest.settings.transform
    return made_of_paths(made, decoder.topology, decoder.self_loop)


def _student(options, store):
    keras.utils.set_random_seed(options.seed)
    student = (
        inputs.load_student(options.student)
        if options.student
        else _new(options, store)
    )
    if options.int8:
        calibration = FeatureSource(options.store).utterances(_MOST_UTTERANCES)
        student = quantization_aware(student, calibration.features)
    return student


def _best_delay(options, store, out, progress):
    development, decoder = _development(options, "--delay auto")
    progress.start("try delays")
    found = choose_delay(
        store,
        lambda: _student(options, store),
        development,
        decoder,
        epochs=max(1, options.epochs // 3),
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        seed=options.seed,
        backups=_backups(out),
        on_progress=progress.update,
    )
    progress.finish()
    say(str(found))
    return found.best


def _backups(out):
    """Returns the directory of what a search has trained, until there is a student."""
    return out.with_name(f"{out.stem}.search")


def _development(options, purpose):
    """Reads the development data and the decoder which a search needs."""
    for name in ("development", "decoder"):
        if getattr(options, name) is None:
            expected = f"a file, as {purpose} needs --{name}"
            raise ValueError(invalid(f"--{name}", expected, None))
    development = Utterances.load(options.development)
    inputs.transcripts(development)
    return development, inputs.decoder(options.decoder)


def _search(options, store, out, loss):
    development, decoder = _development(options, "a budget")
    progress = StageProgress(num_stages=2)
    stages = []

    def on_progress(stage, share):
        if stage not in stages:
            stages.append(stage)
            progress.start(f"{stage} the students of the grid")
        progress.update(share)

    result = search_student(
        store,
        development,
        decoder,
        max_bytes=options.max_bytes,
        max_instructions=options.max_instructions,
        context=options.context,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        seed=options.seed,
        loss=loss,
        backups=_backups(out),
        on_progress=on_progress,
    )
    progress.finish()
    plot, decoder = (out.with_suffix(end) for end in (".pareto.svg", ".decoder.json"))
    with new_file(out) as path:
        result.student.save(path)
    with new_file(plot) as path:
        path.write_text(to_svg(result))
    with new_file(decoder) as path:
        path.write_text(json.dumps(with_sum(result.decoder.to_dict())) + "\n")
    remove_backups(_backups(out))
    found = f"Best: {out}, {_learnt(loss)}, {decoder}. Plot: {plot}"
    say(f"{to_markdown(result)}\n{found}")


def _new(options, store):
    shape = store.manifest.settings.feature_shape
    if len(shape) != 1:
        expected = "a student of your own (--student), since features are no vectors"
        raise ValueError(invalid("--student", expected, None))
    return dnn_student(
        shape[0],
        store.num_classes,
        options.context,
        options.units,
        stride=options.stride,
    )
