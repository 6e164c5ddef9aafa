"""Progress of long runs: one line per stage, redrawn on a terminal."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TextIO

import keras

_WIDTH = 24
_TITLE_WIDTH = 44
_LEFT_WIDTH = len(", 100:00 left")
_TRUSTED = 0.1  # of the plan, which counts like stages that took what was planned
_SKIPPED = 0.02  # of the time that a stage should take


def clock_time(seconds: float) -> str:
    """Returns minutes and seconds.

    Example:
        >>> clock_time(75.4)
        '1:15'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


class StageProgress:
    """Shows which stage runs, how far it is, and how long it took.

    On a terminal the line of the current stage is redrawn; elsewhere each stage gives
    one line when it ends. Where it is known how long the stages take, the line tells
    what time is left: at the pace of the stages before.

    Args:
        num_stages: stages in all.
        stream: where to write; standard error by default.
        seconds: that stages should take, by name; what is not named takes none.

    Example:
        >>> import io
        >>> stream = io.StringIO()
        >>> progress = StageProgress(num_stages=1, stream=stream)
        >>> progress.start("train")
        >>> progress.update(0.5)
        >>> progress.finish()
        >>> stream.getvalue().split()
        ['[1/1]', 'train', '0.0', 's']
    """

    def __init__(
        self,
        num_stages: int,
        stream: TextIO | None = None,
        seconds: Mapping[str, float] | None = None,
    ):
        self.num_stages = num_stages
        self.stream = sys.stderr if stream is None else stream
        self._left, self._planned, self._taken = dict(seconds or {}), 0.0, 0.0
        self._expected, self._trusted = 0.0, _TRUSTED * sum(self._left.values())
        self._share = 0.0
        self._redraws = self.stream.isatty()
        self._stage, self._number, self._drawn = None, 0, 0.0
        self._lock, self._width = threading.RLock(), 0

    def start(self, stage: str) -> None:
        """Ends the current stage, if any, and begins the next."""
        self.finish()
        self._stage, self._number = stage, self._number + 1
        with self._lock:
            self._expected, self._share = self._left.pop(stage, 0.0), 0.0
        self._begin = time.monotonic()
        self.update(0.0)

    def update(self, share: float) -> None:
        """Shows how much of the stage is done, from 0 to 1."""
        now, self._share = time.monotonic(), min(share, 1.0)
        share = self._share
        if self._redraws and (now - self._drawn > 0.1 or share == 0.0):
            self._drawn = now
            done = round(_WIDTH * share)
            bar = "#" * done + "." * (_WIDTH - done)
            left = self._time_left()
            self._write(f"\r{self._title()} {bar} {share:4.0%}{left}")

    def finish(self) -> None:
        """Ends the current stage."""
        if self._stage is None:
            return
        seconds = time.monotonic() - self._begin
        if seconds > _SKIPPED * self._expected:  # else an earlier run has done it
            self._taken += seconds
            self._planned += self._expected
        self._expected = 0.0
        start, left = "\r" if self._redraws else "", self._time_left()
        self._write(f"{start}{self._title()} {seconds:{_WIDTH + 3}.1f} s{left}\n")
        self._stage = None

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Clears the line, for others to be written to the terminal meanwhile.

        Other threads may call it, too.
        """
        with self._lock:
            if self._redraws:
                self._write(f"\r{'':{self._width}}\r")
            self._drawn = 0.0  # the next update draws it again
            yield

    def seconds_left(self) -> float | None:
        """Returns how long the rest will take; None where nobody knows."""
        with self._lock:
            planned = sum(self._left.values()) + (1 - self._share) * self._expected
        if not planned:
            return None
        pace = (self._taken + self._trusted) / (self._planned + self._trusted)
        return pace * planned

    def _time_left(self):
        seconds = self.seconds_left()
        if seconds is None:
            return ""
        return f", {clock_time(seconds)} left".ljust(_LEFT_WIDTH)

    def _title(self):
        return f"[{self._number}/{self.num_stages}] {self._stage:<{_TITLE_WIDTH}}"

    def _write(self, text):
        with self._lock:
            self._width = max(self._width, len(text))
            self.stream.write(text)
            self.stream.flush()


class RateProgress:
    """Shows how much of a long run is done, how fast it goes, and what time is left.

    On a terminal one line is redrawn; elsewhere there is one line at the end.

    Args:
        total: how many there are in all.
        unit: of what, such as `"utterances"`.
        stream: where to write; standard error by default.
        done: how many an earlier run has left behind.

    Example:
        >>> import io
        >>> progress = RateProgress(10, "utterances", stream=io.StringIO())
        >>> progress.add(10, frames=4000)
        >>> progress.finish()
        >>> progress.stream.getvalue().split(",")[0]
        '10 of 10 utterances'
    """

    def __init__(
        self, total: int, unit: str, stream: TextIO | None = None, done: int = 0
    ):
        self.total, self.unit = total, unit
        self.stream = sys.stderr if stream is None else stream
        self._before, self._new, self._frames = done, 0, 0
        self._begin, self._width = time.monotonic(), 0

    def add(self, number: int, frames: int) -> None:
        """Counts what was done since the last time."""
        self._new, self._frames = self._new + number, self._frames + frames
        if self.stream.isatty():
            self.stream.write(f"\r{self._line()}")
            self.stream.flush()

    def finish(self) -> None:
        """Ends the line."""
        start = "\r" if self.stream.isatty() else ""
        self.stream.write(f"{start}{self._line()}\n")

    def _line(self):
        seconds = max(time.monotonic() - self._begin, 1e-9)
        done, rate = self._before + self._new, self._frames / seconds
        left = max(self.total - done, 0) * seconds / self._new if self._new else 0
        line = (
            f"{done} of {self.total} {self.unit}, {rate:,.0f} frames/s, "
            f"{clock_time(left)} left"
        )
        self._width = max(self._width, len(line))  # covers a longer one before
        return line.ljust(self._width)


class FitProgress(keras.callbacks.Callback):
    """Reports how far `fit` is, also that of a training that goes on.

    Args:
        report: called with the share that is done, from 0 to 1.
        steps: of an epoch.
        epochs: of the training.
    """

    def __init__(self, report: Callable[[float], None], steps: int, epochs: int):
        super().__init__()
        self.report, self.steps, self.epochs, self.epoch = report, steps, epochs, 0

    def on_epoch_begin(self, epoch, logs=None):
        """Remembers the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Reports."""
        self.report((self.epoch + (batch + 1) / self.steps) / self.epochs)
