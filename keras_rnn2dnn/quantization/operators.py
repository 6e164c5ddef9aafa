"""The operators of TensorFlow Lite files, and those that devices run."""

from keras_rnn2dnn.quantization import tflite_file

# Operators that TensorFlow Lite Micro runs on int8 tensors, of those students use.
MICRO_OPERATORS = frozenset(
    {
        "ADD",
        "AVERAGE_POOL_2D",
        "CONCATENATION",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "FULLY_CONNECTED",
        "HARD_SWISH",
        "LEAKY_RELU",
        "LOGISTIC",
        "MAXIMUM",
        "MAX_POOL_2D",
        "MINIMUM",
        "MUL",
        "PAD",
        "QUANTIZE",
        "RELU",
        "RELU6",
        "RESHAPE",
        "STRIDED_SLICE",
        "SUB",
        "TANH",
    }
)


def operators(tflite: bytes) -> tuple[str, ...]:
    """Lists the operators of a TensorFlow Lite file in the order they run.

    Args:
        tflite: the file.

    Returns:
        Names such as `"FULLY_CONNECTED"`.
    """
    return tuple(step.kind for step in tflite_file.read_graph(tflite).operators)


def check_runs_on_device(tflite: bytes, activations: str = "int8") -> None:
    """Checks that TensorFlow Lite Micro can run a file in integers.

    Args:
        tflite: the file.
        activations: `"int8"` or `"int16"`.

    Raises:
        RuntimeError: if an operator is not one of its own, or a tensor is of another
            type.
    """
    foreign = sorted(set(operators(tflite)) - MICRO_OPERATORS)
    if foreign:
        raise RuntimeError(
            f"The converted student has operators that TensorFlow Lite Micro does not "
            f"run in {activations}: {', '.join(foreign)}. Replace the layers they come "
            "from."
        )
    integers = {tflite_file.INT8, tflite_file.INT32}  # int32: biases
    if activations == "int16":  # int64: biases; int8: weights
        integers |= {tflite_file.INT16, tflite_file.INT64}
    tensors = tflite_file.read_graph(tflite).tensors
    names = [tensor.name for tensor in tensors if tensor.type not in integers]
    if names:
        raise RuntimeError(
            f"The converted student has tensors that are not {activations}: "
            f"{', '.join(names)}. Replace the layers they come from."
        )
