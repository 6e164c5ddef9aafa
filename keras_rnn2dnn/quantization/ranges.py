"""Ranges of int8 activations: the smallest and largest value that int8 can hold."""

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from keras_rnn2dnn.util.errors import invalid

RANGES = ("minmax", "percentile", "mse")
_STEPS = 255  # of int8
_KEPT_PERCENT = 99.99
_CANDIDATES = 64  # of each end of the range


def check_ranges(ranges: str) -> None:
    """Raises ValueError unless `ranges` is one of `RANGES`."""
    if ranges not in RANGES:
        raise ValueError(invalid("ranges", f"one of {list(RANGES)}", ranges))


def calibrated_range(values: np.ndarray, ranges: str = "minmax") -> tuple[float, float]:
    """Chooses the range of an int8 tensor from values that it takes.

    What lies beyond the range is clipped to it. The range always holds 0, which int8
    then represents exactly, as padding and ReLU need it.

    Args:
        values: of any shape, at least one.
        ranges: `"minmax"`, all of the values; `"percentile"`, 99.99 % of them, as many
            cut off at either end; `"mse"`, the range of the smallest mean squared error
            of the quantised values, among all whose ends are a multiple of 1/64 of the
            smallest and of the largest value (the criterion of Banner et al.,
            "Post-training 4-bit quantization of convolution networks", 2019, computed
            from the values themselves). Few values that lie very far out still widen
            it, where they are clipped by `"percentile"`.

    Returns:
        The smallest and the largest value, `low <= 0 <= high`.

    Raises:
        ValueError: if `ranges` is unknown.

    Example:
        >>> values = np.array([-1.0, 2.0, 3.0])
        >>> calibrated_range(values), calibrated_range(abs(values))
        ((-1.0, 3.0), (0.0, 3.0))
        >>> values = np.append(np.linspace(-1, 1, 20001), 100)
        >>> [round(end, 2) for end in calibrated_range(values, "percentile")]
        [-1.0, 1.0]
    """
    check_ranges(ranges)
    values = np.sort(np.asarray(values, np.float64), axis=None)
    low, high = values[0], values[-1]
    if ranges == "percentile":
        cut = (100 - _KEPT_PERCENT) / 2
        low, high = np.percentile(values, [cut, 100 - cut])
    low, high = min(low, 0.0), max(high, 0.0)
    if ranges == "mse" and low < high:
        low, high = _least_error(values, low, high)
    return float(low), float(high)


def scale_and_zero_point(low: float, high: float) -> tuple[float, int]:
    """Returns scale and zero point of int8, where value = scale * (int8 - zero_point).

    scale = (high - low) / 255, zero_point = round(-128 - low / scale): the rounding
    moves the range by up to half a step, so that 0 is represented exactly (Jacob et
    al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference", 2018, section 3).

    Example:
        >>> scale_and_zero_point(-100.0, 155.0)
        (1.0, -28)
    """
    scale = (high - low) / _STEPS
    return scale, int(np.rint(-128 - low / scale))


def _least_error(values, low, high):
    """Searches the two ends; `values` is sorted."""
    # The squared error of the values next to one step of the grid follows from their
    # sums, so that a candidate costs the same for any number of values.
    sums = [np.append(0.0, np.cumsum(values**k)) for k in range(3)]

    def error(low, high):
        scale, zero_point = scale_and_zero_point(low, high)
        grid = scale * (np.arange(-128, 128) - zero_point)
        ends = np.searchsorted(values, (grid[1:] + grid[:-1]) / 2)
        ends = np.concatenate([[0], ends, [len(values)]])
        count, first, second = (np.diff(total[ends]) for total in sums)
        return float((second - 2 * grid * first + grid**2 * count).sum())

    parts = np.arange(1, _CANDIDATES + 1) / _CANDIDATES
    candidates = [
        (a, b)
        for a in (parts * low if low < 0 else [0.0])
        for b in (parts * high if high > 0 else [0.0])
    ]
    return min(candidates, key=lambda pair: error(*pair))


def impose_ranges(calibrated: bytes, windows: np.ndarray, ranges: str) -> bytes:
    """Replaces the ranges in a calibrated float file, before it is quantised.

    Args:
        calibrated: TensorFlow Lite file of float tensors, those of activations with
            their minimum and maximum.
        windows: `(calibration windows, window, features)`.
        ranges: see `calibrated_range`.

    Returns:
        The file with other minima and maxima.
    """
    edited = bytearray(calibrated)  # numpy's views of it can be written to
    graph = schema.Model.GetRootAs(edited, 0).Subgraphs(0)
    tensors = [graph.Tensors(k).Quantization() for k in range(graph.TensorsLength())]
    places = [k for k, q in enumerate(tensors) if q is not None and q.MinLength()]
    for place, values in _activations(calibrated, windows, places).items():
        low, high = calibrated_range(values, ranges)
        tensors[place].MinAsNumpy()[:] = low
        tensors[place].MaxAsNumpy()[:] = high
    return bytes(edited)


def _activations(file, windows, places):
    """Runs a float file on the windows, and gathers the values of some tensors."""
    interpreter = tf.lite.Interpreter(
        model_content=file,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=(
            tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        ),
    )
    interpreter.allocate_tensors()
    input_place = interpreter.get_input_details()[0]["index"]
    values = {place: [] for place in places}
    for window in windows:
        interpreter.set_tensor(input_place, window[None])
        interpreter.invoke()
        for place, found in values.items():
            found.append(interpreter.get_tensor(place))
    return {place: np.stack(found) for place, found in values.items()}
