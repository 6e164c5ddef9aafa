"""A network of operators on images `(height, width, channels)` in int8."""

import dataclasses
import math

import numpy as np

CONV, DEPTHWISE, AVERAGE, MAXIMUM, ADD = range(5)
BLOCK = 2  # pixels which a convolution may compute side by side
_MOST_WIDENED = 256  # values of a pixel that are kept as 16 bits
_SUMS = 2**30  # below which simple arithmetic does


@dataclasses.dataclass(frozen=True)
class Geometry:
    """Which pixels of its input an operator reads, as `(vertical, horizontal)`.

    The first pixel of output pixel `(i, j)` is `(i, j) * strides - padding`; the others
    lie `dilation` apart.

    Args:
        size: of the input, `(height, width, channels)`.
        output: size of the output.
        kernel: pixels read in each direction.
        strides: pixels from output pixel to output pixel.
        dilation: pixels from tap to tap.
        padding: pixels before the image; behind it there are as many as needed.
    """

    size: tuple[int, int, int]
    output: tuple[int, int, int]
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)

    @property
    def taps(self) -> int:
        """Pixels that an output pixel reads, those beyond the edges among them."""
        return math.prod(self.kernel)

    @property
    def pixels(self) -> int:
        """Pixels of the output."""
        return self.output[0] * self.output[1]

    @property
    def is_padded(self) -> bool:
        """Whether an output pixel reads a pixel beyond the edges."""
        return bool((self.places() < 0).any())

    def places(self) -> np.ndarray:
        """Returns the input pixels of each output pixel; -1 beyond the edges.

        Returns:
            int64 `(pixels, taps)`.
        """
        axes = []
        for axis in range(2):
            first = np.arange(self.output[axis]) * self.strides[axis]
            taps = np.arange(self.kernel[axis]) * self.dilation[axis]
            axes.append(first[:, None] - self.padding[axis] + taps)
        rows = axes[0][:, None, :, None] + np.zeros_like(axes[1])[None, :, None, :]
        columns = axes[1][None, :, None, :] + np.zeros_like(axes[0])[:, None, :, None]
        inside = (rows >= 0) & (rows < self.size[0])
        inside &= (columns >= 0) & (columns < self.size[1])
        places = np.where(inside, rows * self.size[1] + columns, -1)
        return places.reshape(self.pixels, self.taps)


@dataclasses.dataclass(frozen=True, eq=False)
class ImageOperator:
    """One operator.

    Args:
        kind: `CONV` (a dense layer is one of one pixel), `DEPTHWISE`, `AVERAGE`,
            `MAXIMUM` or `ADD`.
        name: of its output tensor.
        inputs: tensors that it reads.
        output: tensor that it writes.
        geometry: which pixels it reads.
        output_offset: zero point of the output.
        minimum: lower limit of the output, of ReLU or of int8.
        maximum: upper limit.
        padding_value: of pixels beyond the edges, the zero point of the input.
        groups: of a convolution, which read and write as many parts of the channels.
        weights: int8 `(outputs, taps * channels of a group)`, of `DEPTHWISE`
            `(outputs, taps)`; None where there are none.
        bias: int64 `(outputs,)`, the offset of the input folded in.
        multipliers: int64 `(outputs,)` or `(1,)`; of `ADD` those of its inputs and of
            its output.
        shifts: the same shape.
        offsets: of `ADD`, the zero points of its inputs.
    """

    kind: int
    name: str
    inputs: tuple[int, ...]
    output: int
    geometry: Geometry
    output_offset: int
    minimum: int
    maximum: int
    padding_value: int = 0
    groups: int = 1
    weights: np.ndarray | None = None
    bias: np.ndarray | None = None
    multipliers: np.ndarray | None = None
    shifts: np.ndarray | None = None
    offsets: tuple[int, int] = (0, 0)

    @property
    def pairs(self) -> bool:
        """Whether two pixels may be computed side by side."""
        row = 0 if self.weights is None else self.weights.shape[1]
        even = self.geometry.output[2] % 2 == 0 and self.geometry.pixels > 1
        is_conv = self.kind == CONV and self.groups == 1
        return is_conv and even and row <= _MOST_WIDENED

    @property
    def is_simple(self) -> bool:
        """Whether all shifts go to the right, and 30 bits hold all sums."""
        if self.weights is None:
            return False
        reach = 128 * np.abs(self.weights.astype(np.int64)).sum(axis=1)
        reach = reach + np.abs(self.bias)
        return bool(reach.max() < _SUMS and self.shifts.max() < 0)

    @property
    def multiply_accumulates(self) -> int:
        """Products in one window."""
        weights = 0 if self.weights is None else self.weights.size
        return weights * self.geometry.pixels


@dataclasses.dataclass(frozen=True, eq=False)
class ImageNetwork:
    """Operators in the order they run.

    Args:
        operators: each after those whose outputs it reads; the last gives the logits.
        input: tensor of the features.
    """

    operators: tuple[ImageOperator, ...]
    input: int

    @property
    def outputs(self) -> int:
        """Values of an output, the classes."""
        return math.prod(self.operators[-1].geometry.output)

    @property
    def multiply_accumulates(self) -> int:
        """Products in one window."""
        return sum(one.multiply_accumulates for one in self.operators)
