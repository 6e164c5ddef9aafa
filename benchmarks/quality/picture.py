"""Word error rates with their intervals as an SVG, for docs/results.md."""

from html import escape

from benchmarks.quality.table import (
    ALIGNED,
    BEST,
    BOOSTED,
    HARD,
    HARD_BOOSTED,
    REALIGNED,
    SECOND,
    TEACHER,
    Summary,
)

# What stands in the picture, of the rows that a protocol has, and what it is.
SHOWN = {
    TEACHER: "rnn",
    HARD: "alone",
    HARD_BOOSTED: "alone",
    REALIGNED: "alone",
    "self-training, boosted paths, second round": "alone",
    "soft": "taught",
    "forward-backward": "taught",
    ALIGNED: "taught",
    BOOSTED: "taught",
    SECOND: "taught",
    "committee, boosted paths, second round": "taught",
    f"{BEST}, int8": "taught",
}
_WIDTH, _LEFT, _RIGHT, _STEP, _HEAD = 400, 14, 350, 40, 34
_STYLE = """
svg{--page:#ffffff;--ink:#1a1a1a;--soft:#5b6b78;--rnn:#b3470f;--taught:#0061a0;
--alone:#6b7683}
@media (prefers-color-scheme:dark){svg{--page:#12181e;--ink:#eceff2;--soft:#a3b1bd;
--rnn:#ff9a5c;--taught:#6cbcf5;--alone:#9aa7b3}}
text{font:13px sans-serif;fill:var(--ink)}.head{font-weight:bold}
.page{fill:var(--page)}.rnn{fill:var(--rnn)}.taught{fill:var(--taught)}
.alone{fill:var(--alone)}.range{stroke:var(--ink);stroke-width:1.5}
"""


def picture(summaries: dict[str, Summary]) -> str:
    """Draws bars of word error rates with 95 % intervals, protocol by protocol.

    Args:
        summaries: by the titles of the protocols.

    Returns:
        An SVG that follows the reader's choice of light or dark.
    """
    lines, top = [], 0
    for title, summary in summaries.items():
        rates = {row: summary.rate(row) for row in SHOWN if row in summary.rows}
        scale = (_RIGHT - _LEFT) / max(high for _, _, high in rates.values())
        top += _HEAD
        lines.append(_text(_LEFT, top - 10, f"{title}: word errors in %", "head"))
        for row, rate in rates.items():
            lines += _bar(top, row, rate, scale)
            top += _STEP
    height = top + 10
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'width="{_WIDTH}" height="{height}" role="img">',
            "<title>Word error rates with 95 % intervals</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="page" width="{_WIDTH}" height="{height}"/>',
            *lines,
            "</svg>\n",
        ]
    )


def _bar(top, row, rate, scale):
    found, low, high = (scale * number for number in rate)
    middle = top + 26
    return [
        _text(_LEFT, top + 13, row),
        f'<rect class="{SHOWN[row]}" x="{_LEFT}" y="{top + 18}" width="{found:.1f}" '
        'height="16"/>',
        f'<path class="range" d="M{_LEFT + low:.1f} {middle}H{_LEFT + high:.1f}"/>',
        _text(_LEFT + high + 6, middle + 5, f"{rate[0]:.1f}"),
    ]


def _text(x, y, words, kind=""):
    of_kind = f' class="{kind}"' if kind else ""
    return f'<text{of_kind} x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'
