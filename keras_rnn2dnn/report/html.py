"""The parts of the page: tables, figures with a table behind them, sections."""

import dataclasses
from collections.abc import Sequence
from html import escape


class LeftOut(Exception):
    """Says why a section, or a part of one, is not in the page."""


@dataclasses.dataclass(frozen=True)
class Section:
    """A section of the page.

    Args:
        text: how to read it; plain text.
        figures: as HTML.
        missing: what could not be shown, and why; plain text.
        table: HTML, to be seen without unfolding.
    """

    text: str
    figures: Sequence[str]
    missing: Sequence[str] = ()
    table: str = ""


def table(
    header: Sequence[str], rows: Sequence[Sequence[object]], texts: int = 1
) -> str:
    """Returns a table; everything in it is escaped.

    Args:
        header: name of each column.
        rows: cells, one for each column.
        texts: columns of text at the left; the others hold numbers.

    Example:
        >>> table(["word", "times"], [["<b>", 3]]).partition("<tbody>")[2]
        '<tr><td>&lt;b&gt;</td><td class="n">3</td></tr></tbody></table>'
    """

    def line(cells, kind, extra=""):
        marks = ["" if k < texts else ' class="n"' for k in range(len(cells))]
        inner = "".join(
            f"<{kind}{extra}{mark}>{escape(str(cell))}</{kind}>"
            for cell, mark in zip(cells, marks, strict=True)
        )
        return f"<tr>{inner}</tr>"

    head = line(header, "th", ' scope="col"')
    body = "".join(line(row, "td") for row in rows)
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def scrolling(content: str, name: str) -> str:
    """Returns content in a box of its own, which scrolls where it is too wide."""
    mark = f'class="scroll" tabindex="0" role="region" aria-label="{escape(name)}"'
    return f"<div {mark}>{content}</div>"


def figure(
    title: str,
    picture: str,
    caption: str,
    tables: str,
    legend: str = "",
    kind: str = "",
) -> str:
    """Returns a picture with its caption, and the numbers behind it to unfold.

    Args:
        title: plain text.
        picture: SVG.
        caption: plain text.
        tables: HTML.
        legend: HTML.
        kind: class of the figure; `"wide"` for the full width.
    """
    mark = f' class="{kind}"' if kind else ""
    picture = scrolling(picture, "Picture") if kind == "wide" else picture
    behind = f"<details><summary>Table</summary>{scrolling(tables, 'Table')}</details>"
    return (
        f"<figure{mark}><h3>{escape(title)}</h3>{picture}{legend}"
        f"<figcaption>{escape(caption)}</figcaption>{behind}</figure>"
    )


def legend(entries: Sequence[tuple[str, str, str]]) -> str:
    """Returns a legend.

    Args:
        entries: name, colour and dashes of each line (`"bar"` for a bar, `"box"` for a
            light one with an outline).
    """
    items = []
    for name, colour, dash in entries:
        if dash in ("bar", "box"):
            light = f' fill-opacity="0.3" stroke="{colour}"' if dash == "box" else ""
            mark = f'<rect width="22" height="10" y="1" fill="{colour}"{light}/>'
        else:
            dashes = f' stroke-dasharray="{dash}"' if dash else ""
            mark = f'<path d="M0,6 H22" stroke="{colour}" stroke-width="3"{dashes}/>'
        items.append(
            f'<li><svg class="key" viewBox="0 0 22 12" aria-hidden="true">{mark}</svg>'
            f"{escape(name)}</li>"
        )
    return f'<ul class="legend">{"".join(items)}</ul>'
