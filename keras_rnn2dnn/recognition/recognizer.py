"""From speech to words on the host, whole or in a stream: what the device finds.

The C code of a bundle computes, as a library for this machine; where there is no
compiler, its arithmetic in numpy (`deploy.device`): the same words, times and
confidences, to the bit. A student that the C code does not run is left to TensorFlow
Lite.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.audio.formats.decoding import decode_file
from keras_rnn2dnn.deploy.device.decoder import CtcTables
from keras_rnn2dnn.deploy.device.decoders import (
    DECODERS,
    Decoder,
    check_classes,
    check_of_clips,
    decoder_tables,
    field_in_stream,
    labels_of,
)
from keras_rnn2dnn.deploy.device.events import Limits
from keras_rnn2dnn.deploy.device.features import (
    FeatureTables,
    check_example_norm,
    check_of_stream,
)
from keras_rnn2dnn.deploy.device.keywords import SpotterTables
from keras_rnn2dnn.deploy.device.recognizer import DeviceNetwork
from keras_rnn2dnn.deploy.loading import decoder_of, load_bundle, load_host_parts
from keras_rnn2dnn.hmm.reporting import as_keywords
from keras_rnn2dnn.keywords import KeywordSpotter
from keras_rnn2dnn.quantization.interpreter import Int8Student
from keras_rnn2dnn.quantization.receptive_field import field_of
from keras_rnn2dnn.recognition.compiled import CompiledStages
from keras_rnn2dnn.recognition.library import bundle_library
from keras_rnn2dnn.recognition.stream import Stream
from keras_rnn2dnn.recognition.streaming import Stages
from keras_rnn2dnn.recognition.transcript import Latency, Transcript
from keras_rnn2dnn.util.errors import invalid

ENGINES = ("c", "numpy", "tflite")


class Recognizer:
    """Recognises speech with the int8 student of a bundle, on the host.

    Args:
        student: int8, as `convert` wrote it; or of a bundle's C code `DeviceNetwork`,
            its network in numpy.
        spec: of its features, with `centering` `"running"` or `"none"`.
        decoder: `WordLoopDecoder` without a bigram, or `GreedyDecoder`; of a student
            of whole clips `KeywordSpotter`.
        threshold: least confidence of a word that is reported; None: as the decoder
            says.
        features: tables of the features; None: as `spec` gives them, by TensorFlow.

    Attributes:
        engine: what computes: one of `ENGINES`.
        labels: what may be recognised.
        threshold: may be changed at any time, for open streams too; -inf: all words.
        keywords: the words that are reported, likewise; None: all of them.

    Raises:
        ValueError: if the three do not fit together, the student is not int8, or there
            is no stream of such features or of such a decoder.

    Example:
        >>> from keras_rnn2dnn import Recognizer, convert
        >>> from keras_rnn2dnn.ctc import GreedyDecoder
        >>> student = keras.Sequential(
        ...     [keras.Input((None, 8)), keras.layers.Dense(2, name="logits")])
        >>> student.layers[0].set_weights([np.zeros((8, 2)), np.array([0.0, 1.0])])
        >>> _ = convert(  # a student that hears "yes" in everything
        ...     student, "bundle", np.random.default_rng(0).normal(size=(20, 50, 8)),
        ...     feature_spec=FeatureSpec(8000, num_bins=8),
        ...     decode=GreedyDecoder(("", "yes")))
        >>> recognizer = Recognizer.load("bundle")
        >>> print(recognizer.transcribe(np.zeros(8000, np.int16)))
        yes
        >>> stream = recognizer.stream()
        >>> stream.push(np.zeros(4000, np.int16))
        []
        >>> stream.finish()
        [RecognizedWord(text='yes', index=1, start_ms=0, end_ms=480, confidence=0.9...)]
    """

    def __init__(
        self,
        student: Int8Student | DeviceNetwork,
        spec: FeatureSpec,
        decoder: Decoder,
        threshold: float | None = None,
        features: FeatureTables | None = None,
    ):
        if student.dtype != "int8":
            hint = "Convert it with int8 activations"
            raise ValueError(invalid("student", "int8 logits", student.dtype, hint))
        if spec.num_features != student.num_features:
            expected = f"features of {student.num_features} {spec.unit}"
            received = f"{spec.num_features} {spec.unit}"
            raise ValueError(invalid("spec", expected, received))
        if not isinstance(decoder, tuple(DECODERS.values())):
            expected = "a WordLoopDecoder, a GreedyDecoder or a KeywordSpotter"
            raise ValueError(invalid("decoder", expected, type(decoder).__name__))
        check_of_clips(decoder, student.receptive_field.is_clip)
        check_classes(decoder, student.num_classes)
        check_of_stream(spec)
        check_example_norm(spec, isinstance(decoder, KeywordSpotter))
        self.field = field_in_stream(student.receptive_field, decoder, spec)
        self.student, self.spec = student.over(self.field), spec
        self.features, self.reporting = features, decoder.reporting
        self.engine = "numpy" if isinstance(student, DeviceNetwork) else "tflite"
        self._library = None
        self.threshold = self.reporting.threshold if threshold is None else threshold
        self.limits = Limits.of(self.reporting, spec, self.field)
        scale = student.output_quantization[0]
        self.tables = decoder_tables(decoder, scale, self.limits, self.field)
        self.labels = labels_of(decoder)
        self.keywords = self.reporting.keywords

    @classmethod
    def load(
        cls,
        directory: str | Path,
        threshold: float | None = None,
        engine: str | None = None,
    ) -> "Recognizer":
        """Loads a bundle, after what is used was compared with its SHA-256 sums.

        Args:
            directory: what `convert` wrote, with `feature_spec` and `decode`.
            threshold: see the constructor.
            engine: `"c"`: its C code, compiled once and kept, whoever wrote it;
                `"numpy"`: the same arithmetic; `"tflite"`: the network in TensorFlow
                Lite, which may round a logit to the neighbouring value. None: the C
                code if it is the one that this package writes for such a bundle and
                there is a C compiler, or else numpy; TensorFlow Lite for a student that
                the C code does not run.

        Raises:
            FileNotFoundError: if there is no bundle, or one of its files is missing.
            ValueError: if one was changed, or there is no feature specification or no
                decoder in it, the bundle has no C code for the engine, or as of the
                constructor.
            RuntimeError: if the C code that was asked for does not compile.
        """
        if engine not in (None, *ENGINES):
            raise ValueError(invalid("engine", f"one of {ENGINES}, or None", engine))
        parts = None if engine == "tflite" else load_host_parts(directory)
        if parts is None:
            return cls._in_tflite(directory, threshold, engine)
        given = parts.network, parts.spec, parts.decoder, threshold, parts.features
        recognizer = cls(*given)
        if engine != "numpy":
            recognizer._library = bundle_library(recognizer, parts, engine == "c")
            recognizer.engine = "c" if recognizer._library else "numpy"
        return recognizer

    @classmethod
    def _in_tflite(cls, directory, threshold, engine):
        """Loads a bundle whose network TensorFlow Lite is to run."""
        bundle, name = load_bundle(directory), str(directory)
        try:
            spec = FeatureSpec.from_dict(bundle.report["feature_spec"])
            decoder = decoder_of(bundle.report["decoder"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            hint = "Convert the student with both: `feature_spec` and `decode` of "
            hint += "`convert`, or --features and --decoder of `rnn2dnn convert`"
            if field_of(bundle.report["context"]).is_clip:
                hint += ". For whole clips: Int8Student.load(...).predict(clips)"
            expected = "a bundle with a feature specification and a decoder"
            raise ValueError(invalid("directory", expected, name, hint)) from error
        if engine not in (None, "tflite"):
            expected = f"a bundle with C code from PCM to words for engine={engine!r}"
            hint = bundle.report["firmware"].get("refused") or ""
            raise ValueError(invalid("directory", expected, name, hint))
        return cls(bundle.student, spec, decoder, threshold)

    @property
    def keywords(self) -> tuple[str, ...] | None:
        """The words that are reported; None: all of them."""
        return self._keywords

    @keywords.setter
    def keywords(self, words: Sequence[str] | str | None) -> None:
        self._keywords = as_keywords(words, self.labels)

    @property
    def sample_rate_hz(self) -> int:
        """Of the PCM that is pushed."""
        return self.spec.sample_rate_hz

    @property
    def latency(self) -> Latency:
        """How late words are, whatever the speed of the machine."""
        spec, field = self.spec, self.field
        frames = 1 if isinstance(self.tables, CtcTables) else self.limits.history
        if isinstance(self.tables, SpotterTables):
            frames = self.tables.smoothed
        return Latency(
            spec.frame_length_ms,
            field.right * spec.frame_step_ms,
            frames * field.stride * spec.frame_step_ms,
        )

    def milliseconds(self, frame: int) -> int:
        """Returns the start of an output frame."""
        samples = frame * self.field.stride * self.spec.frame_step
        return samples * 1000 // self.sample_rate_hz

    @property
    def separator(self) -> str:
        """What stands between two labels in a text: nothing if one is a space."""
        return "" if " " in self.labels else " "

    def stages(self) -> Stages | CompiledStages:
        """Begins an utterance of int16 samples, without what `Stream` adds."""
        if self._library is not None:
            return CompiledStages(self, self._library)
        return Stages(self)

    def stream(self) -> Stream:
        """Begins an utterance, which comes in pieces.

        Several streams may be open at a time, but not in several threads.
        """
        return Stream(self)

    def transcribe(self, audio: str | Path | np.ndarray) -> Transcript:
        """Recognises a whole utterance, with the words that a stream gives.

        Args:
            audio: path of a WAV, FLAC, MP3 or Ogg Vorbis file of any rate, or samples
                at `sample_rate_hz`: int16, or floats in [-1, 1], `(samples,)`.

        Returns:
            The words, and what they cost.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it cannot be decoded, or the samples are no such array.
            ImportError: if an extra is missing; holds the pip line.
        """
        if isinstance(audio, str | Path):
            audio = decode_file(audio, self.sample_rate_hz)
        stream = self.stream()
        stream.push(audio)
        stream.finish()
        return stream.transcript
