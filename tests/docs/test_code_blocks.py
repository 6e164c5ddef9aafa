"""Every block of Python in the README and the documentation runs."""

import inspect
import re

import pytest
from helpers import pages, setups

WITH_PYTHON = [page for page in pages.PAGES if pages.blocks(page, "python")]
MEASURED = re.compile(r"\d+\.\d+|\d[\d,]{2,}")  # others are counts
TIME = re.compile(r"\d+m?s\b")
LANGUAGES = {"python", "c", "text", "json"}
FAST = {"readme"}  # the others train, too


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow if page not in FAST else ())
        for page in WITH_PYTHON
    ],
)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    printed = pages.printed(page)
    prepare = getattr(setups, page, dict)
    namespace = {"__name__": page, **prepare()}
    for line, code in pages.blocks(page, "python"):
        # The empty lines make the line numbers of a traceback those of the page.
        compiled = compile("\n" * line + code, str(pages.PAGES[page]), "exec")
        capsys.readouterr()
        exec(compiled, namespace)
        if line in printed:
            assert_printed(printed[line], capsys.readouterr().out)
    check = getattr(setups, f"after_{page}", None)
    if check:
        check(namespace)


def assert_printed(expected, found):
    """Compares lines; `...` stands for any number of them."""
    left, skips = found.splitlines(), False
    for line in expected.splitlines():
        if line == "...":
            skips = True
            continue
        likes = [number for number, other in enumerate(left) if is_like(line, other)]
        assert likes and (skips or likes[0] == 0), (line, left)
        left, skips = left[likes[0] + 1 :], False
    assert skips or not left, left


def is_like(line, other):
    """Compares measured numbers nearly, times not at all, all else to the letter."""
    line, other = (TIME.sub("", text) for text in (line, other))
    if MEASURED.sub("", line) != MEASURED.sub("", other):
        return False
    expected, found = (
        [float(number.replace(",", "")) for number in MEASURED.findall(text)]
        for text in (line, other)
    )
    return found == pytest.approx(expected, rel=0.2)


def test_what_the_pages_print_is_compared():
    assert len(pages.printed("start")) == 4
    assert_printed("a 1,000 b\n...\n3s - x: 0.5", "a 1,100 b\n2\n9s - x: 0.45\n")
    assert not is_like("Epoch 7/8", "Epoch 8/8")
    more = "a 1,000 b\n2\n3s - x: 0.5"
    for found in ("a 1,000 c\n3s - x: 0.5", "a 1,000 b\n3s - x: 0.7", more, ""):
        with pytest.raises(AssertionError):
            assert_printed("a 1,000 b\n3s - x: 0.5", found)


@pytest.mark.parametrize("page", list(pages.PAGES))
def test_every_block_is_of_a_language_that_is_tested(page):
    """C is compiled and run by tests/deploy/test_firmware_document.py."""
    text = pages.PAGES[page].read_text()
    fences = [line for line in text.splitlines() if line.startswith("```")]
    assert {line[3:] for line in fences[::2]} <= LANGUAGES
    assert set(fences[1::2]) <= {"```"}
    if pages.blocks(page, "c"):
        assert page == "firmware"


def test_every_set_up_is_of_a_page():
    functions = [n for n, f in vars(setups).items() if inspect.isfunction(f)]
    own = [n for n in functions if getattr(setups, n).__module__ == "setups"]
    pages_of = {n.removeprefix("after_") for n in own if not n.startswith("_")}
    assert pages_of <= set(WITH_PYTHON)
