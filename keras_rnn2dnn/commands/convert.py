"""The options of `rnn2dnn convert`; what it does is in `running.convert`."""

from keras_rnn2dnn.commands.parser import add_command, add_normalisation, add_strict
from keras_rnn2dnn.commands.project import KINDS


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "convert",
        "Convert a student to int8 TensorFlow Lite, and write the firmware bundle.",
        "rnn2dnn convert student.keras --calibration calibration.npz --out bundle "
        "--features features.json --decoder student.decoder.json",
    )
    parser.add_argument("student", metavar="STUDENT.keras")
    parser.add_argument(
        "--calibration",
        required=True,
        metavar="DATA",
        help="features of real utterances: an .npz file of `features` (all frames, "
        "features) and `num_frames` (utterances), a directory of such files, (with "
        "--features) audio, or a store of `rnn2dnn align`; the first 2,000 utterances "
        "are read",
    )
    parser.add_argument("--out", required=True, metavar="DIRECTORY")
    parser.add_argument(
        "--features",
        metavar="SPEC.json",
        help="feature specification: the bundle computes these features",
    )
    parser.add_argument(
        "--decoder",
        metavar="DECODER.json",
        help="the bundle decodes with it; adds word error rates to the report where "
        "the data has transcripts",
    )
    parser.add_argument(
        "--recordings",
        metavar="AUDIO",
        help="PCM that the bundle must recognise as Python does: audio of any rate, or "
        "an .npz file of `samples`, as the demo writes, with whose transcripts the "
        "report has the word error rate from PCM on",
    )
    parser.add_argument(
        "--frame-step-ms", type=float, default=10.0, metavar="MS", help="default: 10"
    )
    parser.add_argument(
        "--ranges",
        choices=("minmax", "percentile", "mse"),
        default="minmax",
        help="what int8 holds of the values of activations: all, 99.99 %%, or what "
        "gives the least squared error; default: minmax",
    )
    parser.add_argument(
        "--activations",
        choices=("int8", "int16"),
        default="int8",
        help="int16 is finer and takes twice the memory; default: int8",
    )
    parser.add_argument(
        "--no-c",
        action="store_true",
        help="exit with code 0 also where the C code cannot be, or is the network "
        "alone in spite of --features and --decoder",
    )
    add_normalisation(parser)
    parser.add_argument(
        "--prefix",
        default="",
        metavar="NAME",
        help="of all names in the C code, so that several bundles go into one program",
    )
    parser.add_argument(
        "--keep-images",
        action="store_true",
        help="of a keyword spotter: keep images of layers from window to window, for "
        "fewer instructions and more RAM",
    )
    parser.add_argument(
        "--project",
        choices=KINDS,
        help="write the bundle as a library of this build system, too: into "
        "DIRECTORY/KIND; see rnn2dnn project",
    )
    add_strict(parser)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
