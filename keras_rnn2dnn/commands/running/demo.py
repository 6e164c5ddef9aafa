"""`rnn2dnn demo`: the main job, end to end."""

import argparse
import itertools
import json
import shlex
import sys
import textwrap
import time
from pathlib import Path

from keras_rnn2dnn import demo
from keras_rnn2dnn.audio import espeak
from keras_rnn2dnn.commands.terminal import program_name, say
from keras_rnn2dnn.demo.left_on import read_markdown
from keras_rnn2dnn.deploy import tflm, toolchain
from keras_rnn2dnn.deploy.verify.summary import PYTHON_TOOL, installing
from keras_rnn2dnn.report import write_report
from keras_rnn2dnn.report.table import to_markdown
from keras_rnn2dnn.util.progress import StageProgress, clock_time
from keras_rnn2dnn.web import compiler

_CORES = "flash, stack and instructions of Cortex-M cores, and the cores in `verify`"
_NEEDING_TOOLS = {  # targets of the firmware, and what is left out without their tools
    "host": "the C code on this host in `verify`",
    "m4": _CORES,
    "rv32": "RISC-V in `verify`",
}
_ROW = "{:<37} {:>9} {:>6} {:>12} {:>13} {:>6} {:>6}"
_HEADER = ("system", "bytes", "WER %", "errors/words", "95 % interval", "after", "left")


def run(options: argparse.Namespace) -> None:
    """Runs the demo, and writes its report."""
    begin = time.monotonic()
    plan = demo.FULL if options.full else demo.DEFAULT
    given = options.data, options.words, options.seed, plan
    if options.data is None:
        espeak.loader()  # what is missing is said at once
        _begin(options, plan)
        recordings = demo.demo_recordings(*given)
    else:
        recordings = demo.demo_recordings(*given)
        _begin(options, plan)
    rows = demo.run_demo(
        recordings,
        options.out,
        protocol=options.protocol,
        speaker=options.speaker,
        seed=options.seed,
        synthetic=options.data is None,
        keep_alignments=options.keep_alignments,
        plan=plan,
        on_row=_Rows(begin),
    )
    synthetic = options.data is None
    source = "SYNTHETIC speech" if synthetic else "real recordings"
    say(f"\n{to_markdown(rows)}")
    if left := read_markdown(options.out):
        say(left)
    say(_wrapped(f"Measured on {source}. {plan.less(synthetic)}"))
    say(f"Files: {options.out}\nReport: {write_report(options.out)}\n")
    say("\n".join(["To try next:", *_next_lines(Path(options.out))]))


def _begin(options, plan):
    say("\n".join(_first_lines(options, plan)))
    sys.stdout.flush()


def _first_lines(options, plan):
    """Says what comes, how long it takes, where it goes, and what is left out."""
    source = options.data or "synthetic speech (espeak-ng)"
    each = " for each speaker" if options.speaker == "all" else ""
    other = f"; --full, with all eight rows, about {demo.FULL.minutes}"
    yield _wrapped(
        f"A recurrent teacher and small students learn words from {source}. This takes "
        f"about {plan.minutes} minutes{each} on two idle cores"
        f"{'' if options.full else other}."
    )
    yield f"All goes to {options.out}; when it is stopped, the same command goes on."
    missing = {
        tuple(toolchain.missing_tools(target)): what
        for target, what in _NEEDING_TOOLS.items()
    }
    if not tflm.is_installed():
        missing[PYTHON_TOOL,] = "the arena of TensorFlow Lite Micro"
    left_out = {tools: what for tools, what in missing.items() if tools}
    for tools, what in left_out.items():
        yield f"Left out for want of {', '.join(tools)}: {what}."
    if left_out:
        yield f"To have it: {installing(itertools.chain(*left_out))}"


def _wrapped(text):
    return textwrap.fill(text, 96, break_long_words=False, break_on_hyphens=False)


class _Rows:
    """Prints the row of each system when it is there."""

    def __init__(self, begin: float):
        self._begin, self._fold = begin, None

    def __call__(self, fold: str, row: dict, progress: StageProgress):
        left = progress.seconds_left()
        low, high = row["ci95"]
        cells = (
            row["system"],
            f"{row['bytes']:,}",
            f"{100 * row['wer']:.2f}",
            f"{row['errors']}/{row['words']}",
            f"{100 * low:.1f}-{100 * high:.1f}",
            clock_time(time.monotonic() - self._begin),
            "-" if left is None else clock_time(left),
        )
        with progress.aside():
            if fold != self._fold:
                say(f"\n{fold or 'Word errors, as they are measured'}")
                say(_ROW.format(*_HEADER))
                self._fold = fold
            say(_ROW.format(*cells))
            sys.stdout.flush()


def _next_lines(out):
    """Returns commands, ready to be copied; that of a web page where it compiles."""
    fold = out / json.loads((out / "run.json").read_text())["folds"][0]
    said = json.loads((fold / "hypotheses.json").read_text())["references"][0]
    bundle, example = (shlex.quote(str(fold / f)) for f in ("bundle", "example.wav"))
    program = program_name()
    page = (
        "  # hear yourself, in a web page:",
        f"  {program} web {bundle} --serve",
    )
    return (
        "  # the C code gives the same words, to the bit:",
        f"  {program} verify {bundle}",
        f"  # words of a file (said is: {said}), or with `listen` of the microphone:",
        f"  {program} transcribe {bundle} {example}",
        *(page if compiler.is_installed() else ()),
        "  # recordings of your own, in folders by word:",
        f"  {program} train FOLDER --out mine",
    )
