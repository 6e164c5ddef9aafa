"""docs/way.svg is drawn from a run, and agrees with the page that has its numbers."""

import importlib.util
import json
import re
import xml.etree.ElementTree as ElementTree

import pytest
from helpers import bundles, pages
from helpers.renewed import renew_sums
from helpers.report_runs import CORES, make_run

from keras_rnn2dnn.deploy import convert
from keras_rnn2dnn.report.collect import collect

PATH = pages.ROOT / "docs" / "draw_way.py"
ROW = re.compile(r"^\| ([\w, ]+?) +\| +([\d,]+) \| +([\d,]+) \| +([\d.]+) \|", re.M)


@pytest.fixture
def draw_way():
    spec = importlib.util.spec_from_file_location("draw_way", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_numbers_of_the_picture_are_those_of_the_page():
    picture = (pages.ROOT / "docs" / "way.svg").read_text()
    of_speech = pages.PAGES["demo"].read_text().partition("**Synthetic speech**")[2]
    rows = {name: numbers for name, *numbers in ROW.findall(of_speech)}
    for name in ("RNN teacher", "student, distilled, device arithmetic"):
        parameters, _, wer = rows[name]
        assert f">{parameters} parameters, " in picture
        assert f"{float(wer):.1f} % word errors" in picture
    assert "prefers-color-scheme:dark" in picture
    assert not re.search(r"href|url\(|@import|<script", picture)


def test_a_run_is_drawn(draw_way, tmp_path, monkeypatch):
    monkeypatch.setattr(draw_way, "WORDS", 1)  # of the strings of the small run
    run = make_run(tmp_path)
    bundle = tmp_path / "ada" / "bundle"
    given = {"feature_spec": bundles.SPEC, "decode": bundles.DECODER}
    convert(bundles.student(), bundle, bundles.features(), **given)
    report = json.loads((bundle / "report.json").read_text())
    report["firmware"]["cores"] = CORES
    (bundle / "report.json").write_text(json.dumps(report))
    renew_sums(bundle)
    models, number = draw_way.choose(collect(run))
    assert (models.fold.name, number) == ("ada", 0)
    root = ElementTree.fromstring(draw_way.picture(collect(run)))
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "Cortex-M4F: 20 kB flash, " in " ".join(texts)
    assert "153,005 instructions for each frame, from PCM to words" in texts
    tops = [float(text.get("y")) for text in root.iter() if text.get("x")]
    assert max(tops) < float(root.get("height"))
    monkeypatch.setattr(draw_way, "WORDS", 9)
    with pytest.raises(ValueError, match="No string of 9 words in .* by both"):
        draw_way.choose(collect(run))
