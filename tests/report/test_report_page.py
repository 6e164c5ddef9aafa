import html.parser
import json
import shutil

import pytest
from helpers import report_runs

from keras_rnn2dnn.report import write_report

TITLES = [
    *("Word error rates", "Confused words", "Training", "Utterances", "Calibration"),
    *("int8", "Flash, RAM, instructions", "Threshold"),
]


class Page(html.parser.HTMLParser):
    """What a browser makes of the page, as far as the tests need it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.texts, self.stack = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name in ("href", "src", "xlink:href", "action", "data"):
                self.addresses.append(value)

    def handle_data(self, data):
        self.texts.append(data)

    def count(self, tag):
        return self.tags.count(tag)


@pytest.fixture(scope="module")
def text(run_directory, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "page.html"
    assert write_report(run_directory, out) == out
    return out.read_text()


def test_every_section_is_there_and_nothing_is_left_out(text):
    page = Page(text)
    assert page.count("section") == len(TITLES)
    assert [t for t in page.texts if t in TITLES] == TITLES * 2  # links and headings
    assert "Left out" not in text


def test_there_is_a_table_behind_every_figure(text):
    page = Page(text)
    assert page.count("figure") == page.count("details") == 18
    assert page.count("table") >= page.count("figure")
    assert page.count("figcaption") == page.count("figure")


def test_the_page_needs_no_other_file_and_runs_nothing(text):
    page = Page(text)
    assert not {"script", "link", "iframe", "object", "embed"} & set(page.tags)
    others = [a for a in page.addresses if not a.startswith(("#", "data:image/png"))]
    assert others == []
    assert "url(" not in text and "@import" not in text
    assert "default-src 'none'" in text


def test_it_links_the_pages_in_which_the_bundles_are_heard(run_directory, tmp_path):
    copy = shutil.copytree(run_directory, tmp_path / "run")
    page = copy / "bob/bundle/web/index.html"
    page.parent.mkdir(parents=True)
    page.touch()
    for out, link in {
        copy / "report.html": "bob/bundle/web/index.html",
        tmp_path / "a.html": "run/bob/bundle/web/index.html",
    }.items():
        found = Page(write_report(copy, out).read_text()).addresses
        assert [a for a in found if not a.startswith(("#", "data:"))] == [link]
        assert (out.parent / link).is_file()


def test_what_others_wrote_is_escaped(text):
    assert report_runs.SCRIPT not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "new: &lt;b&gt;; seed" in text


def test_series_have_the_colours_of_okabe_and_ito(text):
    import re

    from keras_rnn2dnn.report.svg import OKABE_ITO

    greys = {"#595959", "#e3e3e3", "#1a1a1a", "#ffffff"}
    drawn = re.findall(r'(?:fill|stroke)="(#[0-9a-f]{3,6})"', text)
    assert set(drawn) <= set(OKABE_ITO.values()) | greys
    assert len(set(drawn) & set(OKABE_ITO.values())) >= 6


def test_the_page_goes_into_the_directory_of_the_demo(run_directory, tmp_path):
    copy = shutil.copytree(run_directory, tmp_path / "run")
    assert write_report(copy) == copy / "report.html"
    assert (copy / "report.html").stat().st_size < 1_000_000
    assert not list(copy.glob(".writing*"))


def test_an_older_demo_gives_a_page_that_names_what_it_lacks(run_directory, tmp_path):
    copy = shutil.copytree(run_directory, tmp_path / "run")
    (copy / "run.json").unlink()
    for fold in ("ada", "bob"):
        for name in ("history.json", "hypotheses.json", "teacher.keras"):
            (copy / fold / name).unlink()
    for path in (copy / "table.json", copy / "ada/table.json", copy / "bob/table.json"):
        rows = json.loads(path.read_text())
        for row in rows:
            del row["substitutions"]
        path.write_text(json.dumps(rows))
    text = write_report(copy).read_text()
    found = [t for t in Page(text).texts if t.startswith("Left out")]
    assert found == [
        "Left out: errors by kind: table.json has no counts of them.",
        "Left out: the teacher's times: no hypotheses.json in ada, bob.",
        "Left out: no history.json in ada, bob.",
        "Left out: no teacher.keras in ada.",
        "Left out: no teacher.keras in ada.",
    ]
    assert "Most confused words" in text  # recognised again by the student


def test_without_bundles_and_models_the_rest_is_shown(run_directory, tmp_path):
    copy = shutil.copytree(run_directory, tmp_path / "run")
    for fold in ("ada", "bob"):
        shutil.rmtree(copy / fold / "bundle")
        (copy / fold / "student.keras").unlink()
    text = write_report(copy).read_text()
    found = [t for t in Page(text).texts if t.startswith("Left out")]
    assert found == [
        "Left out: no student.keras in ada.",
        "Left out: no student.keras in ada.",
        "Left out: no bundle/student.tflite in ada.",
        "Left out: no bundle/report.json in ada, bob.",
    ]
    assert "Most confused words" in text


def left_out(run_directory, tmp_path, change):
    """Returns what a page leaves out of a copy of ada alone after a change."""
    copy = shutil.copytree(run_directory, tmp_path / "run")
    (copy / "run.json").write_text('{"folds": ["ada"]}')
    change(copy / "ada")
    texts = Page(write_report(copy).read_text()).texts
    return [t.removeprefix("Left out: ") for t in texts if t.startswith("Left out")]


def cut(path):
    path.write_bytes(path.read_bytes()[:-1000])


DAMAGE = {
    "no report of the bundle": (
        lambda ada: (ada / "bundle/report.json").unlink(),
        ["no bundle/report.json in ada."] * 2,
    ),
    "student": (
        lambda ada: cut(ada / "student.keras"),
        ["student.keras of ada is damaged: Cannot use '"] * 3,
    ),
    "int8 student": (
        lambda ada: cut(ada / "bundle/student.tflite"),
        ["bundle/student.tflite of ada is damaged: "],
    ),
    "strings": (
        lambda ada: cut(ada / "test.npz"),
        ["test.npz of ada is damaged: Cannot read "] * 3,
    ),
    "decoder": (
        lambda ada: (ada / "student.decoder.json").write_text("{}"),
        ["student.decoder.json of ada is damaged: "] * 2,
    ),
    "history": (
        lambda ada: (ada / "history.json").write_text("{"),
        ["history.json of ada is damaged: Cannot read "],
    ),
    "empty history": (
        lambda ada: (ada / "history.json").write_text("{}"),
        ["history.json of ada is damaged: it holds something else than the demo "],
    ),
    "other history": (
        lambda ada: (ada / "history.json").write_text('{"student": {}}'),
        ["history.json does not hold the same curves, of as many epochs, in all "],
    ),
    "hypotheses": (
        lambda ada: (ada / "hypotheses.json").write_text('{"references": ["up"]}'),
        ["the teacher's times: hypotheses.json of ada is damaged: it holds"],
    ),
    "other hypotheses": (
        lambda ada: (ada / "hypotheses.json").write_text(
            '{"references": [1], "systems": {"student, distilled": [2]}}'
        ),
        ["the teacher's times: hypotheses.json of ada is damaged: it holds"],
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_costs_its_sections_alone(name, run_directory, tmp_path):
    change, expected = DAMAGE[name]
    found = left_out(run_directory, tmp_path, change)
    assert len(found) == len(expected), found
    assert all(f.startswith(e) for f, e in zip(found, expected, strict=True)), found


def test_other_content_is_left_out_too(run_directory, tmp_path):
    def change(ada):
        (ada / "bundle/report.json").write_text('{"files": {}}')

    integers, costs = left_out(run_directory, tmp_path, change)
    assert integers.startswith("bundle/student.tflite of ada is damaged: ")
    assert costs == "a file of the demo is not as expected: KeyError('firmware')."


def test_a_fold_without_its_table_is_named(run_directory, tmp_path):
    copy = shutil.copytree(run_directory, tmp_path / "run")
    (copy / "ada/table.json").write_text("{}")
    texts = Page(write_report(copy).read_text()).texts
    assert [t for t in texts if t.startswith("Left out")] == [
        "Left out: table.json of ada is damaged: it holds something else than the demo "
        "writes."
    ]
    assert "bob" in texts and "ada" not in texts[: texts.index("Confused words", 9)]


def test_strings_are_chosen_by_their_number(run_directory, tmp_path):
    text = write_report(run_directory, tmp_path / "p.html", [7, 0]).read_text()
    assert "String 7: chosen" in text and "Number 3 of the fold bob" in text
    assert "String 0: chosen" in text and "Number 0 of the fold ada" in text
    with pytest.raises(ValueError) as error:
        write_report(run_directory, tmp_path / "q.html", [8])
    assert str(error.value) == (
        "Invalid value for `utterances`. Expected indices of test strings, from 0 to "
        "7. Received: utterances=8"
    )
    assert not (tmp_path / "q.html").exists()
