"""The notebooks run from the first cell to the last, and are kept without outputs."""

import json
from pathlib import Path

import pytest
from helpers import pages

NOTEBOOKS = sorted((pages.ROOT / "examples").glob("*.ipynb"))
FSDD = Path(__file__).parents[3] / "shared" / "fsdd" / "recordings"


def test_there_are_five():
    assert [path.name[0] for path in NOTEBOOKS] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_no_outputs(path):
    cells = json.loads(path.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in code)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    lines = executed(path, tmp_path, monkeypatch)
    assert not [line for line in lines if "WARNING" in line]


@pytest.mark.slow
@pytest.mark.skipif(not FSDD.is_dir(), reason="needs the Free Spoken Digit Dataset")
def test_speech_goes_into_a_bundle(tmp_path, monkeypatch):
    monkeypatch.setenv("FSDD", str(FSDD))
    lines = executed(NOTEBOOKS[1], tmp_path, monkeypatch)
    assert [line for line in lines if line.startswith("device arithmetic")]
    assert not [line for line in lines if "TONES" in line]


def executed(path, folder, monkeypatch):
    """Runs a notebook in a folder, and returns the lines it writes.

    An error in a cell, so also an `assert`, is raised here.
    """
    nbclient = pytest.importorskip("nbclient", reason="needs the extra `docs`")
    pytest.importorskip("ipykernel", reason="needs the extra `docs`")
    nbformat = pytest.importorskip("nbformat", reason="needs the extra `docs`")
    monkeypatch.setenv("PYTHONPATH", str(pages.ROOT))
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(notebook, timeout=600, resources=resources)
    client.execute()
    outputs = (o for c in notebook.cells for o in c.get("outputs", []))
    return "".join(o.get("text", "") for o in outputs).splitlines()
