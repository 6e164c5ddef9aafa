"""A package imports from those above it in the table of docs/architecture.md alone."""

import ast
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "keras_rnn2dnn"
DRAWING = runpy.run_path(str(ROOT / "docs" / "draw_architecture.py"))
TABLE = DRAWING["packages"]()
ORDER = list(TABLE)
ROOT_MODULES = {"__init__.py", "__main__.py", "cli.py", "saved_names.py", "scale.py"}
MOST_FILES = 16
# `Distiller.convert`, when it is called.
EXCEPTION = re.compile(r"distillation/distiller\.py:\d+ imports deploy")


def imports(source):
    """Yields lines and modules, also of names that are taken from the root."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "keras_rnn2dnn":
            for alias in node.names:
                yield node.lineno, f"keras_rnn2dnn.{alias.name}"
        elif isinstance(node, ast.ImportFrom):
            relative = f"keras_rnn2dnn.{'.' * node.level}"
            yield node.lineno, relative if node.level else node.module
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.lineno, f"{node.value.id}.{node.attr}"


def broken(path, own, source):
    """Yields every import that breaks the order, as `path:line imports package`."""
    allowed = {"__version__", *ORDER[: ORDER.index(own) + 1]}
    for line, module in imports(source):
        root, _, below = module.partition(".")
        if root == "keras_rnn2dnn" and below and below.split(".")[0] not in allowed:
            yield f"{path}:{line} imports {below.split('.')[0] or 'a relative module'}"


def test_a_package_imports_from_those_above_it_alone():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE)
        own = name.parts[0].removesuffix(".py")
        if own == "cli" or len(name.parts) > 1:
            found += broken(name.as_posix(), own, path.read_text())
    assert [line for line in found if not EXCEPTION.fullmatch(line)] == []
    assert len(found) == 1


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import numpy\nfrom keras_rnn2dnn.hmm import align", "x.py:2 imports hmm"),
        ("def f():\n    import keras_rnn2dnn.ctc.greedy", "x.py:2 imports ctc"),
        ("from keras_rnn2dnn import convert", "x.py:1 imports convert"),
        ("import keras_rnn2dnn\n\nkeras_rnn2dnn.hmm", "x.py:3 imports hmm"),
        ("from ..deploy import convert", "x.py:1 imports a relative module"),
    ],
)
def test_a_line_that_breaks_the_order_is_named(source, expected):
    assert list(broken("x.py", "audio", source)) == [expected]


def test_the_version_and_what_is_above_may_be_imported():
    source = "import keras_rnn2dnn.util.files\nfrom keras_rnn2dnn import __version__\n"
    assert list(broken("x.py", "audio", f"{source}keras_rnn2dnn.__version__")) == []


def test_the_root_is_a_table_of_contents():
    assert {path.name for path in PACKAGE.glob("*.py")} == ROOT_MODULES
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders | {"cli"} == set(TABLE)


def test_no_package_has_more_files_than_one_can_look_over():
    folders = {path.parent for path in PACKAGE.rglob("__init__.py")}
    for folder in folders - {PACKAGE}:
        files = [path for path in folder.iterdir() if path.is_file()]
        assert len(files) - 1 <= MOST_FILES, folder.name  # beside __init__


def test_the_picture_is_that_of_the_table():
    drawn = DRAWING["picture"](TABLE)
    assert (ROOT / "docs" / "architecture.svg").read_text() == drawn
    with pytest.raises(ValueError, match="alone: \\['new'\\]"):
        DRAWING["picture"]({**TABLE, "new": ("", "", "")})
