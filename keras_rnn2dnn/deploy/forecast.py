"""What `convert` will say of a student, and what it will cost, before the training."""

import dataclasses
import random
from typing import Any

import keras
import numpy as np

from keras_rnn2dnn.deploy.device.images.arena import plan
from keras_rnn2dnn.deploy.device.images.operators import DEPTHWISE
from keras_rnn2dnn.deploy.device.layers import UnsupportedStudent, streaming_spans
from keras_rnn2dnn.deploy.device.ram import scratch_size, step_size
from keras_rnn2dnn.deploy.device.recognizer import DeviceNetwork
from keras_rnn2dnn.deploy.toolchain import CORES
from keras_rnn2dnn.quantization.folding.graph import student_graph
from keras_rnn2dnn.quantization.folding.tracing import traced
from keras_rnn2dnn.quantization.interpreter import Int8Student
from keras_rnn2dnn.quantization.operators import check_runs_on_device
from keras_rnn2dnn.quantization.quantize import quantize
from keras_rnn2dnn.quantization.window import window_model

_WINDOWS = 20  # of random numbers: sizes depend little on weights and on ranges
# Instructions for a product of a dense layer or convolution, for one of a depthwise
# convolution, for a value that is pooled or added, for an output, and for a pixel;
# fitted to counts in QEMU.
_OF_IMAGES = {
    "m3": (2.84, 4.9, 5.2, 48.0, 250.0),
    "m4": (0.93, 2.3, 5.2, 33.0, 200.0),
    "m55": (0.28, 1.0, 4.3, 14.0, 350.0),
}
_OF_ROWS = {  # of Dense and Conv1D layers, which have other loops
    "m3": (2.9, 0.0, 0.0, 40.0, 0.0),
    "m4": (1.95, 0.0, 0.0, 70.0, 0.0),
    "m55": (0.25, 0.0, 0.0, 14.0, 0.0),
}


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What a student will be on a device; printed, it is a table.

    Args:
        student: its name.
        parameters: of the student.
        bytes: of the int8 TensorFlow Lite file, about.
        context: `left`, `right`, `window` and `stride`, in input frames, and `clip`
            where the window is a whole clip.
        products: of an input frame, or of a clip, as the C code computes them.
        c: whether there is C code for it.
        refused: why not, or None.
        ram_bytes: of the network in C, features of the window included; or None.
        instructions: for each core those of an input frame, or of a clip, about; None
            where there is no C code.
    """

    student: str
    parameters: int
    bytes: int
    context: dict[str, Any]
    products: int
    c: bool
    refused: str | None
    ram_bytes: int | None
    instructions: dict[str, int] | None

    def to_dict(self) -> dict[str, Any]:
        """Returns all numbers, for JSON."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        clip = self.context.get("clip")
        output = "clip" if clip else "frame"
        rows = [
            ("student", f"{self.student}, {self.parameters:,} parameters"),
            ("converts", f"yes: about {self.bytes:,} bytes of int8 TensorFlow Lite"),
            (
                "window",
                f"{self.context['window']} frames{', a whole clip' * bool(clip)}",
            ),
            ("products", f"{self.products:,} per {output}"),
            ("C code", "yes" if self.c else f"no. {self.refused}"),
        ]
        if self.c:
            rows.append(("RAM", f"{self.ram_bytes:,} bytes of the network"))
        for core, count in (self.instructions or {}).items():
            text = f"about {count:,} instructions per {output}"
            if clip:
                text += f", {count / 1e5:,.1f} million a second every 100 ms"
            rows.append((CORES[core], text))
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def refusal(student: keras.Model) -> str | None:
    """Returns what `convert` will say against the layers of a student, or None.

    Args:
        student: built.
    """
    state = random.getstate()  # from which Keras takes seeds of the layers it copies
    try:
        student_graph(traced(student))
    except ValueError as error:
        return str(error)
    finally:
        random.setstate(state)
    return None


def forecast(student: keras.Model, frames: int | None = None) -> Forecast:
    """Says what a student will cost on a device; it need not be trained.

    Args:
        student: as `convert` takes it.
        frames: of a clip, where an utterance-level student leaves them open.

    Returns:
        The forecast. Bytes and instructions are estimates: a conversion may have 2 %
        more or fewer bytes, and 15 % more or fewer instructions.

    Raises:
        ValueError: what `convert` will raise; names the layer.
        RuntimeError: if TensorFlow Lite fails, or a device cannot run its file.

    Example:
        >>> from keras_rnn2dnn import dnn_student
        >>> found = forecast(dnn_student(24, 51, units=(64, 64)))
        >>> found.products, found.c, found.ram_bytes
        (39616, True, 760)
    """
    student = traced(student)
    model, field = window_model(student, frames)
    shape = (_WINDOWS, field.window, student.input_shape[2])
    windows = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    tflite = quantize(model, windows)
    check_runs_on_device(tflite)
    refused, products, ram, instructions = None, _products(model), None, None
    try:
        network = DeviceNetwork.of(tflite, Int8Student.load(tflite, field))
        work, ram = (_of_images if network.is_images else _of_rows)(network)
        products = round(work[0] + work[1])
        instructions = _instructions(
            work, _OF_IMAGES if network.is_images else _OF_ROWS
        )
    except UnsupportedStudent as error:
        refused = str(error)
    return Forecast(
        student=student.name,
        parameters=student.count_params(),
        bytes=len(tflite),
        context=field.to_dict(),
        products=products,
        c=refused is None,
        refused=refused,
        ram_bytes=ram,
        instructions=instructions,
    )


def _products(model):
    return sum(
        int(np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:-1]))
        for layer in model.layers
        if hasattr(layer, "kernel")
    )


def _instructions(work, costs):
    return {
        core: round(sum(a * b for a, b in zip(own, work, strict=True)))
        for core, own in costs.items()
    }


def _of_images(network):
    """Returns products, those of depthwise layers, values, outputs, pixels; and RAM."""
    products = depthwise = values = outputs = pixels = 0
    for one in network.layers.operators:
        size = one.geometry.pixels * one.geometry.output[2]
        outputs += size
        pixels += one.geometry.pixels
        if one.kind == DEPTHWISE:
            depthwise += one.multiply_accumulates
        elif one.weights is not None:
            products += one.multiply_accumulates
        else:
            values += size * one.geometry.taps
    ram = plan(network.layers).total + network.inputs
    per = 1 if network.field.is_clip else network.field.stride  # input frames
    work = products, depthwise, values, outputs, pixels
    return tuple(n / per for n in work), ram


def _of_rows(network):
    layers, field = network.layers, network.field
    spans = streaming_spans(layers, field, network.num_features)
    frames = [layer.frames if spans is None else 1 for layer in layers]
    pairs = list(zip(layers, frames, strict=True))
    products = sum(layer.weights.size * count for layer, count in pairs) / field.stride
    outputs = sum(layer.outputs * count for layer, count in pairs) / field.stride
    scratch = scratch_size(layers) if spans is None else step_size(layers)
    ram = sum(spans or [network.inputs]) + 2 * scratch
    return (products, 0, 0, outputs, 0), ram
