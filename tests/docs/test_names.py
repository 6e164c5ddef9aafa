"""Names of the library which the text mentions exist."""

import pkgutil
import re

import pytest
from helpers import pages

import keras_rnn2dnn

# On the pages `distiller` is a Distiller, `recognizer` a Recognizer or a file in C.
OBJECTS = {"distiller", "recognizer"}
MODULES = {m.name for m in pkgutil.iter_modules(keras_rnn2dnn.__path__)} - OBJECTS
NAME = re.compile(rf"`((?:{'|'.join(sorted(MODULES))})\.[A-Za-z_][\w.]*)")


def found(page):
    return sorted(set(NAME.findall(pages.PAGES[page].read_text())))


@pytest.mark.parametrize("page", [page for page in pages.PAGES if found(page)])
def test_the_names_exist(page):
    for name in found(page):
        if not name.endswith((".md", ".py", ".json", ".html")):
            assert pkgutil.resolve_name(f"keras_rnn2dnn.{name}"), name


def test_names_are_found():
    assert "hmm.constrained" in found("soft_alignments")
