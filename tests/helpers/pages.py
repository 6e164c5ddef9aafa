"""The pages of the documentation, and the code on them."""

import itertools
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {"readme": ROOT / "README.md"} | {
    path.stem: path for path in sorted((ROOT / "docs").glob("*.md"))
}
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?:^    .*\n|^\n(?=    ))+", re.MULTILINE)
_SPAN = re.compile(r"`(rnn2dnn [^`]+)`")


def blocks(page: str, language: str) -> list[tuple[int, str]]:
    """Returns the fenced blocks of a language, each with the number of its line."""
    text = PAGES[page].read_text()
    found = ((m.start(2), m[2]) for m in _FENCE.finditer(text) if m[1] == language)
    return [(text[:start].count("\n"), code) for start, code in found]


def printed(page: str) -> dict[int, str]:
    """Returns what blocks of Python print, as the page says: by the blocks' lines."""
    found = {}
    fences = list(_FENCE.finditer(text := PAGES[page].read_text()))
    for before, after in itertools.pairwise(fences):
        # Said right after the block, or after one sentence that ends in a colon.
        between = text[before.end() : after.start()].strip()
        told = not between or (between.endswith(":") and "\n" not in between)
        if (before[1], after[1]) == ("python", "text") and told:
            found[text[: before.start(2)].count("\n")] = after[2]
    return found


def command_lines(page: str) -> list[str]:
    """Returns the lines that call `rnn2dnn` in indented blocks, unbroken."""
    text = _FENCE.sub("", PAGES[page].read_text())
    shell = "".join(m[0] for m in _INDENTED.finditer(text)).replace("\\\n", " ")
    lines = (line.strip() for line in shell.splitlines())
    return [line for line in lines if line.startswith("rnn2dnn ")]


def make_targets(page: str) -> set[str]:
    """Returns the targets of `make` in the indented blocks of this repository."""
    text = _FENCE.sub("", PAGES[page].read_text())
    return set(re.findall(r"^    make ([\w-]+)", text, re.MULTILINE))


def command_spans(page: str) -> list[str]:
    """Returns the mentions of `rnn2dnn ...` within the text, unbroken."""
    text = _FENCE.sub("", PAGES[page].read_text())
    return [" ".join(span.split()) for span in _SPAN.findall(text)]
