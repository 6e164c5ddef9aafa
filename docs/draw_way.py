"""Draws docs/way.svg, the way from an RNN to a chip, from the files of a demo.

    rnn2dnn demo --full --out out
    python docs/draw_way.py out

Everything in it is of that run: the samples, both posteriorgrams, the words with their
times as the C code reports them, and the numbers. The test string is the first one of
four words which teacher and device both hear right. Colours follow the reader's choice
of light or dark.
"""

import sys
from html import escape
from pathlib import Path

import numpy as np

from keras_rnn2dnn.deploy import load_bundle
from keras_rnn2dnn.report.collect import Run, collect
from keras_rnn2dnn.report.models import FoldModels
from keras_rnn2dnn.report.table import DISTILLED
from keras_rnn2dnn.util.log_softmax import log_softmax

BOTH = TEACHER, DEVICE = "RNN teacher", "student, distilled, device arithmetic"
WIDTH, LEFT, RIGHT, WORDS = 440, 14, 426, 4
LEVELS = 5  # of a posterior that are told apart
STYLE = """
svg{--page:#ffffff;--ink:#1a1a1a;--soft:#5b6b78;--box:#e8f1f9;--line:#9db4c6;
--rnn:#b3470f;--dnn:#0061a0}
@media (prefers-color-scheme:dark){svg{--page:#12181e;--ink:#eceff2;--soft:#a3b1bd;
--box:#1d2a36;--line:#47596a;--rnn:#ff9a5c;--dnn:#6cbcf5}}
text{font:13px sans-serif;fill:var(--ink)}.head{font-weight:bold}
.small{font-size:12px;fill:var(--soft)}.word{font:bold 13px sans-serif}
.box{fill:var(--box);stroke:var(--line)}.wave{stroke:var(--ink);stroke-width:1}
.arrow{fill:var(--soft);stroke:var(--soft);stroke-width:1.5}
.rnn{fill:var(--rnn)}.dnn{fill:var(--dnn)}.page{fill:var(--page)}
"""


def choose(run: Run) -> tuple[FoldModels, int]:
    """Returns the models of a fold, and the number of one of its test strings.

    Raises:
        ValueError: if no string of the run has four words that both hear right.
    """
    for fold in run.folds:
        said = fold.hypotheses["references"]
        heard = [fold.hypotheses["systems"][name] for name in BOTH]
        for number, rows in enumerate(zip(said, *heard, strict=True)):
            if len(set(rows)) == 1 and len(rows[0].split()) == WORDS:
                return FoldModels(fold), number
    raise ValueError(f"No string of {WORDS} words in {run.path} is heard right by both")


def picture(run: Run) -> str:
    """Returns the SVG of a run."""
    models, number = choose(run)
    rows = {row["system"]: row for row in run.rows}
    bundle = load_bundle(models.fold.path / "bundle")
    pcm = models.audio.samples[number]
    states = bundle.recognizer.decoder.topology.num_states
    board = bundle.report["firmware"]["cores"]["m4"]
    teacher, student, device = (rows[name] for name in (TEACHER, DISTILLED, DEVICE))
    parts: list[str] = []
    y = _wave(parts, 8, pcm)
    y = _arrow(parts, y, "log-mel features, a frame every 10 ms")
    y = _box(
        parts,
        y,
        "RNN teacher: reads forwards and backwards",
        f"{teacher['parameters']:,} parameters, {_kb(teacher)} kB, {_wer(teacher)}",
    )
    y = _posteriors(parts, y, models, "teacher", number, "rnn")
    y = _arrow(
        parts, y, f"its soft alignment of each frame: {states} states, a row each"
    )
    y = _box(
        parts,
        y,
        f"feed-forward student: a window of {_window(bundle)} frames",
        f"{student['parameters']:,} parameters, {_kb(device)} kB in int8, "
        f"{_wer(device)}",
    )
    y = _posteriors(parts, y, models, "int8", number, "dnn")
    y = _arrow(parts, y, "convert: C99, no heap, no C library")
    y = _box(
        parts,
        y,
        f"Cortex-M4F: {board['flash_bytes'] / 1000:.0f} kB flash, "
        f"{bundle.report['firmware']['ram_bytes']['total'] / 1000:.1f} kB RAM",
        f"{board['instructions_per_frame']['total']:,} instructions for each frame, "
        "from PCM to words",
    )
    (words,) = bundle.recognizer.recognize([pcm])
    y = _words(parts, y, words, len(pcm), models.audio.sample_rate_hz)
    return "\n".join([*_head(y + 8), *parts, "</svg>", ""])


def _head(height):
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">',
        "<title>From an RNN to a chip: one test string of the demo</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" rx="8" class="page"/>',
    ]


def _wave(parts, y, pcm):
    """Draws samples, as high as they are loud at most; returns where that ends."""
    columns, middle = RIGHT - LEFT, y + 24
    ends = np.linspace(0, len(pcm), columns + 1).astype(int)
    loudest = max(np.abs(pcm.astype(float)).max(), 1.0)
    path = []
    for column in range(columns):
        piece = pcm[ends[column] : ends[column + 1] + 1]
        low, high = (22 * float(v) / loudest for v in (piece.min(), piece.max()))
        path.append(f"M{LEFT + column} {middle - high:.1f}V{middle - low:.1f}")
    parts.append(f'<path class="wave" d="{"".join(path)}"/>')
    return y + 48


def _posteriors(parts, y, models, name, number, colour):
    """Draws a row for each state: the fuller, the likelier; returns where it ends."""
    shares = np.exp(log_softmax(models.logits(name, [number])[0]))
    frames, states = shares.shape
    wide, high = (RIGHT - LEFT) / frames, 1.8
    levels = np.minimum((shares * LEVELS).astype(int), LEVELS - 1)
    for level in range(1, LEVELS):
        path = []
        for state in range(states):
            edges = np.diff(np.pad((levels[:, state] == level).astype(int), 1))
            spans = (np.flatnonzero(edges == edge) for edge in (1, -1))
            for start, end in zip(*spans, strict=True):
                left, top = LEFT + start * wide, y + 4 + state * high
                size = f"h{(end - start) * wide:.2f}v{high}H{left:.2f}z"
                path.append(f"M{left:.2f} {top:.1f}{size}")
        shade = (level + 0.5) / LEVELS
        parts.append(f'<path class="{colour}" opacity="{shade}" d="{"".join(path)}"/>')
    return y + 8 + round(states * high)


def _words(parts, y, words, num_samples, rate_hz):
    """Draws the words where the device says that they are."""
    for word in words:
        start, end = (
            LEFT + ms * rate_hz / 1000 / num_samples * (RIGHT - LEFT)
            for ms in (word.start_ms, word.end_ms)
        )
        parts.append(
            f'<rect class="box" x="{start:.1f}" y="{y + 6}" width="{end - start:.1f}" '
            'height="24" rx="4"/>'
        )
        middle = (start + end) / 2
        parts.append(_text(middle, y + 22, word.text, "word dnn", "middle"))
    return y + 32


def _box(parts, y, title, text):
    parts.append(
        f'<rect class="box" x="6" y="{y}" width="{WIDTH - 12}" height="42" rx="6"/>'
    )
    parts.append(_text(LEFT, y + 18, title, "head"))
    parts.append(_text(LEFT, y + 35, text))
    return y + 44


def _arrow(parts, y, text):
    parts.append(f'<path class="arrow" d="M28 {y + 4}v14m-4 -6l4 7l4 -7z"/>')
    parts.append(_text(44, y + 17, text, "small"))
    return y + 28


def _text(x, y, words, style="", anchor="start"):
    return (
        f'<text x="{x:.1f}" y="{y}" class="{style}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )


def _window(bundle):
    return bundle.student.receptive_field.window


def _kb(row):
    return f"{row['bytes'] / 1000:,.0f}"


def _wer(row):
    return f"{100 * row['wer']:.1f} % word errors"


if __name__ == "__main__":
    (Path(__file__).parent / "way.svg").write_text(picture(collect(sys.argv[1])))
