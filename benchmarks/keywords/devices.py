"""What a student gives as integers: int8, the device's arithmetic, and its costs."""

import json

import numpy as np

from benchmarks.keywords.clips import FRAMES
from benchmarks.keywords.task import OTHER, SILENCE
from benchmarks.keywords.work import Work
from keras_rnn2dnn import convert
from keras_rnn2dnn.deploy import Int8Student, load_bundle, window_model
from keras_rnn2dnn.deploy.device.recognizer import DeviceNetwork
from keras_rnn2dnn.deploy.toolchain import Workbench, missing_tools
from keras_rnn2dnn.keywords import KeywordSpotter
from keras_rnn2dnn.quantization.quantize import quantize
from keras_rnn2dnn.util.files import new_file

EXACT = "test"
HEARD = EXACT, "test in noise"
_CALIBRATION = 600


def integers(work: Work, name: str, seed: int) -> dict[str, np.ndarray]:
    """Returns the outputs of an int8 student on the test.

    Args:
        work: that trained it.
        name: of its row.
        seed: of its training.

    Returns:
        `bytes`, of the file; and of each test, `(clips, classes)`: what TensorFlow Lite
        gives; of `EXACT`, "on the device" behind the name, what the arithmetic of the
        device does.
    """
    path = work.path(name, seed, ".int8.npz")
    if not path.is_file():
        model, field = window_model(work.model(name, seed), FRAMES)
        tflite = quantize(model, calibration(work))
        student = Int8Student.load(tflite, field)
        network = DeviceNetwork.of(tflite, student)
        found = {"bytes": len(tflite)}
        for heard in HEARD:
            x = work.material.sets[heard].features
            found[heard] = student.predict(x)
            if heard == EXACT:
                found[f"{EXACT} on the device"] = network.run(network.quantized(x))
        with new_file(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **found)
    with np.load(path) as kept:
        return dict(kept)


def costs(work: Work, name: str, seed: int) -> dict:
    """Returns what the bundle of a student costs; makes it, and compares its C code.

    Args:
        work: that trained it.
        name: of its row.
        seed: of its training.

    Returns:
        `ram_bytes` of all from PCM on; `instructions` of an inference on a Cortex-M4F,
        and `in_c`, how many outputs of the C code differ from those in numpy, and how
        many there are; None where tools are missing.

    """
    path = work.path(name, seed, ".costs.json")
    if not path.is_file():
        folder = work.path(name, seed, "-bundle")
        labels = work.material.labels
        convert(
            work.model(name, seed),
            folder,
            calibration(work),
            feature_spec=work.material.spec,
            decode=KeywordSpotter(labels, none=(OTHER, SILENCE)),
        )
        with new_file(path) as temporary:
            temporary.write_text(json.dumps(_measured(work, folder)))
    return json.loads(path.read_text())


def calibration(work: Work) -> np.ndarray:
    """Returns clips of the training, evenly from among them."""
    clips = work.material.banks[0].features
    places = np.linspace(0, len(clips) - 1, min(_CALIBRATION, len(clips)))
    return clips[places.astype(int)]


def _measured(work, folder):
    bundle = load_bundle(folder)
    firmware, instructions, in_c = bundle.report["firmware"], None, None
    if firmware["cores"]:
        each = firmware["cores"]["m4"]["instructions_per_frame"]["network"]
        counted = firmware["counted"]
        instructions = round(each * counted["frames"] / counted["inferences"])
    if not missing_tools("host"):
        x = bundle.network.quantized(work.material.sets["test"].features)
        with Workbench(folder) as bench:
            data = bench.run("host", "network", x.tobytes())
        found = np.frombuffer(data, np.int8).reshape(len(x), -1)
        in_c = [int((found != bundle.network.run(x)).sum()), found.size]
    ram = firmware["ram_bytes"]["total"]
    return {"ram_bytes": ram, "instructions": instructions, "in_c": in_c}
