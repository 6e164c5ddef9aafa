"""The stages of a recognizer in a stream: each takes what is new, and keeps the rest.

However the samples are cut, each stage computes what `deploy.device` computes of the
whole utterance, to the bit; a network that has no C code runs in TensorFlow Lite.
"""

import numpy as np

from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.deploy.device.decoder import WordLoopTables
from keras_rnn2dnn.deploy.device.decoders import Tables
from keras_rnn2dnn.deploy.device.events import (
    OVER,
    Found,
    Limits,
    RecognizedWord,
    Reporter,
    Utterance,
    threshold_steps,
)
from keras_rnn2dnn.deploy.device.features import (
    FeatureTables,
    device_energies,
    feature_tables,
    quantized_features,
)
from keras_rnn2dnn.deploy.device.keywords import Keywords, SpotterTables
from keras_rnn2dnn.deploy.device.labels import Labels
from keras_rnn2dnn.deploy.device.normalizing import Normalizer, normalized_batches
from keras_rnn2dnn.deploy.device.paths import Paths
from keras_rnn2dnn.deploy.device.recognizer import DeviceNetwork
from keras_rnn2dnn.deploy.golden import int16_pcm
from keras_rnn2dnn.quantization.interpreter import Int8Student
from keras_rnn2dnn.util.errors import invalid


class Overlap:
    """Rows that are read in windows, some of them by several windows.

    Args:
        length: rows in a window.
        step: rows from window to window.

    Example:
        >>> rows = Overlap(length=3, step=2)
        >>> rows.push(np.arange(4)).tolist(), rows.push(np.arange(4, 8)).tolist()
        ([0, 1, 2], [2, 3, 4, 5, 6])
    """

    def __init__(self, length: int, step: int):
        self._length, self._step, self._skip = length, step, 0
        self._kept: np.ndarray | None = None

    def push(self, rows: np.ndarray) -> np.ndarray:
        """Takes the next rows, and returns all rows of the windows that are whole."""
        if self._kept is not None:
            rows = np.concatenate([self._kept, rows])
        skipped = min(self._skip, len(rows))
        rows, self._skip = rows[skipped:], self._skip - skipped
        count = max(0, 1 + (len(rows) - self._length) // self._step)
        self._kept = rows[count * self._step :]
        self._skip += max(0, count * self._step - len(rows))
        return rows[: (count - 1) * self._step + self._length] if count else rows[:0]


class FeatureStream:
    """Features of PCM, as `device_features` gives them.

    Args:
        spec: of the features.
        tables: of them; None: as the specification gives them.
    """

    def __init__(self, spec: FeatureSpec, tables: FeatureTables | None = None):
        self._samples = Overlap(spec.frame_length, spec.frame_step)
        self._spec, self._tables = spec, tables or feature_tables(spec)
        self._normalizer = Normalizer(self._tables)

    def push(self, pcm: np.ndarray) -> np.ndarray:
        """Takes int16 `(samples,)`, returns the new frames `(frames, features)`."""
        pcm = self._samples.push(pcm)
        energies = device_energies(pcm, self._spec, self._tables)
        return self._normalizer.push(energies)


class LogitStream:
    """Int8 logits of PCM, edge frames repeated beyond the ends of the utterance.

    Args:
        student: the int8 network.
        spec: of its features.
        tables: as of `FeatureStream`.
    """

    def __init__(
        self,
        student: Int8Student | DeviceNetwork,
        spec: FeatureSpec,
        tables: FeatureTables | None = None,
    ):
        self._student, self._field = student, student.receptive_field
        self._features, self._over = FeatureStream(spec, tables), spec.example_norm
        self._frames = Overlap(self._field.window, self._field.stride)
        self._last: np.ndarray | None = None  # frame of the utterance

    def push(self, pcm: np.ndarray) -> np.ndarray:
        """Takes int16 `(samples,)`, returns the new logits `(frames, classes)`."""
        features = self._features.push(pcm)
        if not len(features):
            return np.zeros((0, self._student.num_classes), np.int8)
        frames = features if self._over != "none" else self._quantized(features)
        if self._last is None:
            first = np.repeat(frames[:1], self._field.left, axis=0)
            frames = np.concatenate([first, frames])
        self._last = frames[-1:]
        return self._logits(frames)

    def finish(self) -> np.ndarray:
        """Ends the utterance, returns the logits that are left."""
        if self._last is None:
            return np.zeros((0, self._student.num_classes), np.int8)
        return self._logits(np.repeat(self._last, self._field.right, axis=0))

    def _logits(self, frames):
        covered = self._frames.push(frames)
        if not len(covered):
            return np.zeros((0, self._student.num_classes), np.int8)
        windows = np.lib.stride_tricks.sliding_window_view(
            covered, self._field.window, axis=0
        )
        windows = windows[:: self._field.stride].transpose(0, 2, 1)
        if self._over == "none":
            return self._student.integer_logits(windows)
        parts = map(self._quantized, normalized_batches(windows, self._over))
        return np.concatenate([self._student.integer_logits(part) for part in parts])

    def _quantized(self, features):
        return quantized_features(features, *self._student.input_quantization)


class WordLoopStream:
    """The search of the device through a loop of words, frame by frame.

    Args:
        tables: of `word_loop_tables`.
        limits: of which silence and longest utterance count.

    Attributes:
        frame: output frames so far.
    """

    def __init__(self, tables: WordLoopTables, limits: Limits):
        self._paths, self._history = Paths(tables, 1, limits), tables.history_frames
        self.frame = 0

    def step(self, logits: np.ndarray) -> list[Found]:
        """Takes int8 `(classes,)`, returns what is certain now."""
        self._paths.step(self.frame, logits[None])
        # What is older was decided; a stream may go on for days.
        self._paths.records[0].pop(self.frame - self._history, None)
        self.frame += 1
        return self._taken()

    def finish(self) -> list[Found]:
        """Ends the utterance, returns the words that are left."""
        if self.frame:
            self._paths.finish(0, self.frame)
        return self._taken()

    def _taken(self):
        found, self._paths.found[0] = self._paths.found[0], []
        return found


def frame_by_frame(
    tables: Tables, limits: Limits
) -> WordLoopStream | Labels | Keywords:
    """Returns the decoder of a device, which takes an output frame after the other."""
    if isinstance(tables, WordLoopTables):
        return WordLoopStream(tables, limits)
    kind = Keywords if isinstance(tables, SpotterTables) else Labels
    return kind(tables, limits)


class Stages:
    """All stages in numpy, from PCM to events.

    Args:
        recognizer: a `Recognizer`, of which threshold and keywords may change.
    """

    def __init__(self, recognizer):
        self._recognizer = recognizer
        self._decoder = frame_by_frame(recognizer.tables, recognizer.limits)
        given = recognizer.labels, recognizer.limits, recognizer.milliseconds
        self._reporter = Reporter.of(recognizer.reporting, *given)
        given = recognizer.student, recognizer.spec, recognizer.features
        self._logits = LogitStream(*given)
        self._samples = 0

    def push(self, pcm: np.ndarray) -> list[tuple[RecognizedWord | Utterance, int]]:
        """Takes int16 `(samples,)`.

        Returns:
            Words and ends of utterances, and how many samples made each of them
            certain.
        """
        self._samples += len(pcm)
        return self._decoded(self._logits.push(pcm))

    def finish(self) -> list[tuple[RecognizedWord | Utterance, int]]:
        """Ends the utterance; returns what is left, as `push` does."""
        events = self._decoded(self._logits.finish())
        found = self._decoder.finish()
        if self._recognizer.reporting.decide_ms is not None:  # earlier bundles end none
            frame = self._decoder.frame
            found = [*found, Found(OVER, frame, frame, 0)]
        return events + self._reported(found, self._samples)

    def _decoded(self, logits):
        spec, field = self._recognizer.spec, self._recognizer.field
        events = []
        for row in logits:
            frames = self._decoder.frame * field.stride + field.right + 1
            heard = min(spec.num_samples(frames), self._samples)
            events += self._reported(self._decoder.step(row), heard)
        return events

    def _reported(self, found, heard):
        if not found:
            return []
        self._reporter.threshold = threshold_steps(self._recognizer.threshold)
        self._reporter.keywords = self._recognizer.keywords
        return [(event, heard) for event in self._reporter.take(found)]


def int16_samples(pcm: np.ndarray) -> np.ndarray:
    """Returns samples as int16.

    Args:
        pcm: int16 of either byte order, or floats in [-1, 1], or a little beyond 1, as
            resampling gives; `(samples,)`.

    Raises:
        ValueError: if it is neither.
    """
    expected = "int16, or floats in [-1, 1], of shape (samples,)"
    if isinstance(pcm, bytes | bytearray | memoryview):
        received = f"{type(pcm).__name__} of length {len(pcm)}"
        hint = 'Of 16-bit PCM: np.frombuffer(data, "int16")'
        raise ValueError(invalid("pcm", expected, received, hint))
    pcm = np.asarray(pcm)
    if pcm.dtype.kind == "i" and pcm.dtype.itemsize == 2:
        pcm = pcm.astype(np.int16, copy=False)  # of files and of sockets: big-endian
    good = pcm.ndim == 1 and (pcm.dtype == np.int16 or pcm.dtype.kind == "f")
    received = f"{pcm.dtype.name} {pcm.shape}"
    if good and pcm.dtype.kind == "f" and len(pcm):
        # Resampled speech reaches a little beyond 1; NaN is not <= 2.
        good = bool(np.abs(pcm).max() <= 2)
        received += f" from {pcm.min():.4g} to {pcm.max():.4g}"
    if not good:
        raise ValueError(invalid("pcm", expected, received))
    return int16_pcm(pcm)
