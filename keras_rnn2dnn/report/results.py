"""Sections: the word error rates of all systems, and the words that are confused."""

from collections import Counter
from collections.abc import Sequence
from html import escape

from keras_rnn2dnn.report import svg
from keras_rnn2dnn.report.collect import Run
from keras_rnn2dnn.report.html import LeftOut, Section, figure, legend, table
from keras_rnn2dnn.report.table import DISTILLED, TEACHER, lines_of
from keras_rnn2dnn.scoring.word_errors import align_words

KINDS = {
    "substitutions": svg.OKABE_ITO["blue"],
    "deletions": svg.OKABE_ITO["orange"],
    "insertions": svg.OKABE_ITO["green"],
}
NOTHING = "(nothing)"
_SHOWN_PAIRS = 12
_ROW = 36
_HEADER = (
    *("system", "WER %", "95 % interval", "errors", "subst.", "del.", "ins.", "words"),
    *("against hard", "KL", "agreement", "parameters", "bytes"),
)


def results(run: Run) -> Section:
    """Word error rates with their intervals, and what the errors are."""
    figures = [
        figure(
            "Word error rate",
            _intervals(run.rows),
            "The line around the dot is the 95 % interval over strings. Further left "
            "is better.",
            _rates(run),
        )
    ]
    missing = []
    if all(kind in row for row in run.rows for kind in KINDS):
        parts = [
            (row["system"], {kind: row[kind] for kind in KINDS}) for row in run.rows
        ]
        figures.append(
            figure(
                "Word errors by kind",
                svg.stacked_bars(parts, KINDS, "Word errors by kind"),
                f"Of {run.rows[0]['words']:,} words said.",
                table(
                    ["system", *KINDS, "words"],
                    [(name, *p.values(), run.rows[0]["words"]) for name, p in parts],
                ),
                legend([(kind, colour, "bar") for kind, colour in KINDS.items()]),
            )
        )
    else:
        missing.append("errors by kind: table.json has no counts of them")
    text = (
        "All systems recognise the same noisy strings. KL and agreement compare their "
        "posteriors with those of the teacher, frame by frame."
    )
    if run.folds[1:] and (lacking := run.lacking("table.json")):
        missing.append(lacking)
    all_numbers = table(_HEADER, [_cells(row) for row in run.rows])
    return Section(text, figures, missing, all_numbers)


def confusions(run: Run, recognised: Sequence[tuple[str, str]]) -> Section:
    """The most confused words of the distilled student.

    Args:
        run: of the demo.
        recognised: what was said in each test string and what the distilled student
            heard.
    """
    counted = error_counts(recognised)
    if not counted:
        raise LeftOut(f"all words of {len(recognised):,} strings were recognised")
    said = Counter(word for text, _ in recognised for word in text.split())
    teacher = _of_system(run, TEACHER)
    compared = error_counts(teacher) if teacher else {}
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    bars = [
        (f"{pair[0]} \N{RIGHTWARDS ARROW} {pair[1]}", {kind_of(pair): count})
        for pair, count in ordered[:_SHOWN_PAIRS]
    ]
    rows = [
        (
            *pair,
            count,
            f"{100 * count / said[pair[0]]:.1f}" if said[pair[0]] else "-",
            compared.get(pair, 0) if teacher else "-",
        )
        for pair, count in ordered
    ]
    header = ("said", "heard", "times", "% of the word", "teacher's times")
    pairs = figure(
        "Most confused words",
        svg.stacked_bars(bars, KINDS, "Most confused words"),
        f"The {len(bars)} most frequent of {len(ordered)} different errors: said "
        "\N{RIGHTWARDS ARROW} heard.",
        table(header, rows, texts=2),
        legend([(kind, colour, "bar") for kind, colour in KINDS.items()]),
    )
    text = (
        f"Errors of the distilled student ({DISTILLED!r} above), by the fewest edits "
        f"between what was said and what was heard in {len(recognised):,} strings."
    )
    missing = []
    if not teacher:
        why = run.lacking("hypotheses.json") or "hypotheses.json has none of it"
        missing.append(f"the teacher's times: {why}")
    return Section(text, [pairs, _by_word(counted, said)], missing)


def error_counts(recognised: Sequence[tuple[str, str]]) -> Counter:
    """Counts the pairs (said, heard) that differ.

    Example:
        >>> error_counts([("one two", "one"), ("two", "two six")])
        Counter({('two', '(nothing)'): 1, ('(nothing)', 'six'): 1})
    """
    references, hypotheses = zip(*recognised, strict=True)
    return Counter(
        (said or NOTHING, heard or NOTHING)
        for pairs in align_words(references, hypotheses)
        for said, heard in pairs
        if said != heard
    )


def kind_of(pair: tuple[str, str]) -> str:
    """Returns the kind of an error.

    Example:
        >>> kind_of(("one", "(nothing)")), kind_of(("one", "two"))
        ('deletions', 'substitutions')
    """
    said, heard = pair
    if heard == NOTHING:
        return "deletions"
    return "insertions" if said == NOTHING else "substitutions"


def _of_system(run, system):
    """Returns (said, heard) of all test strings, or None."""
    pairs = []
    for fold in run.folds:
        if fold.hypotheses is None or system not in fold.hypotheses["systems"]:
            return None
        found = fold.hypotheses["systems"][system]
        pairs += zip(fold.hypotheses["references"], found, strict=True)
    return pairs


def _by_word(counted, said):
    by_word = {word: dict.fromkeys(KINDS, 0) for word in said}
    for (word, heard), count in counted.items():
        meant = heard if word == NOTHING else word
        kinds = by_word.setdefault(meant, dict.fromkeys(KINDS, 0))
        kinds[kind_of((word, heard))] += count
    order = sorted(by_word, key=lambda w: (-sum(by_word[w].values()), w))
    shown = [(word, by_word[word]) for word in order[:_SHOWN_PAIRS]]
    return figure(
        "Errors by word",
        svg.stacked_bars(shown, KINDS, "Errors by word"),
        "Said and heard as another; said and not heard; heard and not said.",
        table(
            ["word", "said", *KINDS],
            [(word, said[word], *by_word[word].values()) for word in order],
        ),
        legend([(kind, colour, "bar") for kind, colour in KINDS.items()]),
    )


def _intervals(rows):
    ends = [100 * limit for row in rows for limit in row["ci95"]]
    low, high = svg.span(ends, include=0.0)
    bottom = _ROW * len(rows) + 4
    width = svg.WIDTH - 24

    def across(percent):
        return round(8 + (percent - low) / (high - low) * width, 2)

    parts = []
    for value in svg.ticks(low, high):
        x = across(value)
        parts.append(f'<path d="M{x},0 V{bottom}" stroke="#e3e3e3"/>')
        parts.append(svg.text(x, bottom + 16, f"{value:g}", "middle"))
    styles = lines_of([row["system"] for row in rows])
    for place, row in enumerate(rows):
        y = place * _ROW
        colour = styles[row["system"]][0]
        start, end = (across(100 * limit) for limit in row["ci95"])
        label = f"{row['system']}: {100 * row['wer']:.2f} %"
        parts.append(svg.text(8, y + 14, label, extra=' class="halo"'))
        parts.append(
            f'<path d="M{start},{y + 25} H{end}" stroke="{colour}" stroke-width="3"/>'
            f'<circle cx="{across(100 * row["wer"])}" cy="{y + 25}" r="5" '
            f'fill="{colour}"/>'
        )
    parts.append(svg.text(8 + width / 2, bottom + 34, "word error rate, %", "middle"))
    return svg.svg(parts, "Word error rate of each system", svg.WIDTH, bottom + 40)


def _rates(run):
    """Returns the table behind the picture: with several folds, each of them."""
    header = ["system", "WER %", "95 % interval"]
    parts = [table(header, [_cells(row)[:3] for row in run.rows])]
    for fold in [f for f in run.folds if f.rows] if run.folds[1:] else []:
        parts.append(f"<h4>{escape(fold.name)}</h4>")
        parts.append(table(header, [_cells(row)[:3] for row in fold.rows]))
    return "".join(parts)


def _cells(row):
    low, high = row["ci95"]
    change = row["relative_to_hard"]
    return [
        row["system"],
        f"{100 * row['wer']:.2f}",
        f"{100 * low:.1f}-{100 * high:.1f}",
        f"{row['errors']:,}",
        *(f"{row[kind]:,}" if kind in row else "-" for kind in KINDS),
        f"{row['words']:,}",
        "-" if change is None else f"{100 * change:+.1f} %",
        f"{row['kl']:.3f}",
        f"{100 * row['agreement']:.1f} %",
        f"{row['parameters']:,}",
        f"{row['bytes']:,}",
    ]
