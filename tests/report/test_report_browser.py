"""The page as Chromium shows it, at the width of a desk and of a phone."""

import pytest
from helpers import chromium

from keras_rnn2dnn.report import write_report

pytestmark = [*chromium.NEEDED]
WIDTHS = (1280, 400)
# Height of letters on the screen, in CSS pixels, of what is inside of pictures.
SIZES = """() => [...document.querySelectorAll('svg text')].map(text => {
  const scale = text.ownerSVGElement.getScreenCTM().a;
  return parseFloat(getComputedStyle(text).fontSize) * scale;
})"""
OUTSIDE = """() => [...document.querySelectorAll('svg text')].filter(text => {
  const box = text.getBoundingClientRect();
  const frame = text.ownerSVGElement.getBoundingClientRect();
  return box.left < frame.left - 2 || box.right > frame.right + 2 ||
    box.top < frame.top - 2 || box.bottom > frame.bottom + 2;
}).map(text => text.textContent)"""


@pytest.fixture(scope="module")
def browser():
    with chromium.launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(run_directory, tmp_path_factory):
    out = tmp_path_factory.mktemp("shown") / "report.html"
    return write_report(run_directory, out).as_uri()


@pytest.fixture(params=WIDTHS, ids=str)
def shown(request, browser, address):
    """The page at one width, with what the browser complained of and asked for."""
    size = {"width": request.param, "height": 900}
    page = chromium.listened(browser.new_page(viewport=size))
    page.goto(address)
    yield page
    page.close()


def test_it_opens_without_a_word_and_asks_for_nothing_else(shown, address):
    assert shown.complaints == []
    others = [url for url in shown.asked if not url.startswith("data:")]
    assert others == [address]
    widths = shown.evaluate(
        "[...document.images, ...document.querySelectorAll('svg image')]"
        ".map(i => i.getBoundingClientRect().width)"
    )
    assert len(widths) == 4 and min(widths) > 200


def test_nothing_is_wider_than_the_window(shown):
    for unfold in (False, True):
        opened = f"document.querySelectorAll('details').forEach(d => d.open = {unfold})"
        shown.evaluate(opened.replace("True", "true").replace("False", "false"))
        width = shown.evaluate("document.documentElement.scrollWidth")
        assert width <= shown.viewport_size["width"]


def test_text_can_be_read(shown):
    assert min(shown.evaluate(chromium.CONTRASTS)) >= 4.5
    sizes = shown.evaluate(SIZES)
    assert len(sizes) > 100 and min(sizes) >= 9 and max(sizes) <= 20
    assert shown.evaluate(OUTSIDE) == []


def test_a_table_unfolds_behind_every_figure(shown):
    figures = shown.query_selector_all("figure")
    assert len(figures) == 18
    for figure in figures:
        table = figure.query_selector("table")
        assert not table.is_visible()
        figure.query_selector("summary").click()
        assert table.is_visible()
        assert table.query_selector_all("tbody tr")


def test_pictures_have_names_for_those_who_hear_the_page(shown):
    names = shown.eval_on_selector_all(
        "svg[role=img]", "all => all.map(s => s.getAttribute('aria-label'))"
    )
    assert len(names) == 18 and all(names)


def test_a_word_that_looks_like_a_script_is_shown_and_not_run(shown):
    assert shown.evaluate("document.scripts.length") == 0
    assert "<script>alert(1)</script>" in shown.inner_text("#s1")
