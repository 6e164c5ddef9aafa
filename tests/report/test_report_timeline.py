import xml.etree.ElementTree as ET

import numpy as np

from keras_rnn2dnn.hmm import Topology
from keras_rnn2dnn.report.timeline import Timeline


def test_bands_lie_below_each_other_within_the_picture():
    topology = Topology(tuple(f"word{n}" for n in range(40)), states_per_unit=3)
    timeline = Timeline(50, 0.01)
    timeline.waveform(np.array([0, -32768, 32767] * 1000, "int16"), 8000)
    timeline.words("said", [("yes", 0, 50, True), ("no", 10, 12, False)])
    timeline.posteriors("teacher", np.full((50, 121), 1 / 121), topology)
    timeline.differences([(0, 25)])
    timeline.divergence(np.linspace(0, 2, 50))
    timeline.seconds([10])
    picture = ET.fromstring(timeline.picture("An utterance"))
    _, _, width, height = map(float, picture.get("viewBox").split())
    bars = picture.findall("rect")
    assert float(bars[0].get("width")) == 2 * float(bars[-1].get("width"))
    tops = [
        float(part.get("y")) for part in (*bars[:1], picture.find("image"), bars[-1])
    ]
    assert tops == sorted(tops)
    texts = picture.findall("text")
    assert all(0 <= float(text.get("x")) <= width for text in texts)
    assert all(0 <= float(text.get("y")) <= height for text in texts)
    assert sum(text.text.startswith("word") for text in texts) <= 13


def test_an_utterance_without_sound_is_a_line():
    timeline = Timeline(5, 0.01)
    timeline.waveform(np.zeros(0, "int16"), 8000)
    timeline.waveform(np.zeros(400, "int16"), 8000)
    assert "nan" not in timeline.picture("Silence")
