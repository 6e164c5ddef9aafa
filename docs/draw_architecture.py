"""Draws docs/architecture.svg from the table of packages in docs/architecture.md.

    python docs/draw_architecture.py

The boxes are opaque, so that the picture reads the same on light and dark pages.
"""

import re
import textwrap
from html import escape
from pathlib import Path

DOCS = Path(__file__).parent
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", re.MULTILINE)
# Boxes side by side; between two rows of the way an arrow says what is handed on.
WAY = (
    (("audio",), "features"),
    (("hmm", "models", "ctc", "keywords"), "paths, teacher, student"),
    (("alignments",), "soft alignments"),
    (("distillation",), "trained student"),
    (("quantization",), "int8 student"),
    (("deploy",), "bundle"),
    (("recognition", "web"), "words"),
    (("scoring",), ""),
)
BESIDE = {
    "what runs them, and shows it": (
        ("recipe", "demo", "budget"),
        ("report", "commands", "cli"),
    ),
    "used along the way": (("util", "batches", "kaldi"),),
}
WIDTH, GAP, ARROW, LINE, BORDER = 400, 8, 30, 15, 8
WAY_COLOUR, BESIDE_COLOUR = "#d6e9f8", "#ece7dc"


def packages(page: Path = DOCS / "architecture.md") -> dict[str, tuple[str, str, str]]:
    """Returns of every package, in the order of imports, what the table says of it.

    Returns:
        By name: what comes in, what goes out, what is in it.
    """
    return {name: tuple(cells) for name, *cells in ROW.findall(page.read_text())}


def picture(table: dict[str, tuple[str, str, str]]) -> str:
    """Returns the SVG.

    Raises:
        ValueError: if a package of the table has no place in the picture.
    """
    rows = [names for names, _ in WAY] + [r for rows in BESIDE.values() for r in rows]
    lost = set(table) ^ {name for row in rows for name in row}
    if lost:
        raise ValueError(f"In the table or in the picture alone: {sorted(lost)}")
    parts, y = [], ARROW
    _arrow(parts, 0, "recordings")
    for names, handed_on in WAY:
        y = _row(parts, names, table, y, WAY_COLOUR)
        if handed_on:
            _arrow(parts, y, handed_on)
            y += ARROW
    for title, several in BESIDE.items():
        y += 3 * GAP
        parts.append(_text(WIDTH / 2, y, title, "middle", 'class="title"'))
        y += GAP
        for names in several:
            y = _row(parts, names, table, y, BESIDE_COLOUR) + GAP
    return "\n".join([*_head(y + BORDER - GAP), *parts, "</svg>", ""])


def _head(height):
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">',
        "<title>The packages of keras_rnn2dnn, and what they hand on</title>",
        "<style>text{font:12px sans-serif;fill:#1a1a1a}.name{font:bold 14px monospace}"
        ".title{font-weight:bold}</style>",
        f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>',
    ]


def _row(parts, names, table, y, colour):
    """Draws boxes side by side; returns where they end."""
    wide = (WIDTH - 2 * BORDER - GAP * (len(names) - 1)) / len(names)
    letters = int((wide - 2 * GAP) / 6.1)
    texts = [textwrap.wrap(table[name][1].replace("`", ""), letters) for name in names]
    height = 26 + LINE * max(map(len, texts))
    for number, (name, lines) in enumerate(zip(names, texts, strict=True)):
        x = round(BORDER + number * (wide + GAP), 1)
        parts.append(
            f'<rect x="{x}" y="{y}" width="{wide:.1f}" height="{height}" rx="5" '
            f'fill="{colour}" stroke="#5b6b78"/>'
        )
        parts.append(_text(x + GAP, y + 17, name, "start", 'class="name"'))
        for row, line in enumerate(lines, start=1):
            parts.append(_text(x + GAP, y + 17 + LINE * row, line))
    return y + height


def _arrow(parts, y, words):
    middle, end = WIDTH / 2, y + ARROW
    parts.append(f'<path d="M{middle} {y}V{end - 7}" stroke="#1a1a1a"/>')
    parts.append(f'<path d="M{middle} {end - 1}l-5 -8h10z" fill="#1a1a1a"/>')
    parts.append(_text(middle + 10, y + 19, words))


def _text(x, y, words, anchor="start", extra=""):
    where = f'x="{x:.1f}" y="{y}" text-anchor="{anchor}"'
    return f"<text {' '.join(filter(None, (where, extra)))}>{escape(words)}</text>"


if __name__ == "__main__":
    (DOCS / "architecture.svg").write_text(picture(packages()))
