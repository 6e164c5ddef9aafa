"""Small pictures as SVG: axes, lines, bars. No script, no external part."""

import base64
import math
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

# Told apart by people who are colour-blind: M. Okabe and K. Ito, "Color universal
# design", 2008.
OKABE_ITO = {
    "black": "#000000",
    "orange": "#e69f00",
    "sky": "#56b4e9",
    "green": "#009e73",
    "yellow": "#f0e442",
    "blue": "#0072b2",
    "vermillion": "#d55e00",
    "purple": "#cc79a7",
}
WIDTH = 360  # of most pictures: as wide as a phone, so that text is never scaled down
_GREY, _GRID = "#595959", "#e3e3e3"
_BAR_STEP, _BAR_HEIGHT, _MOST_LETTERS = 38, 14, 46


class Plot:
    """A picture with two linear axes, to which shapes are added.

    Args:
        x: smallest and largest value across.
        y: smallest and largest value upwards.
        x_label: below the axis.
        y_label: above the axis.
        width: in units of the picture.
        height: likewise.
        x_marks: values across with their texts; by default round numbers.

    Example:
        >>> plot = Plot(x=(0, 2), y=(0, 10), x_label="epoch", y_label="loss")
        >>> plot.line([(0, 10), (2, 0)], OKABE_ITO["blue"])
        >>> "<polyline" in plot.picture("Loss by epoch")
        True
    """

    def __init__(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        x_label: str,
        y_label: str,
        width: int = WIDTH,
        height: int = 240,
        x_marks: Mapping[float, str] | None = None,
    ):
        self.width, self.height = width, height
        self.left, self.right, self.top, self.bottom = 46, width - 12, 26, height - 40
        self._x, self._y = x, y
        self._parts: list[str] = []
        self._axes(x_label, y_label, x_marks)

    def across(self, value: float) -> float:
        """Returns where a value lies on the x axis."""
        low, high = self._x
        share = (value - low) / ((high - low) or 1.0)
        return round(self.left + share * (self.right - self.left), 2)

    def up(self, value: float) -> float:
        """Returns where a value lies on the y axis."""
        low, high = self._y
        share = (value - low) / ((high - low) or 1.0)
        return round(self.bottom - share * (self.bottom - self.top), 2)

    def line(
        self,
        points: Iterable[tuple[float, float]],
        colour: str,
        dash: str = "",
        dots: bool = False,
    ) -> None:
        """Adds a line through points, with a dot at each if asked."""
        placed = [(self.across(x), self.up(y)) for x, y in points]
        path = " ".join(f"{x},{y}" for x, y in placed)
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" '
            f'stroke-width="2"{dashes}/>'
        )
        for x, y in placed if dots else []:
            self._parts.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>')

    def bar(self, x: tuple[float, float], top: float, colour: str, title: str) -> None:
        """Adds an upright bar from the bottom, with a text that shows on hovering."""
        start, end, y = self.across(x[0]), self.across(x[1]), self.up(top)
        self._parts.append(
            f'<rect x="{start}" y="{y}" width="{max(end - start - 1, 0.5):.2f}" '
            f'height="{max(self.bottom - y, 0):.2f}" fill="{colour}">'
            f"<title>{escape(title)}</title></rect>"
        )

    def picture(self, title: str) -> str:
        """Returns the SVG element; `title` says what it shows."""
        return svg(self._parts, title, self.width, self.height)

    def _axes(self, x_label, y_label, x_marks):
        for value in ticks(*self._y):
            y = self.up(value)
            self._parts.append(
                f'<path d="M{self.left},{y} H{self.right}" stroke="{_GRID}"/>'
            )
            self._parts.append(text(self.left - 6, y + 4, f"{value:g}", "end"))
        marks = x_marks or {value: f"{value:g}" for value in ticks(*self._x, most=7)}
        for value, mark in marks.items():
            x = self.across(value)
            self._parts.append(text(x, self.bottom + 16, mark, "middle"))
        self._parts.append(
            f'<path d="M{self.left},{self.top} V{self.bottom} H{self.right}" '
            f'stroke="{_GREY}" fill="none"/>'
        )
        middle = (self.left + self.right) / 2
        self._parts.append(text(middle, self.height - 6, x_label, "middle"))
        self._parts.append(text(4, 14, y_label))


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Returns round numbers between two values.

    Example:
        >>> ticks(0, 1)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
        >>> ticks(1, 8, most=8)
        [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    """
    if not high > low:
        return [float(low)]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(
        power * factor
        for factor in (1, 2, 5, 10, 20)
        if (high - low) / (power * factor) < most
    )
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]


def span(values: Iterable[float], include: float | None = None) -> tuple[float, float]:
    """Returns the smallest and the largest value with some room around them.

    Example:
        >>> span([1.0, 2.0], include=0.0)
        (0.0, 2.1)
    """
    known = [float(v) for v in values]
    known += [] if include is None else [include]
    low, high = min(known), max(known)
    room = 0.05 * (high - low) or 0.5
    return (low if low == include else low - room), high + room


def stacked_bars(
    rows: Sequence[tuple[str, Mapping[str, float]]],
    colours: Mapping[str, str],
    title: str,
    number: str = "{:,.0f}",
) -> str:
    """Draws lying bars, each with its label above it and its sum behind it.

    Args:
        rows: label and the parts of each bar.
        colours: of each part.
        title: what the picture shows.
        number: how numbers are written.

    Returns:
        The SVG element.
    """
    sums = [sum(parts.values()) for _, parts in rows]
    room = WIDTH - 12 - 8 * max(len(number.format(total)) for total in sums)
    unit = room / (max(sums) or 1)
    drawn = []
    for place, ((label, parts), total) in enumerate(zip(rows, sums, strict=True)):
        y, x = place * _BAR_STEP, 0.0
        drawn.append(text(0, y + 13, shortened(label, _MOST_LETTERS)))
        for part, value in parts.items():
            hint = f"{label}: {part} {number.format(value)}"
            drawn.append(
                f'<rect x="{x:.2f}" y="{y + 18}" width="{value * unit:.2f}" '
                f'height="{_BAR_HEIGHT}" fill="{colours[part]}">'
                f"<title>{escape(hint)}</title></rect>"
            )
            x += value * unit
        drawn.append(text(x + 5, y + 30, number.format(total)))
    return svg(drawn, title, WIDTH, _BAR_STEP * len(rows) + 2)


def text(x: float, y: float, words: str, anchor: str = "start", extra: str = "") -> str:
    """Returns a text element; `extra` are further attributes."""
    return (
        f'<text x="{round(x, 2):g}" y="{round(y, 2):g}" text-anchor="{anchor}"'
        f"{extra}>{escape(words)}</text>"
    )


def shortened(words: str, most: int) -> str:
    """Returns a text of at most so many characters.

    Example:
        >>> shortened("posteriorgram", 10)
        'posterior…'
    """
    return (
        words if len(words) <= most else f"{words[: most - 1]}\N{HORIZONTAL ELLIPSIS}"
    )


def svg(
    parts: Iterable[str], title: str, width: int, height: int, kind: str = "plot"
) -> str:
    """Returns an SVG element that grows and shrinks with its column.

    Args:
        parts: what it holds.
        title: what it shows, for those who hear the page.
        width: of its coordinates.
        height: likewise.
        kind: its class.
    """
    return (
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}">' + "".join(parts) + "</svg>"
    )


def heat_map(shares: np.ndarray) -> str:
    """Returns shares from 0 to 1 as a PNG in a `data:` address: white to dark blue.

    Args:
        shares: `(rows, columns)`, the first row at the top.

    Example:
        >>> heat_map(np.eye(2))[:22]
        'data:image/png;base64,'
    """
    rows, columns = shares.shape
    levels = np.clip(np.rint(255 * shares), 0, 255).astype(np.uint8)
    dark = np.linspace(0, 1, 256)[:, None]
    white, blue, black = np.array([[255] * 3, [0, 114, 178], [0, 20, 45]])
    colours = np.where(
        dark < 0.5,
        white + 2 * dark * (blue - white),
        blue + (2 * dark - 1) * (black - blue),
    )
    lines = np.pad(levels, ((0, 0), (1, 0)))  # a filter type before each row
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
            (b"PLTE", np.rint(colours).astype(np.uint8).tobytes()),
            (b"IDAT", zlib.compress(lines.tobytes(), 9)),
            (b"IEND", b""),
        )
    )
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
