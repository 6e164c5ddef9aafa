"""The page: one HTML file that needs no other."""

import logging
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from keras_rnn2dnn import __version__, web
from keras_rnn2dnn.report.calibration import calibration
from keras_rnn2dnn.report.collect import THRESHOLDS, Run, collect
from keras_rnn2dnn.report.firmware import firmware
from keras_rnn2dnn.report.html import LeftOut, Section, scrolling
from keras_rnn2dnn.report.int8_errors import int8_errors
from keras_rnn2dnn.report.models import FoldModels
from keras_rnn2dnn.report.results import confusions, results
from keras_rnn2dnn.report.thresholds import thresholds
from keras_rnn2dnn.report.training import training
from keras_rnn2dnn.report.utterances import choose, utterances
from keras_rnn2dnn.util.files import new_file

_LOGGER = logging.getLogger(__name__)
_STYLE = (Path(__file__).parent / "page.css").read_text()


def write_report(
    run: str | Path,
    out: str | Path | None = None,
    utterances: Sequence[int] | None = None,
) -> Path:
    """Writes a page about a finished demo; what it lacks is left out, and named.

    Args:
        run: directory of the demo.
        out: the file; `report.html` in that directory by default.
        utterances: test strings to show, by their number in the table of all folds,
            from 0 on; by default the one with the most word errors of the distilled
            student and one with the median number.

    Returns:
        The path of the page.

    Raises:
        ValueError: if `run` is no directory of a demo, its `table.json` or `run.json`
            is damaged, or there is no such test string.
        OSError: if the page cannot be written.
    """
    found = collect(run)
    path = Path(run) / "report.html" if out is None else Path(out)
    content = page(found, utterances, path.parent)
    with new_file(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
    return path


def page(
    run: Run, chosen: Sequence[int] | None = None, place: Path | None = None
) -> str:
    """Returns the page as HTML.

    Args:
        run: of `collect`.
        chosen: test strings to show; see `write_report`.
        place: directory of the page, from which it links others; that of the run by
            default.
    """
    folds = [FoldModels(fold) for fold in run.folds]
    recognised, choices, lacking = None, [], ""
    try:
        recognised = [models.recognised() for models in folds]
        choices = choose(folds, recognised, chosen)
    except LeftOut as why:
        lacking = str(why)

    def of_strings(section):
        if recognised is None:
            raise LeftOut(lacking)
        return section()

    makers = {
        "Word error rates": lambda: results(run),
        "Confused words": lambda: of_strings(
            lambda: confusions(run, [pair for pairs in recognised for pair in pairs])
        ),
        "Training": lambda: training(run),
        "Utterances": lambda: of_strings(lambda: utterances(choices)),
        "Calibration": lambda: calibration(folds),
        "int8": lambda: int8_errors(folds),
        "Flash, RAM, instructions": lambda: firmware(run),
    }
    if any(fold.thresholds or THRESHOLDS in fold.faults for fold in run.folds):
        makers["Threshold"] = lambda: thresholds(run)
    sections = {title: _section(make) for title, make in makers.items()}
    return _html(run, sections, _heard(run, place or run.path))


def _section(make):
    try:
        return make()
    except LeftOut as why:
        return Section("", [], [str(why)])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        # Files that are whole, but do not hold what the demo writes.
        _LOGGER.warning("A section of the report is left out", exc_info=True)
        return Section("", [], [f"a file of the demo is not as expected: {error!r}"])


def _heard(run, place):
    """Returns links to the pages in which the bundles of the folds are heard."""
    pages = {fold.name: fold.path / "bundle" / web.PLACE for fold in run.folds}
    links = [
        (name, os.path.relpath(path, place))
        for name, path in pages.items()
        if path.is_file()
    ]
    if not links:
        return ""
    found = ", ".join(
        f'<a href="{escape(quote(link))}">'
        f"{'the bundle' if len(pages) == 1 else escape(name)}</a>"
        for name, link in links
    )
    return f"<p>Hear it with a microphone, the very C code in a web page: {found}</p>"


def _html(run, sections, heard):
    names = {title: f"s{number}" for number, title in enumerate(sections)}
    links = "".join(f'<a href="#{names[t]}">{escape(t)}</a>' for t in sections)
    body = "".join(
        _section_html(title, names[title], section)
        for title, section in sections.items()
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # The page itself forbids what it does without: scripts and other files.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'; img-src data:\">"
        f"<title>{escape(run.title)}</title><style>{_STYLE}</style></head><body>"
        f"<header><h1>RNN teacher, small student</h1><p>{escape(run.title)}</p>{heard}"
        f"<nav>{links}</nav></header><main>{body}</main>"
        f"<footer>keras-rnn2dnn {escape(__version__)}, {escape(run.path.name)}</footer>"
        "</body></html>\n"
    )


def _section_html(title, name, section):
    text = f"<p>{escape(section.text)}</p>" if section.text else ""
    missing = "".join(
        f'<p class="missing">Left out: {escape(why)}.</p>' for why in section.missing
    )
    shown = scrolling(section.table, title) if section.table else ""
    return (
        f'<section id="{name}"><h2>{escape(title)}</h2>{text}{missing}{shown}'
        f'<div class="figures">{"".join(section.figures)}</div></section>'
    )
