"""Every block of Python in the README and the documentation runs."""

import inspect

import pytest
from helpers import pages, setups

WITH_PYTHON = [page for page in pages.PAGES if pages.blocks(page, "python")]
LANGUAGES = {"python", "c", "text", "json"}
FAST = {"readme"}  # the others train, too


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow if page not in FAST else ())
        for page in WITH_PYTHON
    ],
)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare = getattr(setups, page, dict)
    namespace = {"__name__": page, **prepare()}
    for line, code in pages.blocks(page, "python"):
        # The empty lines make the line numbers of a traceback those of the page.
        compiled = compile("\n" * line + code, str(pages.PAGES[page]), "exec")
        exec(compiled, namespace)
    check = getattr(setups, f"after_{page}", None)
    if check:
        check(namespace)


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
