"""`rnn2dnn demo`: the main job, end to end."""

from keras_rnn2dnn import demo
from keras_rnn2dnn.commands.parser import add_command, say
from keras_rnn2dnn.report import write_report
from keras_rnn2dnn.report.table import to_markdown


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "demo",
        _run,
        "Train teacher and students, convert to int8, compare word error rates.",
        "rnn2dnn demo --data recordings --protocol new-speaker --speaker all",
    )
    parser.add_argument(
        "--data",
        metavar="DIRECTORY",
        help="recordings named {digit}_{speaker}_{index}.wav (Free Spoken Digit "
        "Dataset); without it speech is synthesised (extra: synth)",
    )
    parser.add_argument(
        "--words", nargs="+", metavar="WORD", help="vocabulary (default: the digits)"
    )
    parser.add_argument(
        "--protocol", default="new-speaker", choices=("new-speaker", "official")
    )
    parser.add_argument(
        "--speaker",
        metavar="NAME",
        help="held-out speaker, or 'all' for every one in turn (default: the first "
        "one; of synthetic voices the last four)",
    )
    parser.add_argument(
        "--out", default="out", metavar="DIRECTORY", help="results (default: out)"
    )
    parser.add_argument(
        "--keep-alignments",
        action="store_true",
        help="keep the store of soft alignments, to train other students on it with "
        "`rnn2dnn distill` (about 120 MB for each speaker)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")


def _run(options):
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
