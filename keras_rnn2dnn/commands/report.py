"""The options of `rnn2dnn report`; what it does is in `running.report`."""

from keras_rnn2dnn.commands.parser import add_command


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "report",
        "Write one HTML page about a finished demo: curves, errors, posteriors, "
        "firmware.",
        "rnn2dnn report out --utterances 3,17",
    )
    parser.add_argument(
        "run_directory", metavar="RUN", help="what the demo's --out was"
    )
    parser.add_argument(
        "--out", metavar="FILE.html", help="default: report.html in RUN"
    )
    parser.add_argument(
        "--utterances",
        metavar="N,N,...",
        help="test strings to show, by their number in the order of the folds, from 0 "
        "on (default: the one with the most errors, and a typical one)",
    )
