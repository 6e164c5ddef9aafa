"""A window that moves on: which rows of its images are those of the window before.

The window has moved by so many frames; an image's row that has read frames of both
alone, and no edge, is the same as a row of the image before, a little further down.
"""

import dataclasses
import itertools
import math

from keras_rnn2dnn.deploy.device.images.operators import ImageNetwork, ImageOperator


@dataclasses.dataclass(frozen=True)
class Rows:
    """Of the output of an operator.

    Args:
        first: row that is that of the window before; those before it are new.
        end: of the rows that are; those from it on are new.
        shift: rows by which they move up.
        place: first byte of the image among those that are kept; None: the image is
            needed by the next operator alone, or is the output of the network.
    """

    first: int
    end: int
    shift: int
    place: int | None = None


@dataclasses.dataclass(frozen=True)
class Moving:
    """What is kept from window to window.

    Args:
        rows: of each operator.
        size: bytes of the images that are kept.
        multiply_accumulates: products in a window that follows another one.
    """

    rows: tuple[Rows, ...]
    size: int
    multiply_accumulates: int


def moving(network: ImageNetwork, frames: int, step: int) -> Moving | None:
    """Plans what is kept.

    Args:
        network: of `read_images`.
        frames: of a window.
        step: frames by which it moves on.

    Returns:
        The plan; None where nothing can be kept: the operators are no row of them, the
        first of them has a stride that does not divide the step, or the windows have
        too little in common.
    """
    operators = network.operators
    pairs = itertools.pairwise(operators)
    if operators[0].geometry.size[0] != frames or not all(
        one.inputs == (before.output,) for before, one in pairs
    ):
        return None
    rows, known = [], Rows(0, frames - step, step)
    for operator in operators:
        known = _same_rows(operator, known)
        rows.append(known)
    if rows[0].first >= rows[0].end:
        return None
    placed, size, in_scratch = [], 0, False
    for number, operator in enumerate(operators[:-1]):
        own, reader = rows[number], rows[number + 1]
        in_scratch = not in_scratch and not _reads_old(
            operators[number + 1], own, reader
        )
        place = None if in_scratch else size
        size += 0 if in_scratch else math.prod(operator.geometry.output)
        placed.append(dataclasses.replace(own, place=place))
    products = sum(map(_products, operators, rows))
    return Moving((*placed, rows[-1]), size, products)


def _same_rows(operator: ImageOperator, known: Rows) -> Rows:
    """Returns the rows of an output that follow from the known ones of its input."""
    geometry = operator.geometry
    stride, before = geometry.strides[0], geometry.padding[0]
    reach = (geometry.kernel[0] - 1) * geometry.dilation[0]
    first = max(0, -(-(known.first + before) // stride))
    end = min(geometry.output[0], (known.end - 1 - reach + before) // stride + 1)
    if known.first >= known.end or known.shift % stride or first >= end:
        return Rows(0, 0, 0)
    return Rows(first, end, known.shift // stride)


def _reads_old(operator: ImageOperator, own: Rows, reader: Rows) -> bool:
    """Whether the new rows of an operator read old ones of its input."""
    if own.first >= own.end:
        return False
    geometry = operator.geometry
    width = geometry.size[1]
    places = geometry.places().reshape(*geometry.output[:2], -1) // width
    new = [r for r in range(geometry.output[0]) if not reader.first <= r < reader.end]
    read = places[new]  # beyond the edges: -1
    return bool(((read >= own.first) & (read < own.end)).any())


def _products(operator, rows):
    height = operator.geometry.output[0]
    new = height - (rows.end - rows.first)
    return operator.multiply_accumulates * new // height
