"""The picture of an utterance: waveform, words and posteriors over time."""

import itertools
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.hmm import Topology
from keras_rnn2dnn.report import svg

WRONG, KL = svg.OKABE_ITO["vermillion"], svg.OKABE_ITO["blue"]
_WIDTH, _LEFT, _RIGHT = 900, 96, 892
_MOST_LABELS, _MOST_LETTERS = 13, 10
_GREY = "#595959"


class Timeline:
    """Bands above each other with one axis of time, from top to bottom as added.

    Args:
        num_frames: of the utterance.
        step: from frame to frame, in seconds.

    Example:
        >>> timeline = Timeline(100, 0.01)
        >>> timeline.words("said", [("yes", 10, 50, True)])
        >>> ">yes</text>" in timeline.picture("An utterance")
        True
    """

    def __init__(self, num_frames: int, step: float):
        self.num_frames, self.step = num_frames, step
        self._parts: list[str] = []
        self._y = 4

    def waveform(self, samples: np.ndarray, rate_hz: int) -> None:
        """Adds the waveform, as high as it is loud at most."""
        top, columns = self._band(56, "waveform"), _RIGHT - _LEFT
        heard = samples[: round(self.num_frames * self.step * rate_hz)].astype("f4")
        ends = np.linspace(0, len(heard), columns + 1).astype(int)
        loudest = max(np.abs(heard).max(initial=0.0), 1e-6)
        path = []
        for column, (a, b) in enumerate(itertools.pairwise(ends if len(heard) else [])):
            low, high = heard[a : b + 1].min(), heard[a : b + 1].max()
            start, end = (top + 28 - 28 * v / loudest for v in (high, low))
            path.append(f"M{_LEFT + column},{start:.1f} V{end:.1f}")
        self._parts.append(f'<path d="{" ".join(path)}" stroke="#000000" fill="none"/>')

    def words(self, name: str, words: Sequence[tuple[str, int, int, bool]]) -> None:
        """Adds words: text, first frame, frame after the last, whether it is right."""
        top = self._band(20, name)
        for word, start, end, good in words:
            x, width = self._across(start), self._across(end) - self._across(start)
            style = f'fill="none" stroke="{_GREY}"'
            extra = ""
            if not good:
                style = f'fill="{WRONG}" fill-opacity="0.3" stroke="{WRONG}"'
                extra = ' font-weight="bold"'
            if width < 7 * len(word):  # squeezed into its box
                extra += f' textLength="{max(width - 3, 4):.1f}"'
                extra += ' lengthAdjust="spacingAndGlyphs"'
            self._rectangle(x, top, max(width, 1.0), 20, style)
            self._parts.append(svg.text(x + width / 2, top + 14, word, "middle", extra))

    def posteriors(self, name: str, shares: np.ndarray, topology: Topology) -> None:
        """Adds a map of `(frames, states)`: a row for each state, the first on top."""
        row = min(12.0, 150 / topology.num_states)
        height = row * topology.num_states
        top = self._band(round(height), "")
        self._parts.append(
            f'<image x="{_LEFT}" y="{top}" width="{_RIGHT - _LEFT}" '
            f'height="{height:.2f}" preserveAspectRatio="none" '
            f'href="{svg.heat_map(shares.T)}"/>'
        )
        units, tall = topology.units, topology.states_per_unit * row
        every = -(-len(units) // _MOST_LABELS)
        for number in range(0, len(units), every):
            y = top + number * tall
            self._parts.append(
                f'<path d="M{_LEFT},{y:.2f} H{_RIGHT}" stroke="#e3e3e3" '
                'stroke-width="0.5"/>'
            )
            label = svg.shortened(units[number], _MOST_LETTERS)
            self._parts.append(svg.text(_LEFT - 6, y + tall / 2 + 4, label, "end"))
        middle = top + height / 2
        turned = f' transform="rotate(-90 12 {middle:.1f})" font-weight="bold"'
        self._parts.append(svg.text(12, middle, name, "middle", turned))

    def differences(self, spans: Sequence[tuple[int, int]]) -> None:
        """Adds the spans of frames in which two models differ."""
        top = self._band(10, "differ")
        for start, end in spans:
            x, width = self._across(start), self._across(end) - self._across(start)
            self._rectangle(x, top, width, 10, f'fill="{WRONG}"')

    def divergence(self, kl: np.ndarray) -> None:
        """Adds a curve of nats, one number for each frame."""
        top, most = self._band(48, ""), max(float(kl.max()), 1e-6)
        self._parts.append(svg.text(_LEFT - 6, top + 9, f"KL {most:.1f}", "end"))
        self._parts.append(svg.text(_LEFT - 6, top + 48, "0", "end"))
        line = " ".join(
            f"{self._across(frame + 0.5)},{top + 48 - 48 * value / most:.1f}"
            for frame, value in enumerate(kl)
        )
        self._parts.append(
            f'<polyline points="{line}" fill="none" stroke="{KL}" stroke-width="1.2"/>'
        )

    def seconds(self, starts: Sequence[int]) -> None:
        """Adds the axis, and dotted lines through all bands where words start."""
        for second in svg.ticks(0, self.num_frames * self.step, most=12):
            x = self._across(second / self.step)
            self._parts.append(svg.text(x, self._y + 12, f"{second:g} s", "middle"))
        for start in starts:
            self._parts.append(
                f'<path d="M{self._across(start)},4 V{self._y}" stroke="{_GREY}" '
                'stroke-width="0.5" stroke-dasharray="2 3"/>'
            )

    def picture(self, title: str) -> str:
        """Returns the SVG element."""
        return svg.svg(self._parts, title, _WIDTH, self._y + 20, kind="time")

    def _across(self, frame):
        return round(_LEFT + frame / self.num_frames * (_RIGHT - _LEFT), 2)

    def _band(self, height, label):
        top, self._y = self._y, self._y + height + 6
        if label:
            self._parts.append(svg.text(_LEFT - 6, top + height / 2 + 4, label, "end"))
        return top

    def _rectangle(self, x, y, width, height, style):
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width:.2f}" height="{height}" {style}/>'
        )
