"""The options of `rnn2dnn check`; what it does is in `running.check`."""

from keras_rnn2dnn.commands.help import numbers
from keras_rnn2dnn.commands.parser import add_command


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "check",
        "Tell in seconds whether a student converts, trained or not, or which of its "
        "layers does not; with bytes, RAM, products and about how many instructions.",
        "rnn2dnn check student.keras",
    )
    parser.add_argument("student", metavar="STUDENT.keras")
    parser.add_argument(
        "--frames",
        type=numbers.positive,
        metavar="N",
        help="of a clip, where a student of whole clips leaves them open",
    )
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON")
