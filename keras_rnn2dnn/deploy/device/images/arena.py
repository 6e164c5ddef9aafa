"""Where the tensors of a network lie in RAM.

An operator whose input nobody reads later may write its output over it, if no pixel is
overwritten before the last output pixel that reads it is computed. For that the output
lies a little before the input and is computed from the first pixel on, or behind it
and from the last one: so a row of layers needs little more than its largest image,
where two buffers need two.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.deploy.device.images.operators import (
    BLOCK,
    CONV,
    DEPTHWISE,
    ImageNetwork,
    ImageOperator,
)


@dataclasses.dataclass(frozen=True)
class Arena:
    """A plan of memory.

    Args:
        size: bytes of all.
        places: first byte of each tensor but input and output of the network.
        backwards: for each operator, whether it begins with its last pixel.
        column: bytes beside, in which an operator gathers what it reads.
    """

    size: int
    places: dict[int, int]
    backwards: tuple[bool, ...]
    column: int

    @property
    def total(self) -> int:
        """Bytes of the scratch memory of a network."""
        return -(-(max(1, self.size) + self.words) // 4) * 4

    @property
    def words(self) -> int:
        """Bytes of the column, in whole words."""
        return -(-max(1, self.column) // 4) * 4


def plan(network: ImageNetwork) -> Arena:
    """Plans the memory of a network.

    Args:
        network: of `read_images`.

    Returns:
        The plan. Of a row of operators outputs overlap inputs; where branches meet,
        tensors that are needed at the same time lie apart.
    """
    row = all(
        one.inputs == (before.output,)
        for before, one in zip(network.operators, network.operators[1:], strict=False)
    )
    places, backwards = (_of_row if row else _of_branches)(network.operators)
    lowest = min(places.values(), default=0)
    places = {tensor: place - lowest for tensor, place in places.items()}
    ends = [places[k] + size for k, size in _sizes(network.operators).items()]
    column = max(_column(one) for one in network.operators)
    return Arena(max(ends, default=0), places, backwards, column)


def _sizes(operators):
    """Returns the bytes of every tensor but the network's output, by tensor."""
    return {one.output: math.prod(one.geometry.output) for one in operators[:-1]}


def _column(operator):
    """Returns the bytes beside: what a pixel or two read, also as 16 bits."""
    if operator.weights is None:
        return 0
    row = operator.geometry.taps * operator.geometry.size[2]
    if operator.kind == DEPTHWISE:  # a pixel of padding, and where pixels lie
        return -(-operator.geometry.size[2] // 4) * 4 + 4 * operator.geometry.taps
    gathered = row if operator.geometry.taps > 1 else 0
    return 4 * (-(-row // 4) * 4) + 2 * gathered if operator.pairs else gathered


def _of_row(operators: Sequence[ImageOperator]):
    """Puts each output as little before or behind its input as may be."""
    places, backwards = {}, [False]
    low = high = 0
    for number, operator in enumerate(operators[:-1]):
        size = math.prod(operator.geometry.output)
        if number == 0:  # the features are not ours to overwrite
            places[operator.output], high = 0, size
            continue
        before, behind = distances(operator)
        place = places[operator.inputs[0]]
        options = {False: place - before, True: place + behind}
        costs = {
            back: max(high, start + size) - min(low, start)
            for back, start in options.items()
        }
        back = costs[True] < costs[False]
        backwards.append(back)
        places[operator.output] = start = options[back]
        low, high = min(low, start), max(high, start + size)
    return places, (*backwards, False)[: len(operators)]


def distances(operator: ImageOperator) -> tuple[int, int]:
    """Returns how far an output must lie from the input that it overwrites.

    Args:
        operator: that reads one tensor.

    Returns:
        Bytes from the first byte of the output to that of the input, where the first
        pixel is computed first; and from that of the input to that of the output, where
        the last is.
    """
    geometry = operator.geometry
    width, depth = geometry.size[2], geometry.output[2]
    places = geometry.places()
    inside = places >= 0
    first = np.where(inside, places, geometry.size[0] * geometry.size[1]).min(axis=1)
    last = np.where(inside, places, -1).max(axis=1) + 1
    block = BLOCK if operator.kind == CONV else 1
    starts = np.arange(0, geometry.pixels, block)
    ends = np.minimum(starts + block, geometry.pixels)
    needed = np.minimum.accumulate(np.minimum.reduceat(first, starts)[::-1])[::-1]
    read = np.maximum.accumulate(np.maximum.reduceat(last, starts))
    before = int((ends * depth - needed * width).max())
    behind = int((read * width - starts * depth).max())
    return before, behind


def _of_branches(operators: Sequence[ImageOperator]):
    """Puts the largest tensors first, each where nothing lives at the same time."""
    sizes = _sizes(operators)
    born = {one.output: number for number, one in enumerate(operators)}
    dies = {}
    for number, one in enumerate(operators):
        dies |= dict.fromkeys(one.inputs, number)
    places = {}
    for tensor in sorted(sizes, key=lambda k: (-sizes[k], k)):
        taken = sorted(
            (places[other], places[other] + sizes[other])
            for other in places
            if born[other] <= dies[tensor] and born[tensor] <= dies[other]
        )
        start = 0
        for low, high in taken:
            if start + sizes[tensor] <= low:
                break
            start = max(start, high)
        places[tensor] = start
    return places, (False,) * len(operators)
