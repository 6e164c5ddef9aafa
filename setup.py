"""The long description: the README as an index can show it. All else is in setup.cfg.

An index shows the README alone, so that links to files beside it would lead nowhere.
Where the repository gets an address, they can lead there, and setup.cfg can name it.
"""

import re
from pathlib import Path

PICTURE = re.compile(r"!\[[^]]*\]\((?!\w+://)[^)]*\)\n*")
LINK = re.compile(r"\[([^]]*)\]\((?!\w+://)[^)]*\)")


def long_description(readme: str) -> str:
    """Returns a README without its own pictures, and with the texts of its own links.

    Args:
        readme: Markdown. Absolute links and pictures stay.
    """
    return LINK.sub(r"\1", PICTURE.sub("", readme))


if __name__ == "__main__":
    from setuptools import setup

    setup(
        long_description=long_description(Path("README.md").read_text("utf-8")),
        long_description_content_type="text/markdown",
    )
