"""The options of `rnn2dnn evaluate`; what it does is in `running.evaluate`."""

from keras_rnn2dnn.commands.parser import add_command, add_normalisation, add_strict


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "evaluate",
        "Recognise utterances with a model and print the word error rate.",
        "rnn2dnn evaluate out/george/bundle --data out/george/test.npz "
        "--decoder out/george/student.decoder.json",
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="a .keras file, a .tflite of `convert`, or its bundle",
    )
    parser.add_argument(
        "--data",
        required=True,
        metavar="DATA",
        help="an .npz file of `features`, `num_frames` and `transcripts`, as the demo "
        "writes; of a bundle also a corpus: folders by word, or any layout with "
        "transcripts; with --device-arithmetic also an .npz file of `samples`, "
        "`num_samples`, `sample_rate_hz` and `transcripts`",
    )
    parser.add_argument(
        "--decoder",
        metavar="DECODER.json",
        help="as the demo writes; by default that of the bundle",
    )
    parser.add_argument(
        "--device-arithmetic",
        action="store_true",
        help="compute features, network and words as the C code of the bundle does, to "
        "the bit; audio of a corpus always is",
    )
    add_normalisation(parser)
    add_strict(parser)
    parser.add_argument("--json", action="store_true", help="print all counts as JSON")
