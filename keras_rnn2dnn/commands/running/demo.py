"""`rnn2dnn demo`: the main job, end to end."""

import argparse

from keras_rnn2dnn import demo
from keras_rnn2dnn.commands.terminal import say
from keras_rnn2dnn.report import write_report
from keras_rnn2dnn.report.table import to_markdown


def run(options: argparse.Namespace) -> None:
    """Runs the demo, and writes its report."""
    recordings = demo.demo_recordings(options.data, options.words, options.seed)
    rows = demo.run_demo(
        recordings,
        options.out,
        protocol=options.protocol,
        speaker=options.speaker,
        seed=options.seed,
        synthetic=options.data is None,
        keep_alignments=options.keep_alignments,
    )
    source = "SYNTHETIC speech" if options.data is None else "real recordings"
    say(f"\n{to_markdown(rows)}\nMeasured on {source}. Files: {options.out}")
    say(f"Report: {write_report(options.out)}")
