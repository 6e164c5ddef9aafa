import io

import keras
import numpy as np
import pytest

from keras_rnn2dnn.util import progress as progress_module
from keras_rnn2dnn.util.progress import FitProgress, RateProgress, StageProgress


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """Stands in for `time`: the test says how late it is."""

    def __init__(self):
        self.seconds = 100.0

    def monotonic(self):
        return self.seconds


def run(stream, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress_module, "time", clock)
    progress = StageProgress(2, stream)
    progress.start("align")
    for _ in range(10):
        clock.seconds += 0.05
        progress.update(0.5)
    clock.seconds += 1.0
    progress.start("train the teacher")
    clock.seconds += 2.25
    progress.update(1.5)
    progress.finish()
    progress.finish()
    return stream.getvalue()


def test_a_file_gets_one_line_per_stage(monkeypatch):
    text = run(io.StringIO(), monkeypatch)
    first, second, rest = text.split("\n")
    assert rest == "" and "\r" not in text
    assert first.split() == ["[1/2]", "align", "1.5", "s"]
    assert second.split() == ["[2/2]", "train", "the", "teacher", "2.2", "s"]
    assert len(first) == len(second)


def test_a_terminal_shows_how_far_the_stage_is(monkeypatch):
    text = run(Terminal(), monkeypatch)
    first, second, rest = text.split("\n")
    assert rest == ""
    draws = [draw.split() for draw in first.split("\r")[1:]]
    assert draws[0] == ["[1/2]", "align", "." * 24, "0%"]
    assert draws[-1] == ["[1/2]", "align", "1.5", "s"]
    between = draws[1:-1]
    assert all(d == ["[1/2]", "align", "#" * 12 + "." * 12, "50%"] for d in between)
    assert 2 <= len(between) < 6  # not oftener than every 0.1 s
    assert "#" * 24 + " 100%" in second
    # Each drawing covers the one before.
    assert len({len(draw) for draw in first.split("\r")[1:]}) == 1


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_what_time_is_left_follows_the_pace_of_the_stages_before(stream, monkeypatch):
    monkeypatch.setattr(progress_module, "time", clock := Clock())
    seconds = {"kept": 100, "align": 10, "train": 60, "verify": 20}
    progress = StageProgress(4, stream, seconds)
    for stage, taken in (("kept", 0.5), ("align", 20), ("train", 60), ("verify", 5)):
        progress.start(stage)
        progress.update(0.5)
        clock.seconds += taken
        progress.update(0.5)
    progress.finish()
    lines = stream.getvalue().rstrip().split("\n")
    left = [line.split("\r")[-1].split(", ")[-1].strip() for line in lines]
    # What was kept does not count. Of 190 s, 19 count as if they had been taken: so 29
    # took 39, and 89 took 99.
    assert left[:3] == ["1:30 left", "1:48 left", "0:22 left"]
    assert "left" not in left[3]
    if stream.isatty():
        assert "50%, 2:20 left" in lines[0] and "50%, 1:07 left" in lines[2]
    else:
        assert lines[1].startswith("[2/4] align ") and " 20.0 s, 1:48" in lines[1]


def test_other_lines_clear_that_of_the_stage(monkeypatch):
    monkeypatch.setattr(progress_module, "time", Clock())
    stream = Terminal()
    progress = StageProgress(1, stream, {"train": 60.0})
    progress.start("train")
    drawn = len(stream.getvalue())
    with progress.aside():
        stream.write("a row\n")
    progress.update(0.5)  # drawn again at once
    cleared, after = stream.getvalue()[drawn:].split("a row\n")
    assert cleared == "\r" + " " * drawn + "\r"
    assert "50%, 0:30 left" in after
    assert progress.seconds_left() == 30.0


def test_the_callback_follows_fit_over_all_epochs(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(progress_module, "time", clock := Clock())
    progress = StageProgress(1, stream)
    progress.start("train")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    later = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda *_, **__: setattr(
            clock, "seconds", clock.seconds + 1
        )
    )
    model.fit(
        np.ones((4, 2)),
        np.ones((4, 1)),
        batch_size=2,
        epochs=2,
        verbose=0,
        callbacks=[later, FitProgress(progress.update, steps=2, epochs=2)],
    )
    shares = [draw.split()[-1] for draw in stream.getvalue().split("\r")[1:]]
    assert shares == ["0%", "25%", "50%", "75%", "100%"]


def test_progress_goes_to_standard_error_by_default(capsys):
    progress = StageProgress(1)
    progress.start("train")
    progress.finish()
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("[1/1] train")


def test_the_rate_is_redrawn_on_a_terminal_and_counts_what_was_there(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(progress_module, "time", clock := Clock())
    progress = RateProgress(2000, "utterances", stream, done=400)
    clock.seconds += 500.0
    progress.add(200, frames=100_000)
    clock.seconds += 100.0
    progress.add(1400, frames=800_000)
    progress.finish()
    first, second, last = stream.getvalue().split("\r")[1:]
    assert first == "600 of 2000 utterances, 200 frames/s, 58:20 left"
    assert second.rstrip() == "2000 of 2000 utterances, 1,500 frames/s, 0:00 left"
    assert last == f"{second}\n"
    assert len(second) >= len(first)


def test_elsewhere_the_rate_is_one_line(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(progress_module, "time", clock := Clock())
    progress = RateProgress(10, "utterances", stream)
    clock.seconds += 2.0
    progress.add(10, frames=4000)
    progress.finish()
    assert stream.getvalue() == "10 of 10 utterances, 2,000 frames/s, 0:00 left\n"
