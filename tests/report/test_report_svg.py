import base64
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn.report import svg


def parsed(picture):
    return ET.fromstring(picture)


def luminance(colour):
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
    ]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_the_palette_is_that_of_okabe_and_ito():
    # The eight colours in RGB, from the authors' page "Color Universal Design".
    known = [
        *((0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)),
        *((0, 114, 178), (213, 94, 0), (204, 121, 167)),
    ]
    given = [
        tuple(int(c[k : k + 2], 16) for k in (1, 3, 5)) for c in svg.OKABE_ITO.values()
    ]
    assert given == known


def test_points_lie_where_the_axes_say():
    plot = svg.Plot(x=(0, 4), y=(0, 10), x_label="x", y_label="y")
    plot.line([(0, 0), (4, 10)], "#000000", dots=True)
    lines = parsed(plot.picture("A <line>")).findall("polyline")
    first, last = (
        tuple(map(float, point.split(","))) for point in lines[0].get("points").split()
    )
    assert first == (plot.left, plot.bottom)
    assert last == (plot.right, plot.top)
    assert parsed(plot.picture("A <line>")).get("aria-label") == "A <line>"


def test_bars_are_as_long_as_their_numbers():
    rows = [("a & b", {"x": 30.0, "y": 10.0}), ("c", {"x": 20.0})]
    picture = parsed(svg.stacked_bars(rows, {"x": "#0072b2", "y": "#e69f00"}, "Bars"))
    widths = [float(bar.get("width")) for bar in picture.findall("rect")]
    assert widths[0] == pytest.approx(3 * widths[1], abs=0.02)
    assert widths[2] == pytest.approx(2 * widths[1], abs=0.02)
    texts = [text.text for text in picture.findall("text")]
    assert texts == ["a & b", "40", "c", "20"]
    assert widths[0] + widths[1] < svg.WIDTH - 20  # room for the number behind


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (1, 8), (0, 0.003), (12.5, 17.25), (0, 1e6), (3, 3)]
)
def test_ticks_are_round_within_and_few(low, high):
    found = svg.ticks(low, high)
    assert 1 <= len(found) <= 7
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)
    assert all(len(f"{value:g}") <= 7 for value in found)
    steps = np.diff(found)
    assert np.allclose(steps, steps[:1] if len(steps) else 0)


def test_a_heat_map_is_a_png_from_white_to_dark():
    shares = np.array([[0.0, 0.5, 1.0], [1.0, 0.0, 2.0]])
    address = svg.heat_map(shares)
    content = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    image = tf.io.decode_png(content, channels=3).numpy()
    assert image.shape == (2, 3, 3)
    assert image[0, 0].tolist() == [255, 255, 255]
    assert image[0, 2].tolist() == image[1, 2].tolist() == [0, 20, 45]
    assert np.abs(image[0, 1].astype(int) - [0, 114, 178]).max() <= 1


def test_darker_is_more_probable_throughout():
    address = svg.heat_map(np.linspace(0, 1, 256)[None])
    content = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    row = tf.io.decode_png(content, channels=3).numpy()[0]
    levels = [luminance("#{:02x}{:02x}{:02x}".format(*pixel)) for pixel in row]
    assert (np.diff(levels) < 0).all()
