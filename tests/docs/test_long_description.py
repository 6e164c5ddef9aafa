"""What an index shows of the README leads nowhere but to addresses."""

import re
import runpy

from helpers import pages

long_description = runpy.run_path(str(pages.ROOT / "setup.py"))["long_description"]


def test_links_and_pictures_beside_the_readme_are_left_out():
    text = (
        "![a\nb](docs/a.svg)\n\n[one](docs/a.md#b), [*two*\nlines](LICENSE), "
        "[three](#here), [paper](https://arxiv.org/abs/1504.01483)\n"
    )
    assert long_description(text) == (
        "one, *two*\nlines, three, [paper](https://arxiv.org/abs/1504.01483)\n"
    )


def test_the_readme_has_no_relative_link_at_an_index():
    readme = pages.PAGES["readme"].read_text()
    text = long_description(readme)
    targets = re.findall(r"\]\(([^)]*)\)", text)
    assert targets == re.findall(r"\]\((https://[^)]*)\)", readme) != []
    assert re.findall(r"^#.*", text, re.M) == re.findall(r"^#.*", readme, re.M)
    for code in ("python", "text"):
        assert f"```{code}\n" in text
    assert "<img" not in text and "<a " not in text


def test_the_readme_is_short():
    assert len(pages.PAGES["readme"].read_text().splitlines()) <= 150
