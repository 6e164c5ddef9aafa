"""Section: chosen utterances, as they sound and as teacher and student hear them."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from keras_rnn2dnn.report.html import Section, figure, legend, table
from keras_rnn2dnn.report.models import FoldModels
from keras_rnn2dnn.report.timeline import KL, WRONG, Timeline
from keras_rnn2dnn.report.word_times import stretches, word_spans
from keras_rnn2dnn.scoring.word_errors import align_words
from keras_rnn2dnn.util.errors import invalid
from keras_rnn2dnn.util.log_softmax import log_softmax

_MOST_STRETCHES = 15


@dataclasses.dataclass(frozen=True)
class Choice:
    """A chosen test string.

    Args:
        index: among the test strings of all folds.
        models: of its fold.
        number: among the test strings of the fold.
        said: in it.
        why: it was chosen.
    """

    index: int
    models: FoldModels
    number: int
    said: str
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
    choices = []
    for index, why in chosen:
        fold, number = places[index]
        said = recognised[fold][number][0]
        choices.append(Choice(index, folds[fold], number, said, why))
    return choices


def utterances(choices: Sequence[Choice]) -> Section:
    """Waveform, words and posteriorgrams of the chosen test strings."""
    text = (
        "From top to bottom: the waveform; what was said, aligned by the posteriors of "
        "both models; what teacher and student heard, each aligned by its own; their "
        "posteriors (darker is more probable; a row for each state, from the first of "
        "a word to its last, silence at the bottom); the frames in which their best "
        "states differ; and KL(teacher || student)."
    )
    return Section(text, [_figure(choice) for choice in choices])


class _Heard:
    """What teacher and student make of a chosen test string."""

    def __init__(self, choice):
        models, number = choice.models, choice.number
        self.topology = models.decoder("student").topology
        self.step_s = models.frame_step_s
        self.said = choice.said.split()
        logits = {m: models.logits(m, [number])[0] for m in ("teacher", "student")}
        log_p, log_q = (log_softmax(z) for z in logits.values())
        self.teacher, self.student = np.exp(log_p), np.exp(log_q)
        self.kl = (self.teacher * (log_p - log_q)).sum(axis=1)
        self.differ = self.teacher.argmax(axis=1) != self.student.argmax(axis=1)
        self.rows = {"said": self._marked(self.said, (log_p + log_q) / 2)}
        for model, scores in logits.items():
            words = models.decoder(model)([scores])[0]
            self.rows[f"{model} heard"] = self._marked(words, scores)

    def _marked(self, words, scores):
        """Returns (word, first frame, frame after the last, whether it was said)."""
        pairs = align_words([self.said], [words])[0]
        right = [said == heard for said, heard in pairs if heard is not None]
        spans = word_spans(scores, words, self.topology)
        return [(*span, good) for span, good in zip(spans, right, strict=True)]

    @property
    def errors(self):
        words = [[word for word, *_ in self.rows["student heard"]]]
        return sum(a != b for a, b in align_words([self.said], words)[0])


def _figure(choice):
    heard = _Heard(choice)
    title = f"String {choice.index}: {choice.why}"
    caption = (
        f"Number {choice.number} of the fold {choice.models.fold.name}. Word errors of "
        f"the student: {heard.errors} in {len(heard.said)} words. Best states differ "
        f"in {heard.differ.sum()} of {len(heard.differ)} frames; mean KL "
        f"{heard.kl.mean():.2f} nats."
    )
    marks = legend(
        [
            ("wrong word", WRONG, "box"),
            ("best states differ", WRONG, "bar"),
            ("KL(teacher || student), nats", KL, ""),
        ]
    )
    picture = _drawn(heard, choice).picture(title)
    tables = _word_table(heard) + _difference_table(heard)
    return figure(title, picture, caption, tables, marks, kind="wide")


def _drawn(heard, choice):
    timeline, audio = Timeline(len(heard.kl), heard.step_s), choice.models.audio
    timeline.waveform(audio.samples[choice.number], audio.sample_rate_hz)
    for name, words in heard.rows.items():
        timeline.words(name, words)
    timeline.posteriors("teacher", heard.teacher, heard.topology)
    timeline.posteriors("student", heard.student, heard.topology)
    timeline.differences(stretches(heard.differ))
    timeline.divergence(heard.kl)
    timeline.seconds([start for _, start, _, _ in heard.rows["said"]])
    return timeline


def _word_table(heard):
    rows = [
        (name, word, *_seconds(heard, start, end), "" if good else "wrong")
        for name, words in heard.rows.items()
        for word, start, end, good in words
    ]
    return table(["words", "word", "from, s", "to, s", ""], rows, texts=2)


def _difference_table(heard):
    found = sorted(stretches(heard.differ), key=lambda s: (s[0] - s[1], s[0]))
    names, rows = heard.topology.state_names, []
    for start, end in sorted(found[:_MOST_STRETCHES]):
        pairs = (x[start:end].argmax(axis=1) for x in (heard.teacher, heard.student))
        best = [names[s] for s in most_frequent(zip(*pairs, strict=True))]
        nats = f"{heard.kl[start:end].mean():.2f}"
        rows.append((*best, *_seconds(heard, start, end), nats))
    header = ["teacher's best state", "student's", "from, s", "to, s", "mean KL"]
    title = (
        f"<h4>The {len(rows)} longest of {len(found)} differences; of each the pair of "
        "states that differs most often in it</h4>"
    )
    return title + table(header, rows, texts=2)


def most_frequent(pairs: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """Returns the most frequent pair; of several the first.

    Example:
        >>> most_frequent([(1, 0), (0, 1), (0, 1)])
        (0, 1)
    """
    return Counter(pairs).most_common(1)[0][0]


def _seconds(heard, *frames):
    return [f"{frame * heard.step_s:.2f}" for frame in frames]
