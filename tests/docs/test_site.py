"""The site is built without a warning, and has a page for every public name."""

import html
import importlib
import inspect
import re
import shutil
import subprocess
import sys
from urllib.parse import unquote

import pytest
from helpers import pages

import keras_rnn2dnn

LOADED = re.compile(
    r"<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=[\"']([^\"']+)|url\(([^)]+)\)"
)
LINK = re.compile(r"<a\b[^>]*?\bhref=[\"']([^\"'#]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built anew."""
    pytest.importorskip("mkdocs", reason="needs the extra `docs`")
    pytest.importorskip("mkdocstrings", reason="needs the extra `docs`")
    folder = tmp_path_factory.mktemp("site")
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)]
    done = subprocess.run(line, cwd=pages.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def text_of(path):
    """Returns the words of a page, without tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", path.read_text())).split())


def modules(site):
    names = [path.stem for path in (site / "reference").glob("*.html")]
    return sorted(set(names) - set(keras_rnn2dnn.__all__))


def first_line(thing):
    return " ".join(inspect.getdoc(thing).splitlines()[0].replace("`", "").split())


def public(module):
    """Returns the public names which a module has of its own."""
    if hasattr(module, "__all__"):
        return sorted(set(module.__all__) - set(keras_rnn2dnn.__all__))
    own = (n for n, o in vars(module).items() if is_own(o, module))
    return sorted(set(own) - set(keras_rnn2dnn.__all__))


def is_own(thing, module):
    known = inspect.isclass(thing) or inspect.isfunction(thing)
    return (
        known
        and thing.__module__ == module.__name__
        and not thing.__name__.startswith("_")
    )


def test_every_name_at_the_top_has_a_page_of_its_docstring(site):
    for name in keras_rnn2dnn.__all__:
        text = text_of(site / "reference" / f"{name}.html")
        assert first_line(getattr(keras_rnn2dnn, name)) in text, name


def test_every_public_name_of_the_modules_is_described(site):
    assert {"hmm", "ctc", "kaldi", "deploy", "scale", "budget"} <= set(modules(site))
    for name in modules(site):
        module = importlib.import_module(f"keras_rnn2dnn.{name}")
        page = site / "reference" / f"{name}.html"
        text, source = text_of(page), page.read_text()
        assert first_line(module) in text, name
        for member in public(module):
            thing = getattr(module, member)
            assert f'id="keras_rnn2dnn.{name}.{member}"' in source, (name, member)
            assert first_line(thing) in text, (name, member)


def test_arguments_and_examples_are_shown(site):
    text = text_of(site / "reference" / "SoftAlignmentKL.html")
    for words in ("Parameters:", "Call arguments:", "Returns:", "Raises:", "Examples:"):
        assert words in text


def test_every_page_is_in_the_navigation(site):
    start = (site / "index.html").read_text()
    for name, path in pages.PAGES.items():
        assert (site / f"{name}.html").is_file(), path
        assert f'href="{name}.html"' in start or name == "index", path


def test_nothing_is_loaded_from_elsewhere(site):
    for path in [*site.rglob("*.html"), *site.rglob("*.css")]:
        for groups in LOADED.findall(path.read_text()):
            place = "".join(groups).strip("'\"")
            assert not re.match(r"(?:\w+:)?//", place), (path, place)


@pytest.fixture(scope="module")
def browser():
    """Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="extra `browser`")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs chromium: apt install chromium")
    with sync_api.sync_playwright() as playwright:
        options = {"executable_path": program, "args": ["--no-sandbox"]}
        chromium = playwright.chromium.launch(**options)
        yield chromium
        chromium.close()


def test_no_page_is_wider_than_a_phone(site, browser):
    """Of the reference those with the longest names."""
    reference = sorted((site / "reference").glob("*.html"), key=lambda p: len(p.name))
    page = browser.new_page(viewport={"width": 400, "height": 900})
    for path in sorted(site.glob("*.html")) + reference[-5:]:
        page.goto(path.as_uri(), wait_until="domcontentloaded")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 400, path.name
    page.close()


def test_the_search_finds_pages_that_are_opened_as_files(site, browser):
    page = browser.new_page()
    page.goto(f"{(site / 'search.html').as_uri()}?q=SplicedDense")
    page.wait_for_selector("#mkdocs-search-results article")
    links = page.eval_on_selector_all(
        "#mkdocs-search-results a", "links => links.map(link => link.href)"
    )
    assert any("models.spliced_dense.html" in link for link in links)
    page.close()


def test_every_link_leads_to_a_file(site):
    """Of the files outside of `docs` as well, which are copied."""
    for path in site.rglob("*.html"):
        if path.name in ("404.html", "search.html"):
            continue  # their links are those of every page, or absolute
        for link in LINK.findall(path.read_text()):
            if not re.match(r"\w+:", link):
                target = (path.parent / unquote(link)).resolve()
                assert target.exists(), (path.name, link)
