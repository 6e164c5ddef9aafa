"""The options of `rnn2dnn verify`; what it does is in `running.verify`."""

from keras_rnn2dnn.commands.help import numbers
from keras_rnn2dnn.commands.parser import add_command, add_strict, check_bundle


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "verify",
        "Prove that a firmware bundle computes what Python computes, to the bit: on "
        "this host and on emulated Cortex-M0, M3, M4F and M55, and RISC-V.",
        "rnn2dnn verify bundle --recordings test_audio.npz",
        check=check_bundle,
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="directory of `convert`")
    parser.add_argument(
        "--recordings",
        metavar="AUDIO",
        help="further PCM that every build must recognise as Python does: audio of any "
        "rate, or an .npz file of `samples`",
    )
    parser.add_argument(
        "--minutes",
        type=numbers.weight,
        default=10.0,
        metavar="NUMBER",
        help="of a stream in which words, other speech, pauses, levels and noise are "
        "heard (default: %(default)g)",
    )
    add_strict(parser)
    parser.add_argument(
        "--json", action="store_true", help="print all outcomes as JSON"
    )
