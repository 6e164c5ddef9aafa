"""Runs TensorFlow Lite Micro; a program of its own, as it may end by a signal.

    python tflm_worker.py outputs MODEL INPUTS.npy OUTPUTS.npy
    python tflm_worker.py arena MODEL

`arena` writes the smallest arena in bytes that one inference runs in. An arena too
small may end the process, so that each size is tried in a child.
"""

import os
import sys
from pathlib import Path

import numpy as np
from tflite_micro.python.tflite_micro import runtime

_LARGEST = 1 << 22
_STEP = 16


def run(model: bytes, inputs: np.ndarray, arena_bytes: int) -> np.ndarray:
    """Computes the outputs of each input, `(inputs, outputs)`."""
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=arena_bytes)
    outputs = []
    for row in inputs:
        interpreter.set_input(row[None], 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0).ravel().copy())
    return np.array(outputs)


def suffices(model: bytes, arena_bytes: int) -> bool:
    """Tells whether one inference runs in an arena of this size."""
    child = os.fork()
    if child == 0:
        try:
            interpreter = runtime.Interpreter.from_bytes(model, arena_size=arena_bytes)
            details = interpreter.get_input_details(0)
            zeros = np.zeros(details["shape"], details["dtype"])
            interpreter.set_input(zeros, 0)
            interpreter.invoke()
            os._exit(0)
        except BaseException:  # a child must not go on as if it were its parent
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def smallest_arena(model: bytes) -> int:
    """Finds the smallest arena, a multiple of 16 bytes, by bisection."""
    low, high = 0, _LARGEST
    if not suffices(model, high):
        raise SystemExit(f"no inference within {high} bytes")
    while high - low > _STEP:
        middle = (low + high) // (2 * _STEP) * _STEP
        if suffices(model, middle):
            high = middle
        else:
            low = middle
    return high


def main(arguments: list[str]) -> None:
    """Runs one of the two commands."""
    command, path = arguments[:2]
    model = Path(path).read_bytes()
    if command == "outputs":
        np.save(arguments[3], run(model, np.load(arguments[2]), _LARGEST))
    else:
        sys.stdout.write(f"{smallest_arena(model)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
