"""The options of `rnn2dnn train`; what it does is in `running.train`."""

from keras_rnn2dnn.commands.help.numbers import count, weight
from keras_rnn2dnn.commands.parser import add_command


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "train",
        "Make of recordings a teacher, a student and a verified firmware bundle.",
        "rnn2dnn train recordings --out out",
        goes_on=True,
    )
    parser.add_argument(
        "corpus",
        metavar="CORPUS",
        help="folders by word with any file names, another layout that is known, a "
        "JSONL manifest, or a Kaldi directory",
    )
    parser.add_argument(
        "--out", required=True, metavar="OUT", help="directory of the results"
    )
    parser.add_argument(
        "--words",
        nargs="+",
        metavar="WORD",
        help="vocabulary; what else is said is heard as babble (default: all)",
    )
    parser.add_argument(
        "--speaker-pattern",
        metavar="PATTERN",
        help="where the speaker stands in the files' names, such as '{speaker}_{n}' "
        "(default: a guess, which is printed)",
    )
    parser.add_argument(
        "--noise", metavar="DIRECTORY", help="audio without speech, to train in"
    )
    parser.add_argument(
        "--unlabelled",
        metavar="DIRECTORY",
        help="audio of those who will speak, words that nobody has written down",
    )
    parser.add_argument(
        "--other",
        metavar="DIRECTORY",
        help="audio of speech that is none of the words, which the student is to pass "
        "over",
    )
    parser.add_argument(
        "--teacher",
        metavar="TEACHER.keras",
        help="a teacher that exists, with its features.json and decoder.json beside "
        "it: it labels, and students are trained",
    )
    parser.add_argument(
        "--lexicon",
        metavar="FILE",
        help="a word and its phones in each line, for many words, which then share the "
        "states of phones; or espeak:VOICE, such as espeak:en-us (extra: synth)",
    )
    parser.add_argument(
        "--max-bytes",
        type=count,
        metavar="N",
        help="of the int8 student, such as 32k; its sizes are chosen",
    )
    parser.add_argument(
        "--minutes",
        type=weight,
        metavar="N",
        help="that it may take, about: fewer epochs, strings and rounds",
    )
    parser.add_argument(
        "--push-to-talk",
        action="store_true",
        help="for a device that listens while somebody speaks to it alone: trained "
        "without the pauses, levels and backgrounds of one that is left switched on",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
