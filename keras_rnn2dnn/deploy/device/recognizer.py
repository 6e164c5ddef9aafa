"""The whole device in numpy: from PCM to words, with the arithmetic of the C code."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np

from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.deploy.device.decoders import (
    Decoder,
    Tables,
    check_classes,
    decoder_tables,
    field_in_stream,
    findings,
    labels_of,
)
from keras_rnn2dnn.deploy.device.events import (
    OVER,
    Found,
    Limits,
    RecognizedWord,
    Reporter,
    Utterance,
    words_of,
)
from keras_rnn2dnn.deploy.device.features import (
    check_example_norm,
    check_of_stream,
    device_features,
    quantized_features,
)
from keras_rnn2dnn.deploy.device.images.moving import Moving, moving
from keras_rnn2dnn.deploy.device.images.operators import ImageNetwork
from keras_rnn2dnn.deploy.device.images.reading import read_images
from keras_rnn2dnn.deploy.device.images.running import run_images
from keras_rnn2dnn.deploy.device.layers import (
    Int8Layer,
    UnsupportedStudent,
    quantization,
    read_layers,
)
from keras_rnn2dnn.deploy.device.network import run_network
from keras_rnn2dnn.deploy.device.normalizing import normalized_batches
from keras_rnn2dnn.hmm import WordLoopDecoder
from keras_rnn2dnn.keywords import KeywordSpotter
from keras_rnn2dnn.quantization.interpreter import Int8Student, context_windows
from keras_rnn2dnn.quantization.receptive_field import ReceptiveField
from keras_rnn2dnn.quantization.tflite_file import read_graph
from keras_rnn2dnn.util.errors import invalid


@dataclasses.dataclass(frozen=True, eq=False)
class DeviceNetwork:
    """The int8 network of a bundle.

    Args:
        layers: of `read_layers`; or of `read_images` a network of two-dimensional
            operators.
        field: context of the student.
        input_quantization: `(scale, zero_point)` of the features.
        output_quantization: `(scale, zero_point)` of the logits.
        num_features: features of a frame.
        rounding: `"double"` or `"single"`; see `run_network`.
        keeps: whether a window that moves on keeps what it has in common with the one
            before. That changes no bit.
    """

    layers: Sequence[Int8Layer] | ImageNetwork
    field: ReceptiveField
    input_quantization: tuple[float, int]
    output_quantization: tuple[float, int]
    num_features: int
    rounding: str = "double"
    keeps: bool = False

    @classmethod
    def of(cls, tflite: bytes, student: Int8Student) -> "DeviceNetwork":
        """Reads a converted student.

        Args:
            tflite: its file.
            student: the same file, loaded.

        Raises:
            UnsupportedStudent: if the C code does not run it.
        """
        return cls.read(tflite, student.receptive_field)

    @classmethod
    def read(cls, tflite: bytes, field: ReceptiveField) -> "DeviceNetwork":
        """Reads a converted student, whose context is known.

        Args:
            tflite: its file.
            field: its context.

        Raises:
            UnsupportedStudent: if the C code does not run it.
            ValueError: if the file is damaged.
        """
        graph = read_graph(tflite)
        (first,), (last,) = graph.inputs, graph.outputs
        first, last = graph.tensors[first], graph.tensors[last]
        return cls(
            _layers(tflite),
            field,
            quantization(first),
            quantization(last),
            first.shape[2],
        )

    def quantized(self, features: np.ndarray) -> np.ndarray:
        """Rounds features `(frames, features)` to int8, as the device does."""
        return quantized_features(features, *self.input_quantization)

    def dequantized(self, logits: np.ndarray) -> np.ndarray:
        """Returns int8 logits as numbers, float32 of the same shape."""
        scale, zero_point = self.output_quantization
        return (logits.astype(np.float32) - zero_point) * np.float32(scale)

    def logits(self, quantized: np.ndarray) -> np.ndarray:
        """Computes the int8 logits of an utterance.

        Args:
            quantized: int8 `(frames, features)`.

        Returns:
            int8 `(ceil(frames / stride), classes)`.
        """
        if not len(quantized):
            return np.zeros((0, self.outputs), np.int8)
        return self.run(context_windows(quantized, self.field))

    def run(self, windows: np.ndarray, rounding: str | None = None) -> np.ndarray:
        """Computes the int8 logits of windows.

        Args:
            windows: int8 `(windows, frames, features)`.
            rounding: `"double"` or `"single"`; by default that of the network.

        Returns:
            int8 `(windows, classes)`.
        """
        rounding = rounding or self.rounding
        if not self.is_images:
            return run_network(self.layers, windows, rounding)
        return run_images(self.layers, windows.reshape(len(windows), -1), rounding)

    @property
    def dtype(self) -> str:
        """Of features and logits. With what follows it stands for an `Int8Student`."""
        return "int8"

    @property
    def receptive_field(self) -> ReceptiveField:
        """The context of the student."""
        return self.field

    @property
    def num_classes(self) -> int:
        """Classes."""
        return self.outputs

    def integer_logits(self, windows: np.ndarray) -> np.ndarray:
        """Computes the int8 logits of windows; see `run`."""
        return self.run(windows)

    def over(self, field: ReceptiveField) -> "DeviceNetwork":
        """Returns the network with another field of as many frames."""
        return dataclasses.replace(self, field=field)

    @property
    def is_images(self) -> bool:
        """Whether its layers are two-dimensional, which have C code of their own."""
        return isinstance(self.layers, ImageNetwork)

    @functools.cached_property
    def moving(self) -> Moving | None:
        """What a window that moves on keeps; None: nothing."""
        if not self.keeps or not self.is_images or self.field.is_clip:
            return None
        return moving(self.layers, self.field.window, self.field.stride)

    @property
    def inputs(self) -> int:
        """Values of a window."""
        return self.field.window * self.num_features

    @property
    def outputs(self) -> int:
        """Classes."""
        return self.layers.outputs if self.is_images else self.layers[-1].outputs

    @property
    def multiply_accumulates(self) -> int:
        """Products in one window."""
        if self.is_images:
            return self.layers.multiply_accumulates
        return sum(layer.multiply_accumulates for layer in self.layers)


def _layers(tflite):
    """Reads a row of dense layers and convolutions, or what else the C code runs."""
    try:
        return read_layers(tflite)
    except UnsupportedStudent:
        return read_images(tflite)


@dataclasses.dataclass(frozen=True, eq=False)
class DeviceRecognizer:
    """From PCM to words as the device computes them, to the bit.

    Args:
        network: the int8 network.
        spec: of the features.
        decoder: `WordLoopDecoder` without a bigram, or `GreedyDecoder`; of a network of
            whole clips a `KeywordSpotter`, which makes a window of them that moves on.

    Raises:
        ValueError: if a device cannot compute the features or run the decoder, or they
            do not fit the network.
    """

    network: DeviceNetwork
    spec: FeatureSpec
    decoder: Decoder

    def __post_init__(self):
        check_of_stream(self.spec)
        check_example_norm(self.spec, isinstance(self.decoder, KeywordSpotter))
        if self.spec.example_norm != "none" and self.network.keeps:
            expected = "False: a window that is normalized has nothing in common"
            raise ValueError(invalid("keep_images", expected, True))
        if self.spec.num_features != self.network.num_features:
            expected = f"features of {self.network.num_features} {self.spec.unit}"
            received = f"{self.spec.num_features} {self.spec.unit}"
            raise ValueError(invalid("feature_spec", expected, received))
        field = field_in_stream(self.network.field, self.decoder, self.spec)
        network = dataclasses.replace(self.network, field=field)
        object.__setattr__(self, "network", network)
        _ = self.tables  # raises for what the device does not decode
        check_classes(self.decoder, self.network.outputs)

    @functools.cached_property
    def limits(self) -> Limits:
        """The times by which the decoder decides, in output frames."""
        return Limits.of(self.decoder.reporting, self.spec, self.network.field)

    @functools.cached_property
    def tables(self) -> Tables:
        """The decoder in the integers of the device."""
        scale = self.network.output_quantization[0]
        return decoder_tables(self.decoder, scale, self.limits, self.network.field)

    @property
    def is_word_loop(self) -> bool:
        """Whether it searches a loop of words."""
        return isinstance(self.decoder, WordLoopDecoder)

    @property
    def words(self) -> tuple[str, ...]:
        """What may be recognised."""
        return labels_of(self.decoder)

    def features(self, pcm: np.ndarray) -> np.ndarray:
        """Computes the features of int16 PCM, float32 `(frames, bins)`."""
        return device_features(pcm, self.spec)

    def logits(self, pcm: np.ndarray) -> np.ndarray:
        """Computes the int8 logits of int16 PCM, `(output frames, classes)`."""
        return self.logits_of(self.features(pcm))

    def logits_of(self, features: np.ndarray) -> np.ndarray:
        """Computes the int8 logits of `features`, `(output frames, classes)`."""
        network, over = self.network, self.spec.example_norm
        if over == "none" or not len(features):
            return network.logits(network.quantized(features))
        windows = context_windows(features, network.field)
        parts = normalized_batches(windows, over)
        return np.concatenate([network.run(network.quantized(x)) for x in parts])

    def decode(self, logits: Sequence[np.ndarray]) -> list[list[RecognizedWord]]:
        """Finds the words in int8 logits.

        Args:
            logits: int8 `(frames, classes)` of each utterance.

        Returns:
            The words of each utterance.
        """
        return [words_of(events) for events in self.events(logits)]

    def events(
        self, logits: Sequence[np.ndarray]
    ) -> list[list[RecognizedWord | Utterance]]:
        """Finds the words in int8 logits, and where utterances are over.

        Args:
            logits: int8 `(frames, classes)` of each recording.

        Returns:
            For each recording words and ends of utterances, as they are reported.
        """
        return [self.reported(one) for one in self.found(logits)]

    def reported(self, found: Sequence[Found]) -> list[RecognizedWord | Utterance]:
        """Returns what is reported of the findings in a recording."""
        limits, reporting = self.limits, self.decoder.reporting
        return Reporter.of(reporting, self.words, limits, self._ms).take(found)

    def found(self, logits: Sequence[np.ndarray]) -> list[list[Found]]:
        """Returns what the decoder finds, of which `events` reports a part."""
        found = findings(self.tables, logits, self.limits)
        if self.decoder.reporting.decide_ms is None:
            return found
        over = [Found(OVER, len(z), len(z), 0) for z in logits]
        return [[*one, end] for one, end in zip(found, over, strict=True)]

    def recognize(
        self,
        recordings: Sequence[np.ndarray],
        on_progress: Callable[[float], None] | None = None,
    ) -> list[list[RecognizedWord]]:
        """Recognises recordings.

        Args:
            recordings: int16 `(samples,)` of each.
            on_progress: called with the share that is done.

        Returns:
            The words of each.
        """
        logits = self._all_logits(recordings, on_progress)
        return self.decode(logits)

    def hear(
        self, recordings: Sequence[np.ndarray]
    ) -> list[list[RecognizedWord | Utterance]]:
        """Returns words and ends of utterances of int16 recordings, `(samples,)`."""
        return self.events(self._all_logits(recordings))

    def _all_logits(self, recordings, on_progress=None):
        logits = []
        for number, pcm in enumerate(recordings, 1):
            logits.append(self.logits(pcm))
            if on_progress:
                on_progress(number / len(recordings))
        return logits

    def _ms(self, frame):
        samples = frame * self.network.field.stride * self.spec.frame_step
        return samples * 1000 // self.spec.sample_rate_hz
