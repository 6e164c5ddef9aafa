"""`rnn2dnn evaluate`: the word error rate of a model."""

import dataclasses
import json
from pathlib import Path

from keras_rnn2dnn.batches import predict_utterances
from keras_rnn2dnn.commands import inputs
from keras_rnn2dnn.commands.parser import add_command, say
from keras_rnn2dnn.deploy import Int8Student
from keras_rnn2dnn.errors import invalid
from keras_rnn2dnn.files import Utterances
from keras_rnn2dnn.scoring import word_error_rate


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "evaluate",
        _run,
        "Recognise utterances with a model and print the word error rate.",
        "rnn2dnn evaluate out/george/student.tflite --data out/george/test.npz "
        "--decoder out/george/student.decoder.json",
    )
    parser.add_argument(
        "model", metavar="MODEL", help="a .keras file, or a .tflite of `convert`"
    )
    parser.add_argument(
        "--data",
        required=True,
        metavar="FEATURES.npz",
        help="`features`, `num_frames` and `transcripts`, as the demo writes",
    )
    parser.add_argument(
        "--decoder", required=True, metavar="DECODER.json", help="as the demo writes"
    )
    parser.add_argument("--json", action="store_true", help="print all counts as JSON")


def _run(options):
    data = Utterances.load(options.data)
    references, decode = inputs.transcripts(data), inputs.decoder(options.decoder)
    kind = Path(options.model).suffix
    if kind not in (".keras", ".tflite"):
        expected = "a .keras file, or a .tflite file of `rnn2dnn convert`"
        raise ValueError(invalid("MODEL", expected, options.model))
    if kind == ".keras":
        model = inputs.load_model(options.model)
        inputs.check_width(model, data)
        logits = predict_utterances(model, data.features)
    else:
        logits = Int8Student.load(options.model).predict(data.features)
    rate = word_error_rate(references, decode(logits))
    say(json.dumps(dataclasses.asdict(rate), indent=2) if options.json else str(rate))
