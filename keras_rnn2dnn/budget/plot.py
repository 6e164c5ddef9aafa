"""The plot of a search for a student within a budget, as SVG."""

import math

from keras_rnn2dnn.budget.result import SearchResult

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 640, 400, 70, 60, 30, 20
_FRONT, _OTHER = "#0072b2", "#999999"  # told apart by people who are colour-blind


def to_svg(result: SearchResult) -> str:
    """Draws development WER over bytes; the Pareto front is a line.

    Args:
        result: of `search_student`.

    Returns:
        A picture without external parts.
    """
    trained = [c for c in result.candidates if c.errors is not None]
    across = _scale([c.num_bytes / 1000 for c in trained], _LEFT, _WIDTH - _RIGHT)
    up = _scale([100 * c.wer for c in trained], _HEIGHT - _BOTTOM, _TOP)

    def place(candidate):
        return across(candidate.num_bytes / 1000), up(100 * candidate.wer)

    front = sorted(result.pareto, key=lambda c: c.num_bytes)
    line = " ".join(f"{x},{y}" for x, y in map(place, front))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'font-family="sans-serif" font-size="12" role="img">',
        "<title>Development word error rate over bytes of the int8 student</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        *_axes(across, up),
        f'<polyline points="{line}" fill="none" stroke="{_FRONT}"/>',
    ]
    for candidate in trained:
        x, y = place(candidate)
        colour = _FRONT if candidate in front else _OTHER
        radius = 6 if candidate == result.best else 4
        parts.append(f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{colour}"/>')
        if candidate in front:
            parts.append(f'<text x="{x + 7}" y="{y - 6}">{candidate.name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _scale(values, start, end):
    """Returns a function from values to pixels, which knows its round numbers."""
    margin = 0.08 * (max(values) - min(values)) or 1.0
    low, high = max(0.0, min(values) - margin), max(values) + margin

    def pixel(value):
        return round(start + (value - low) / (high - low) * (end - start), 1)

    pixel.ticks = _ticks(low, high)
    return pixel


def _ticks(low, high):
    step = 10.0 ** math.floor(math.log10(high - low))
    step *= 1 if (high - low) / step >= 4 else 0.5 if (high - low) / step >= 2 else 0.2
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(k * step, 6) for k in range(first, last + 1)]


def _axes(across, up):
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    yield f'<path d="M{_LEFT},{_TOP} V{bottom} H{right}" stroke="black" fill="none"/>'
    centred, ending = 'text-anchor="middle"', 'text-anchor="end"'
    for value in across.ticks:
        yield f'<text x="{across(value)}" y="{bottom + 18}" {centred}>{value:g}</text>'
    for value in up.ticks:
        yield f'<text x="{_LEFT - 8}" y="{up(value) + 4}" {ending}>{value:g}</text>'
    middle = (_LEFT + right) // 2
    yield f'<text x="{middle}" y="{_HEIGHT - 14}" {centred}>kB</text>'
    yield f'<text x="{_LEFT - 60}" y="{_TOP - 10}">development WER %</text>'
