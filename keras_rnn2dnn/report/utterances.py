"""Section: chosen utterances, as they sound and as teacher and student hear them."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.errors import invalid
from keras_rnn2dnn.report import svg
from keras_rnn2dnn.report.calibration import both_scores, softmax
from keras_rnn2dnn.report.html import Section, figure, legend, table
from keras_rnn2dnn.report.models import FoldModels
from keras_rnn2dnn.report.word_times import stretches, word_spans
from keras_rnn2dnn.scoring import align_words

_WIDTH, _LEFT, _RIGHT = 900, 96, 892
_WRONG, _KL = svg.OKABE_ITO["vermillion"], svg.OKABE_ITO["blue"]
_MOST_LABELS, _MOST_STRETCHES = 13, 15


@dataclasses.dataclass(frozen=True)
class Choice:
    """A chosen test string.

    Args:
        index: among the test strings of all folds.
        models: of its fold.
        number: among the test strings of the fold.
        why: it was chosen.
    """

    index: int
    models: FoldModels
    number: int
    why: str


def choose(
    folds: Sequence[FoldModels],
    recognised: Sequence[Sequence[tuple[str, str]]],
    wanted: Sequence[int] | None,
) -> list[Choice]:
    """Chooses test strings: those wanted, or the worst one and a typical one.

    Args:
        folds: of the demo.
        recognised: (said, heard) of each test string of each fold, by the distilled
            student.
        wanted: indices among the strings of all folds, from 0 on; None for the string
            with the most word errors, and the first with the median number.

    Returns:
        The choices.

    Raises:
        ValueError: if there is no string of such an index.
    """
    places = [(f, n) for f, found in enumerate(recognised) for n in range(len(found))]
    if wanted is not None:
        for index in wanted:
            if not 0 <= index < len(places):
                expected = f"indices of test strings, from 0 to {len(places) - 1}"
                raise ValueError(invalid("utterances", expected, index))
        chosen = [(index, "chosen") for index in wanted]
    else:
        pairs = [pair for found in recognised for pair in found]
        aligned = align_words(*zip(*pairs, strict=True))
        errors = np.array([sum(s != h for s, h in words) for words in aligned])
        typical = np.flatnonzero(errors == np.sort(errors)[len(errors) // 2])[0]
        chosen = [(int(errors.argmax()), "most word errors")]
        if int(typical) != chosen[0][0]:
            chosen.append((int(typical), "median number of word errors"))
    return [
        Choice(index, folds[places[index][0]], places[index][1], why)
        for index, why in chosen
    ]


def utterances(choices: Sequence[Choice]) -> Section:
    """Waveform, words and posteriorgrams of the chosen test strings."""
    text = (
        "From top to bottom: the waveform; what was said, aligned by the posteriors of "
        "both models; what teacher and student heard, each aligned by its own (wrong "
        "words are marked); the posteriors of each state over time, darker is more probable, a "
        "row for each state from the first of a word to its last; the frames in which "
        "teacher and student have different best states; KL(teacher || student)."
    )
    return Section(text, [_figure(choice) for choice in choices])


def _figure(choice):
    models, number = choice.models, choice.number
    decoder = models.decoder("student")
    said = models.test.transcripts[number].split()
    teacher, student = (models.logits(m, [number])[0] for m in ("teacher", "student"))
    heard = {
        "teacher": models.decoder("teacher")([teacher])[0],
        "student": decoder([student])[0],
    }
    topology = decoder.topology
    rows = [("said", _marked(said, said, both_scores(teacher, student), topology))]
    for name, logits in (("teacher", teacher), ("student", student)):
        rows.append((f"{name} heard", _marked(heard[name], said, logits, topology)))
    p, q = softmax(teacher), softmax(student)
    kl = (p * (np.log(p + 1e-30) - np.log(q + 1e-30))).sum(axis=1)
    differ = p.argmax(axis=1) != q.argmax(axis=1)
    step = models.frame_step_s
    audio = models.audio
    drawing = _Drawing(len(p), step)
    drawing.waveform(audio.samples[number] / 32768, audio.sample_rate_hz)
    for name, words in rows:
        drawing.words(name, words)
    drawing.posteriors("teacher", p, topology)
    drawing.posteriors("student", q, topology)
    drawing.differences(differ)
    drawing.divergence(kl)
    drawing.seconds([start for _, start, _, _ in rows[0][1]])
    errors = sum(a != b for a, b in align_words([said], [heard["student"]])[0])
    title = f"String {choice.index}"
    caption = (
        f"{title} ({choice.why}; fold {models.fold.name}, string {number} of it): "
        f"{errors} errors of the student in {len(said)} words. Best states differ in "
        f"{differ.sum()} of {len(differ)} frames; mean KL {kl.mean():.2f} nats."
    )
    tables = _word_table(rows, step) + _difference_table(
        differ, p, q, kl, topology, step
    )
    marks = legend(
        [
            ("best states differ, word is wrong", _WRONG, "bar"),
            ("KL(teacher || student), nats", _KL, ""),
        ]
    )
    return figure(drawing.picture(title), caption, tables, marks, kind="wide")


def _marked(words, said, logits, topology):
    """Returns (word, first frame, frame after the last, whether it was said)."""
    pairs = align_words([said], [words])[0]
    right = [reference == word for reference, word in pairs if word is not None]
    _, spans = word_spans(logits, words, topology)
    return [(*span, good) for span, good in zip(spans, right, strict=True)]


def _word_table(rows, step):
    return table(
        ["words", "word", "from, s", "to, s", ""],
        [
            (
                name,
                word,
                f"{start * step:.2f}",
                f"{end * step:.2f}",
                "" if good else "wrong",
            )
            for name, words in rows
            for word, start, end, good in words
        ],
        texts=2,
    )


def _difference_table(differ, p, q, kl, topology, step):
    found = sorted(stretches(differ), key=lambda s: (s[0] - s[1], s[0]))
    names = topology.state_names
    rows = []
    for start, end in sorted(found[:_MOST_STRETCHES]):
        best = [names[x[start:end].mean(axis=0).argmax()] for x in (p, q)]
        seconds = [f"{frame * step:.2f}" for frame in (start, end)]
        rows.append((*best, *seconds, f"{kl[start:end].mean():.2f}"))
    header = ["teacher's best state", "student's", "from, s", "to, s", "mean KL"]
    title = f"<h4>The {len(rows)} longest of {len(found)} differences</h4>"
    return title + table(header, rows, texts=2)


class _Drawing:
    """Bands above each other with one axis of time."""

    def __init__(self, num_frames, step):
        self.num_frames, self.step = num_frames, step
        self.parts, self.y = [], 4

    def across(self, frame):
        return round(_LEFT + frame / self.num_frames * (_RIGHT - _LEFT), 2)

    def band(self, height, label):
        top, self.y = self.y, self.y + height + 6
        if label:
            middle = top + height / 2 + 4
            self.parts.append(svg.text(_LEFT - 6, middle, label, "end"))
        return top

    def waveform(self, samples, rate_hz):
        top, columns = self.band(56, "waveform"), _RIGHT - _LEFT
        samples = samples[: round(self.num_frames * self.step * rate_hz)]
        ends = np.linspace(0, len(samples), columns + 1).astype(int)
        loudest = max(np.abs(samples).max(initial=0.0), 1e-6)
        path = []
        for column, (a, b) in enumerate(itertools.pairwise(ends)):
            low, high = samples[a : b + 1].min(), samples[a : b + 1].max()
            start, end = (round(top + 28 - 28 * v / loudest, 1) for v in (high, low))
            path.append(f"M{_LEFT + column},{start:g} V{end:g}")
        self.parts.append(f'<path d="{" ".join(path)}" stroke="#000000" fill="none"/>')

    def words(self, name, words):
        top = self.band(20, name)
        for word, start, end, good in words:
            x, width = self.across(start), self.across(end) - self.across(start)
            style = f'fill="{_WRONG}" fill-opacity="0.3" stroke="{_WRONG}"'
            style = 'fill="none" stroke="#595959"' if good else style
            self.parts.append(
                f'<rect x="{x}" y="{top}" width="{max(width, 1):.2f}" height="20" '
                f"{style}/>"
            )
            extra = "" if good else ' font-weight="bold"'
            if width < 7 * len(word):  # squeezed into its box
                extra += f' textLength="{max(width - 3, 4):.1f}"'
                extra += ' lengthAdjust="spacingAndGlyphs"'
            self.parts.append(svg.text(x + width / 2, top + 14, word, "middle", extra))

    def posteriors(self, name, shares, topology):
        units, per_unit = topology.units, topology.states_per_unit
        row = max(3.0, min(12.0, 140 / topology.num_states * 1.0))
        top = self.band(round(row * topology.num_states), "")
        self.parts.append(
            f'<image x="{_LEFT}" y="{top}" width="{_RIGHT - _LEFT}" '
            f'height="{row * topology.num_states:.2f}" preserveAspectRatio="none" '
            f'href="{svg.heat_map(shares.T)}"/>'
        )
        every = -(-len(units) // _MOST_LABELS)
        for number, unit in enumerate(units):
            y = top + number * per_unit * row
            self.parts.append(
                f'<path d="M{_LEFT},{y:.2f} H{_RIGHT}" stroke="#e3e3e3" '
                'stroke-width="0.5"/>'
            )
            if number % every == 0:
                middle = y + per_unit * row / 2 + 4
                self.parts.append(svg.text(_LEFT - 6, middle, unit, "end"))
        middle = top + row * topology.num_states / 2
        turned = f' transform="rotate(-90 12 {middle:.1f})" font-weight="bold"'
        self.parts.append(svg.text(12, middle, name, "middle", turned))

    def differences(self, differ):
        top = self.band(10, "differ")
        for start, end in stretches(differ):
            x, width = self.across(start), self.across(end) - self.across(start)
            self.parts.append(
                f'<rect x="{x}" y="{top}" width="{width:.2f}" height="10" '
                f'fill="{_WRONG}"/>'
            )

    def divergence(self, kl):
        top, most = self.band(48, ""), max(float(kl.max()), 1e-6)
        self.parts.append(svg.text(_LEFT - 6, top + 9, f"KL {most:.1f}", "end"))
        self.parts.append(svg.text(_LEFT - 6, top + 48, "0", "end"))
        line = " ".join(
            f"{self.across(frame + 0.5)},{top + 48 - 48 * value / most:.1f}"
            for frame, value in enumerate(kl)
        )
        self.parts.append(
            f'<polyline points="{line}" fill="none" stroke="{_KL}" stroke-width="1.2"/>'
        )

    def seconds(self, starts):
        for second in svg.ticks(0, self.num_frames * self.step, most=12):
            x = self.across(second / self.step)
            self.parts.append(svg.text(x, self.y + 12, f"{second:g} s", "middle"))
        for start in starts:
            x = self.across(start)
            self.parts.append(
                f'<path d="M{x},4 V{self.y}" stroke="#595959" stroke-width="0.5" '
                'stroke-dasharray="2 3"/>'
            )

    def picture(self, title):
        title += ": waveform, words, posteriors of teacher and student"
        return svg.svg(self.parts, title, _WIDTH, self.y + 20, kind="time")
