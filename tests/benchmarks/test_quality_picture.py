"""The picture of `benchmarks.quality`."""

import re
from xml.etree import ElementTree

from benchmarks.quality.picture import picture
from benchmarks.quality.table import Result, Summary


def results(errors):
    return [
        Result(row, "official", 0, 40, (1, 10), (1, 10), test, (0.3, -15))
        for row, count in errors.items()
        for test in [{f"one_{who}_0": (count, 100) for who in ("ann", "bob")}]
    ]


def test_each_row_is_a_bar_with_its_interval():
    found = {"Official split": results({"RNN teacher": 5, "hard labels": 20})}
    drawn = picture({title: Summary(of) for title, of in found.items()})
    ElementTree.fromstring(drawn)
    widths = [float(w) for w in re.findall(r'y="\d+" width="([\d.]+)"', drawn)]
    assert widths == [84.0, 336.0]  # 5 and 20 % of what 20 % fill
    assert re.findall(r">([\d.]+)</text>", drawn) == ["5.0", "20.0"]
    assert drawn.count('class="range"') == 2 and "Official split" in drawn
