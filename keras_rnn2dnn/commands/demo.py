"""The options of `rnn2dnn demo`; what it does is in `running.demo`."""

from keras_rnn2dnn.commands.parser import add_command


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "demo",
        "Train teacher and students, convert to int8, compare word error rates.",
        "rnn2dnn demo --data recordings --full --speaker all",
        goes_on=True,
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="all seven systems, on all the data, as in the tables of the "
        "documentation; by default five of them, on less, in a third of the time",
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
