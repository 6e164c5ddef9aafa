"""Runs int8 students on the host, with whichever TensorFlow Lite runtime is there."""

import copy
import hashlib
import importlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from keras_rnn2dnn.batches.padding import without_padding
from keras_rnn2dnn.quantization.receptive_field import ReceptiveField, field_of
from keras_rnn2dnn.util.captured_output import captured_output
from keras_rnn2dnn.util.errors import invalid

_RUNTIMES = ("tflite_runtime.interpreter", "ai_edge_litert.interpreter")
_BATCH = 128  # windows in one call: more are hardly faster, and short ones wait


def load_interpreter(model: bytes | str | Path, num_threads: int = 1) -> Any:
    """Finds a TensorFlow Lite interpreter and loads a model into it.

    `tflite-runtime` comes first, then `ai-edge-litert`, then TensorFlow's own. One
    that is not installed, or cannot run the model, is passed over (`tflite-runtime`
    with numpy 2 imports, and fails when an interpreter is made).

    Args:
        model: the TensorFlow Lite file, or its path.
        num_threads: threads to run on.

    Returns:
        An interpreter with TensorFlow Lite's usual methods, its tensors allocated.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if no runtime can load the model; holds what each of them said.
    """
    content = model if isinstance(model, bytes) else Path(model).read_bytes()
    failures = []
    for name in (*_RUNTIMES, "tensorflow"):
        with captured_output():
            try:
                runtime = importlib.import_module(name)
                maker = runtime.lite if name == "tensorflow" else runtime
                interpreter = maker.Interpreter(
                    model_content=content, num_threads=num_threads
                )
                interpreter.allocate_tensors()
                return interpreter
            # Broken builds raise anything here, so that the next one must have its go.
            except Exception as error:
                failures.append(f"{name}: {type(error).__name__}: {error}")
    received = f"{len(content)} bytes" if isinstance(model, bytes) else str(model)
    hint = "No TensorFlow Lite runtime can load it. " + "; ".join(failures)
    raise ValueError(invalid("model", "a TensorFlow Lite file", received, hint))


class Int8Student:
    """An int8 student on the host: logits for whole utterances.

    It computes what the device computes: one context window per output frame, edge
    frames repeated beyond the ends, features rounded to int8.

    Args:
        interpreter: of `load_interpreter`, input `(1, window, features)` and output
            `(1, classes)`, both int8 or both int16.
        receptive_field: the context of the student.

    Attributes:
        receptive_field: the context of the student.
        input_quantization: `(scale, zero_point)` of the features, where
            feature = scale * (int8 - zero_point).
        output_quantization: `(scale, zero_point)` of the logits.
        dtype: of features and logits, `"int8"` or `"int16"`.
        num_features: features per frame.
        num_classes: classes.
        runtime: name of the package that computes.
    """

    def __init__(self, interpreter: Any, receptive_field: ReceptiveField):
        inputs, outputs = (
            interpreter.get_input_details()[0],
            interpreter.get_output_details()[0],
        )
        window = tuple(int(n) for n in inputs["shape"])
        if len(window) != 3 or window[1] != receptive_field.window:
            expected = f"a context window of {window[1]} frames"
            raise ValueError(invalid("receptive_field", expected, receptive_field))
        self.receptive_field = receptive_field
        self.input_quantization = _scale_and_zero_point(inputs)
        self.output_quantization = _scale_and_zero_point(outputs)
        self.dtype = np.dtype(inputs["dtype"]).name
        self.num_features = window[2]
        self.num_classes = int(outputs["shape"][-1])
        self.runtime = type(interpreter).__module__.partition(".")[0]
        self._interpreter = interpreter
        self._input, self._output = inputs["index"], outputs["index"]
        self._batch = self._resize()

    @classmethod
    def load(
        cls,
        model: bytes | str | Path,
        receptive_field: ReceptiveField | None = None,
        num_threads: int = 1,
    ) -> "Int8Student":
        """Loads a converted student.

        Args:
            model: `student.tflite` of `convert`, its bytes, or its directory.
            receptive_field: the context; by default that in `report.json` beside the
                file.
            num_threads: threads to run on.

        Returns:
            The student.

        Raises:
            FileNotFoundError: if there is no such file, or no report beside it.
            ValueError: if the file is no int8 student or not the one of its report,
                `model` is bytes without a `receptive_field`, or the receptive field is
                not that of the file.
        """
        if not isinstance(model, bytes):
            model = Path(model)
            model = model / "student.tflite" if model.is_dir() else model
        content = model if isinstance(model, bytes) else model.read_bytes()
        if receptive_field is None:
            receptive_field = _stored_receptive_field(model, content)
        return cls(load_interpreter(content, num_threads), receptive_field)

    def over(self, field: ReceptiveField) -> "Int8Student":
        """Returns the student with another field of as many frames.

        Args:
            field: such as `WholeClip.moving`, with which utterances of any length give
                logits of a window that moves over them.
        """
        other = copy.copy(self)
        other.receptive_field = field
        return other

    def predict(
        self, utterances: np.ndarray | Iterable[np.ndarray]
    ) -> np.ndarray | list[np.ndarray]:
        """Computes the logits of utterances.

        Args:
            utterances: `(batch, frames, features)`, where all-zero frames at the end
                are padding, or a list of `(frames, features)`.

        Returns:
            float32 logits `(batch, ceil(frames / stride), classes)`, zero at padding,
            or a list of `(ceil(frames / stride), classes)`. Of an utterance-level
            student `(batch, classes)`, or a list of `(classes,)`.

        Raises:
            ValueError: if an utterance is not `(frames, features)`, or a clip has
                another number of frames than the student takes.
        """
        if self.receptive_field.is_clip:
            logits = [self._logits(self._clip(x))[0] for x in utterances]
            return np.stack(logits) if isinstance(utterances, np.ndarray) else logits
        if not isinstance(utterances, np.ndarray):
            return [self._logits(np.asarray(x, np.float32)) for x in utterances]
        if utterances.ndim != 3:
            expected = "(batch, frames, features), or a list of (frames, features)"
            raise ValueError(invalid("utterances", expected, utterances.shape))
        batch, frames, _ = utterances.shape
        length = -(-frames // self.receptive_field.stride)
        logits = np.zeros((batch, length, self.num_classes), np.float32)
        for row, utterance in zip(logits, utterances, strict=True):
            found = self._logits(without_padding(utterance))
            row[: len(found)] = found
        return logits

    def _clip(self, clip):
        clip = np.asarray(clip, np.float32)
        return clip[..., 0] if clip.shape[1:] == (self.num_features, 1) else clip

    def integer_logits(self, windows: np.ndarray) -> np.ndarray:
        """Computes what the interpreter gives for context windows.

        Args:
            windows: integers of the student's `dtype`, `(windows, window, features)`.

        Returns:
            Integers of the same type, `(windows, classes)`.
        """
        logits = np.empty((len(windows), self.num_classes), self.dtype)
        for start in range(0, len(windows), self._batch):
            part = windows[start : start + self._batch]
            logits[start : start + self._batch] = self._run(part)
        return logits

    def _logits(self, utterance):
        if utterance.ndim != 2 or utterance.shape[1] != self.num_features:
            expected = f"utterances of shape (frames, {self.num_features})"
            raise ValueError(invalid("utterances", expected, utterance.shape))
        if not len(utterance):
            return np.zeros((0, self.num_classes), np.float32)
        scale, zero_point = self.input_quantization
        least, most = np.iinfo(self.dtype).min, np.iinfo(self.dtype).max
        quantized = np.clip(np.rint(utterance / scale) + zero_point, least, most)
        windows = context_windows(quantized.astype(self.dtype), self.receptive_field)
        logits = self.integer_logits(windows)
        scale, zero_point = self.output_quantization
        return (logits.astype(np.float32) - zero_point) * np.float32(scale)

    def _run(self, windows):
        missing = self._batch - len(windows)
        filled = np.pad(windows, ((0, missing), (0, 0), (0, 0))) if missing else windows
        self._interpreter.set_tensor(self._input, np.ascontiguousarray(filled))
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output)[: len(windows)]

    def _resize(self):
        """Makes the input a batch of windows if the graph allows it."""
        window = (self.receptive_field.window, self.num_features)
        # A clip is much work for one call, and comes alone.
        for batch in (1,) if self.receptive_field.is_clip else (_BATCH, 1):
            with captured_output():
                try:
                    self._interpreter.resize_tensor_input(self._input, [batch, *window])
                    self._interpreter.allocate_tensors()
                except (RuntimeError, ValueError):  # a reshape that fixes the batch
                    if batch == 1:
                        raise
                    continue
            if len(self._interpreter.get_tensor(self._output)) == batch:
                return batch
        raise ValueError(invalid("interpreter", "one output row per window", window))


def context_windows(
    utterance: np.ndarray, receptive_field: ReceptiveField
) -> np.ndarray:
    """Cuts an utterance into context windows, edge frames repeated beyond its ends.

    Args:
        utterance: `(frames, features)`, at least one frame.
        receptive_field: the context. A whole clip is one window.

    Returns:
        `(ceil(frames / stride), window, features)`, a view that cannot be written to.

    Raises:
        ValueError: if a clip has another number of frames than the window.

    Example:
        >>> x = np.array([[1], [2], [3]])
        >>> context_windows(x, ReceptiveField(left=1, right=1))[:, :, 0].tolist()
        [[1, 1, 2], [1, 2, 3], [2, 3, 3]]
    """
    if receptive_field.is_clip:
        if len(utterance) != receptive_field.window:
            expected = f"clips of {receptive_field.window} frames"
            received = f"{len(utterance)} frames"
            raise ValueError(invalid("utterances", expected, received))
        return utterance[None]
    edges = (receptive_field.left, receptive_field.right)
    padded = np.pad(utterance, (edges, (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(
        padded, receptive_field.window, axis=0
    )
    return windows[:: receptive_field.stride].transpose(0, 2, 1)


def _scale_and_zero_point(details):
    if details["dtype"] not in (np.int8, np.int16):
        received = np.dtype(details["dtype"]).name
        raise ValueError(invalid("model", "int8 or int16 input and output", received))
    scale, zero_point = details["quantization"]
    return float(scale), int(zero_point)


def _stored_receptive_field(model, content):
    if isinstance(model, bytes):
        hint = "Bytes say nothing of the context: pass the one of the report"
        raise ValueError(invalid("receptive_field", "a ReceptiveField", None, hint))
    report = json.loads((model.parent / "report.json").read_text(encoding="utf-8"))
    if hashlib.sha256(content).hexdigest() != report["sha256"]:
        expected = f"the file of report.json, SHA-256 {report['sha256']}"
        hint = "It is damaged or from another conversion: convert the student again"
        raise ValueError(invalid("model", expected, model.name, hint))
    return field_of(report["context"])
