"""`rnn2dnn train`: from a corpus to a verified bundle."""

import argparse
import contextlib
import logging
import shlex

from keras_rnn2dnn.commands.terminal import program_name, say
from keras_rnn2dnn.deploy.verify.outcome import FAILED
from keras_rnn2dnn.recipe import train_corpus
from keras_rnn2dnn.web import compiler

_TOLD = ("audio.corpora", "recipe.split")  # modules


def run(options: argparse.Namespace) -> int:
    """Trains on a corpus; returns the exit code."""
    with _told_once():
        found = train_corpus(
            options.corpus,
            options.out,
            words=options.words,
            speaker_pattern=options.speaker_pattern,
            noise=options.noise,
            unlabelled=options.unlabelled,
            other=options.other,
            teacher=options.teacher,
            lexicon=options.lexicon,
            max_bytes=options.max_bytes,
            minutes=options.minutes,
            push_to_talk=options.push_to_talk,
            seed=options.seed,
            tell=say,
        )
    say(f"\n{found}\n")
    say(f"Bundle: {found.bundle}\nReport: {found.report}\n\nNext:")
    bundle = shlex.quote(str(found.bundle))
    audio = shlex.quote(str(found.out / "test_audio.npz"))
    program = program_name()
    say(f"  {program} transcribe {bundle} YOUR_RECORDING.wav")
    say(f"  {program} listen {bundle}")
    if compiler.is_installed():
        say(f"  {program} web {bundle} --serve")
    say(f"  {program} project {bundle} arduino --out library")
    say(f"  {program} evaluate {bundle} --device-arithmetic --data {audio}")
    return 1 if found.verification.verdict == FAILED else 0


@contextlib.contextmanager
def _told_once():
    """Keeps off standard error what is logged of the corpus, as it is told anyway."""
    loggers = [logging.getLogger(f"keras_rnn2dnn.{name}") for name in _TOLD]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
