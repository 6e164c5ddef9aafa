"""Builds the wheel of `keras-rnn2dnn-lite`: the same code, with numpy alone.

    python lite/build_wheel.py --out dist

The package is copied, and its setup.cfg changed: the name, what is required, the
extras, and what an index shows. `--offline` takes the setuptools that are installed.
"""

import argparse
import configparser
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = "keras-rnn2dnn-lite"
EXTRAS = ("audio", "listen", "web")
SUMMARY = "Recognise speech with firmware bundles of keras-rnn2dnn, without TensorFlow."
COPIED = ("keras_rnn2dnn", "LICENSE", "CHANGELOG.md", "CITATION.cff", "pyproject.toml")
SETUP = """from pathlib import Path
from setuptools import setup

setup(
    long_description=Path("README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
)
"""


def lite_config(text: str) -> configparser.ConfigParser:
    """Returns setup.cfg of the small distribution.

    Args:
        text: setup.cfg of the whole one.
    """
    config = configparser.ConfigParser(interpolation=None, comment_prefixes=("#",))
    config.read_string(text)
    config["metadata"]["name"] = NAME
    config["metadata"]["description"] = SUMMARY
    config["options"]["install_requires"] = "\nnumpy"
    extras = config["options.extras_require"]
    for extra in set(extras) - set(EXTRAS):
        del extras[extra]
    return config


def build(out: Path, offline: bool = False) -> None:
    """Writes the wheel into a directory."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copy(source, folder / name)
        shutil.copy(ROOT / "lite" / "README.md", folder)
        with open(folder / "setup.cfg", "w", encoding="utf-8") as file:
            lite_config((ROOT / "setup.cfg").read_text("utf-8")).write(file)
        (folder / "setup.py").write_text(SETUP)
        line = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet"]
        line += ["--disable-pip-version-check"]
        line += ["--no-build-isolation", "--no-index"] if offline else []
        subprocess.run([*line, "--wheel-dir", str(out), str(folder)], check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="dist", type=Path, metavar="DIRECTORY")
    parser.add_argument("--offline", action="store_true")
    options = parser.parse_args()
    build(options.out.resolve(), options.offline)
