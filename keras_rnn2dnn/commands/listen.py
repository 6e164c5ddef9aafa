"""The options of `rnn2dnn listen`; what it does is in `running.listen`."""

from keras_rnn2dnn.commands.parser import (
    add_command,
    add_engine,
    add_threshold,
    add_times,
)


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "listen",
        "Recognise what a microphone hears, with a bundle on this host, until Ctrl-C "
        "(extra: listen).",
        "rnn2dnn listen bundle --times",
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="directory of `convert`")
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="microphone: part of its name, or its number in the list of "
        "`python -m sounddevice`; default: that of the system",
    )
    add_times(parser)
    add_threshold(parser)
    add_engine(parser)
