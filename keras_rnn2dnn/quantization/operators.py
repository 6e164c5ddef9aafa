"""The operators of TensorFlow Lite files, and those that devices run."""

from tensorflow.lite.python import schema_py_generated as schema

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
    model = schema.Model.GetRootAs(tflite, 0)
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if k.isupper()}
    codes = [model.OperatorCodes(k) for k in range(model.OperatorCodesLength())]
    # Small codes stand in the field of the first versions of the format alone.
    codes = [max(c.BuiltinCode(), c.DeprecatedBuiltinCode()) for c in codes]
    graph = model.Subgraphs(0)
    steps = [graph.Operators(k) for k in range(graph.OperatorsLength())]
    return tuple(names[codes[step.OpcodeIndex()]] for step in steps)


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
    graph = schema.Model.GetRootAs(tflite, 0).Subgraphs(0)
    tensors = [graph.Tensors(k) for k in range(graph.TensorsLength())]
    integers = {schema.TensorType.INT8, schema.TensorType.INT32}  # int32: biases
    if activations == "int16":  # int64: biases; int8: weights
        integers |= {schema.TensorType.INT16, schema.TensorType.INT64}
    names = [t.Name().decode() for t in tensors if t.Type() not in integers]
    if names:
        raise RuntimeError(
            f"The converted student has tensors that are not {activations}: "
            f"{', '.join(names)}. Replace the layers they come from."
        )
