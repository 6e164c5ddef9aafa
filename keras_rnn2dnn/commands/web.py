"""The options of `rnn2dnn web`; what it does is in `running.web`."""

from keras_rnn2dnn.commands.parser import add_command, check_bundle


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "web",
        "Write one web page that runs the bundle's C code in a browser: microphone, "
        "files, pictures, offline (extra: web, or clang and lld).",
        "rnn2dnn web bundle --serve",
        check=check_bundle,
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="directory of `convert`")
    parser.add_argument(
        "--out", metavar="FILE.html", help="default: web/index.html in BUNDLE"
    )
    parser.add_argument(
        "--serve",
        action="store_true",
        help="show it at an address of this machine, to which browsers give the "
        "microphone, until Ctrl-C",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=8000,
        metavar="N",
        help="of --serve; 0: one that is free (default: %(default)d)",
    )
