"""The options of `rnn2dnn distill`; what it does is in `running.distill`."""

import argparse

from keras_rnn2dnn.commands.align import CHAIN
from keras_rnn2dnn.commands.help import numbers
from keras_rnn2dnn.commands.parser import add_command

_NOT_SEARCHED = "student", "units", "int8", "stride", "delay"


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "distill",
        "Train a feed-forward student on a store; again after a stop, to go on.",
        CHAIN,
        goes_on=True,
    )
    parser.add_argument("store", metavar="STORE", help="of `rnn2dnn align`")
    parser.add_argument("--out", required=True, metavar="STUDENT.keras")
    parser.add_argument(
        "--student",
        metavar="STUDENT.keras",
        help="a student to train, as it is; a softmax at its end is left out",
    )
    parser.add_argument(
        "--units",
        type=numbers.several,
        default=(128, 128, 128),
        metavar="N,N,...",
        help="hidden layers of a new student (default: 128,128,128)",
    )
    parser.add_argument(
        "--context",
        type=numbers.several,
        default=(15, 5),
        metavar="LEFT,RIGHT",
        help="frames around each frame, for a new student (default: 15,5)",
    )
    parser.add_argument(
        "--epochs", type=int, default=10, metavar="N", help="default: 10"
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        default=32,
        metavar="N",
        help="utterances; default: 32",
    )
    parser.add_argument(
        "--learning-rate",
        type=float,
        default=3e-3,
        metavar="RATE",
        help="highest; default: 0.003",
    )
    parser.add_argument(
        "--int8",
        action="store_true",
        help="train the student as it will be quantised, in ranges set by the store; "
        "for an epoch more of a trained one, with --student and a low rate",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument(
        "--stride",
        type=int,
        default=1,
        metavar="N",
        help="frames for each output of a new student, as its teacher (default: 1)",
    )
    parser.add_argument(
        "--delay",
        type=numbers.delay,
        default=0,
        metavar="N|auto",
        help="output frames by which the teacher lags; `auto` tries several in short "
        "trainings, and needs --development and --decoder (default: 0)",
    )
    parser.add_argument(
        "--sequence",
        action=argparse.BooleanOptionalAction,
        help="learn paths through the word loop of --decoder instead of frames "
        "(default: where `align` had a --decoder of the same words and states; never "
        "with --delay auto)",
    )
    search = parser.add_argument_group(
        "budget", "Train several students that fit a budget, and keep the best."
    )
    search.add_argument(
        "--max-bytes",
        type=numbers.count,
        metavar="N",
        help="of the int8 file, such as 32k",
    )
    search.add_argument(
        "--max-instructions",
        type=numbers.count,
        metavar="N",
        help="of the network per frame on a Cortex-M4F, such as 200k",
    )
    search.add_argument(
        "--development",
        metavar="FEATURES.npz",
        help="features with transcripts; their word errors choose the student",
    )
    search.add_argument(
        "--decoder",
        metavar="DECODER.json",
        help="priors and words, which is tuned; or labels and blank of CTC",
    )
    # What the search for a budget does not use, and must be left as it is.
    defaults = {name: parser.get_default(name) for name in _NOT_SEARCHED}
    parser.set_defaults(not_searched=defaults)
