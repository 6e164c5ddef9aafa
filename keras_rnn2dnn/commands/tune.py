"""The options of `rnn2dnn tune`; what it does is in `running.tune`."""

from keras_rnn2dnn.commands.parser import add_command, add_normalisation, add_strict


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "tune",
        "Choose the threshold of a bundle on recordings in which none of its words is "
        "said, and write it into the bundle.",
        "rnn2dnn tune bundle --other recordings/other --false-per-hour 1",
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="directory of `convert`")
    parser.add_argument(
        "--other",
        required=True,
        metavar="AUDIO",
        help="recordings of anything but the words, hours of them if there are: a "
        "directory, or an .npz file of `samples`",
    )
    parser.add_argument(
        "--data",
        metavar="AUDIO",
        help="recordings of the words, to count what is missed: a corpus, or an .npz "
        "file of `samples` and `transcripts`; not those of a test",
    )
    parser.add_argument(
        "--false-per-hour",
        type=float,
        default=1.0,
        metavar="NUMBER",
        help="false words an hour that are allowed (default: %(default)s)",
    )
    parser.add_argument("--plot", metavar="FILE.svg", help="where to draw the curve")
    parser.add_argument(
        "--dry-run", action="store_true", help="print all, and write no threshold"
    )
    add_normalisation(parser)
    add_strict(parser)
    parser.add_argument("--json", action="store_true", help="print the curve as JSON")
