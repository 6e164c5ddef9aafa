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
from keras_rnn2dnn.commands.running import inputs
from keras_rnn2dnn.commands.running.sources import FeatureSource
from keras_rnn2dnn.commands.terminal import say
from keras_rnn2dnn.hmm import SequenceKL, WordLoopDecoder
from keras_rnn2dnn.hmm.constrained import made_of_paths
from keras_rnn2dnn.models.reference import dnn_student
from keras_rnn2dnn.quantization import quantization_aware
from keras_rnn2dnn.util.checksums import with_sum
from keras_rnn2dnn.util.epoch_backup import remove_backups
from keras_rnn2dnn.util.errors import invalid
from keras_rnn2dnn.util.files import Utterances, check_writable, new_file
from keras_rnn2dnn.util.progress import StageProgress

_MOST_UTTERANCES = 2000  # that set the ranges of int8


def run(options: argparse.Namespace) -> None:
    """Trains a student, or the students of a search, and writes the best."""
    out = Path(options.out)
    if out.suffix != ".keras":
        raise ValueError(invalid("--out", "a name that ends in .keras", options.out))
    if out.exists():
        raise ValueError(f"{options.out!r} exists. Give another name, or remove it")
    check_writable(options.out)
    store = SoftAlignments(options.store)
    if options.max_bytes is not None or options.max_instructions is not None:
        for name, default in options.not_searched.items():
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
