import dataclasses
from types import SimpleNamespace

import numpy as np

from benchmarks import left_on
from keras_rnn2dnn.audio.feature_spec import FeatureSpec

SPEC = FeatureSpec(1000)


@dataclasses.dataclass
class Loud:
    """Finds a word wherever a recording is loud, and keeps what it heard."""

    heard: list = dataclasses.field(default_factory=list)
    spec: FeatureSpec = SPEC

    def recognize(self, recordings):
        self.heard += recordings
        return [self._words(np.abs(x.astype(int)) > 5000) for x in recordings]

    def _words(self, loud):
        edges = np.flatnonzero(np.diff(np.pad(loud, 1).astype(int)))
        return [
            SimpleNamespace(text="on", start_ms=start, end_ms=end)
            for start, end in edges.reshape(-1, 2)
        ]


def strings(count):
    loud = np.concatenate([np.full(300, 8000), np.zeros(50)]).astype(np.int16)
    return [loud] * count, [("on",)] * count


def test_each_row_says_what_was_found():
    recognizer, other = Loud(), [np.zeros(3600, np.int16)]
    found = dict(left_on.rows(recognizer, *strings(8), other))
    assert found["speech from the first sample on"] == "0 (0.0 %)"
    assert found["3 s of zeros first"] == "0 (0.0 %)"
    assert found["two strings, 10 s of rms 3 between"] == "0 (0.0 %)"
    assert found["gain -20 dB"] == "8 (100.0 %)"
    assert found["pauses of 2 s of rms 3 with a word in them"] == "0 of 4"
    assert found["other speech: false words an hour"] == "0"
    assert found["white noise of rms 0 to 1,000: false words an hour"] == "0"
    lengths = {len(x) for x in recognizer.heard}
    # With 0.2, 1 and 3 s, 0.3, 5 and 20 s in front, and 60 s between two.
    assert {350, 550, 1350, 3350, 650, 5350, 20_350, 60_700} <= lengths


def test_a_word_in_a_pause_is_a_ghost():
    (first, second), _ = strings(2)
    pause = np.zeros(2000)
    assert left_on.ghost_words(Loud(), first, second, pause, 1000) == []
    pause[700:800] = 9000
    (ghost,) = left_on.ghost_words(Loud(), first, second, pause, 1000)
    assert (ghost.start_ms, ghost.end_ms) == (350 + 700, 350 + 800)
