"""The options of `rnn2dnn align`; what it does is in `running.align`."""

from keras_rnn2dnn.commands.help import numbers
from keras_rnn2dnn.commands.parser import add_command, add_normalisation, add_strict

CHAIN = """rnn2dnn align teacher.keras features.npz --out train.align
  rnn2dnn distill train.align --units 128,128,128 --out student.keras
  rnn2dnn convert student.keras --calibration train.align --out bundle"""


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "align",
        "Run a teacher once and keep its soft alignments; again, to go on.",
        CHAIN,
        goes_on=True,
    )
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="TEACHER.keras DATA",
        help="teacher(s), or a Kaldi archive (.ark, .scp) of a teacher's posteriors; "
        "then the data: an .npz file of features, a directory of such "
        "files, audio (a corpus, a directory or a JSONL manifest), a Kaldi data "
        "directory, or another store; with --verify the store, with --merge the parts",
    )
    parser.add_argument("--out", metavar="STORE", help="directory of the store")
    parser.add_argument(
        "--top-k",
        type=int,
        metavar="K",
        help="classes to keep (default: 20, and all of them up to 64 classes)",
    )
    parser.add_argument(
        "--one-best", action="store_true", help="keep the best class alone"
    )
    parser.add_argument(
        "--decoder",
        metavar="DECODER.json",
        help="its states and priors: what has a transcript is aligned with it, the "
        "rest is matched to the priors (for data of which classes occur as often), "
        "then aligned with the words that it recognises",
    )
    parser.add_argument(
        "--transcribed-weight",
        type=numbers.weight,
        metavar="W",
        help="of the frames of utterances with transcripts, beside 1 (default: 0.3 "
        "with --decoder where others are without, else 1)",
    )
    parser.add_argument(
        "--temperature", type=float, default=1.0, metavar="T", help="default: 1"
    )
    parser.add_argument(
        "--probabilities",
        action="store_true",
        help="the teacher gives probabilities, not logits",
    )
    parser.add_argument(
        "--features", metavar="SPEC.json", help="feature specification, for audio"
    )
    add_normalisation(parser)
    add_strict(parser)
    parser.add_argument(
        "--shard",
        type=numbers.part,
        default=(0, 1),
        metavar="I/N",
        help="write part I of N, from 0, on one of N machines",
    )
    parser.add_argument(
        "--utterances-per-shard",
        type=numbers.positive,
        default=512,
        metavar="N",
        help="in a file of the store; default: 512",
    )
    parser.add_argument(
        "--float16", action="store_true", help="keep the features in float16"
    )
    parser.add_argument(
        "--verify", action="store_true", help="check a whole store, every record"
    )
    parser.add_argument(
        "--merge", action="store_true", help="put parts together into --out"
    )
