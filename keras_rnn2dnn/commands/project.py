"""The options of `rnn2dnn project`; what it does is in `running.project`."""

from keras_rnn2dnn.commands.parser import add_command, check_bundle

KINDS = ("arduino", "zephyr", "esp-idf", "cmake")


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "project",
        "Write a firmware bundle as a library that a build system takes as it is, with "
        "an example that listens to a microphone.",
        "rnn2dnn project bundle arduino --out recognizer",
        check=check_bundle,
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="directory of `convert`")
    parser.add_argument("kind", choices=KINDS, help="of the build system")
    parser.add_argument("--out", required=True, metavar="DIRECTORY")
