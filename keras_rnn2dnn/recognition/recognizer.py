"""From speech to words on the host: a bundle in TensorFlow Lite, whole or in a stream.

Features, rounding to int8 and decoder are those of `deploy.device`; only the network
runs in TensorFlow Lite, whose rounding may differ from the device's by one quantum.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.audio.formats.decoding import decode_file
from keras_rnn2dnn.deploy.bundle import check_of_stream, check_parts
from keras_rnn2dnn.deploy.device.decoder import CtcTables
from keras_rnn2dnn.deploy.device.decoders import (
    DECODERS,
    Decoder,
    decoder_tables,
    field_in_stream,
    labels_of,
)
from keras_rnn2dnn.deploy.device.events import (
    OVER,
    Found,
    Limits,
    RecognizedWord,
    Reporter,
    Utterance,
    threshold_steps,
    words_of,
)
from keras_rnn2dnn.deploy.device.features import feature_tables
from keras_rnn2dnn.deploy.device.keywords import SpotterTables
from keras_rnn2dnn.deploy.loading import decoder_of, load_bundle
from keras_rnn2dnn.hmm.reporting import as_keywords
from keras_rnn2dnn.quantization.interpreter import Int8Student
from keras_rnn2dnn.recognition import streaming
from keras_rnn2dnn.recognition.transcript import Latency, Transcript
from keras_rnn2dnn.util.errors import invalid

_PIECE = 1 << 16  # samples at a time, to bound memory


class Recognizer:
    """Recognises speech with the int8 student of a bundle, on the host.

    Args:
        student: int8, as `convert` wrote it.
        spec: of its features, with `centering` `"running"` or `"none"`.
        decoder: `WordLoopDecoder` without a bigram, or `GreedyDecoder`; of a student
            of whole clips `KeywordSpotter`.
        threshold: least confidence of a word that is reported; None: as the decoder
            says.

    Attributes:
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
        student: Int8Student,
        spec: FeatureSpec,
        decoder: Decoder,
        threshold: float | None = None,
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
        check_of_stream(decoder, student.receptive_field.is_clip)
        check_parts(spec, decoder, student.num_classes, ())
        feature_tables(spec)  # raises for features that a stream cannot have
        student = student.over(field_in_stream(student.receptive_field, decoder, spec))
        self.student, self.spec, self.reporting = student, spec, decoder.reporting
        self.threshold = self.reporting.threshold if threshold is None else threshold
        self.limits = Limits.of(self.reporting, spec, student.receptive_field)
        scale, field = student.output_quantization[0], student.receptive_field
        self.tables = decoder_tables(decoder, scale, self.limits, field)
        self.labels = labels_of(decoder)
        self.keywords = self.reporting.keywords

    @classmethod
    def load(
        cls, directory: str | Path, threshold: float | None = None
    ) -> "Recognizer":
        """Loads a bundle, after its files were compared with their SHA-256 sums.

        Args:
            directory: what `convert` wrote, with `feature_spec` and `decode`.
            threshold: see the constructor.

        Raises:
            FileNotFoundError: if there is no bundle, or one of its files is missing.
            ValueError: if one was changed, or there is no feature specification or no
                decoder in it, or as of the constructor.
        """
        bundle, name = load_bundle(directory), str(directory)
        try:
            spec = FeatureSpec.from_dict(bundle.report["feature_spec"])
            decoder = decoder_of(bundle.report["decoder"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            hint = "Convert the student with both: `feature_spec` and `decode` of "
            hint += "`convert`, or --features and --decoder of `rnn2dnn convert`"
            if bundle.student.receptive_field.is_clip:
                hint += ". For whole clips: Int8Student.load(...).predict(clips)"
            expected = "a bundle with a feature specification and a decoder"
            raise ValueError(invalid("directory", expected, name, hint)) from error
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
        spec, field = self.spec, self.student.receptive_field
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
        samples = frame * self.student.receptive_field.stride * self.spec.frame_step
        return samples * 1000 // self.sample_rate_hz

    @property
    def separator(self) -> str:
        """What stands between two labels in a text: nothing if one is a space."""
        return "" if " " in self.labels else " "

    def stream(self) -> "Stream":
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


class Stream:
    """An utterance that comes in pieces of any size; see `Recognizer.stream`.

    However it is cut, the words are the same, and come as soon as they are certain.

    Args:
        recognizer: what recognises it.
    """

    def __init__(self, recognizer: Recognizer):
        limits = recognizer.limits
        self._recognizer = recognizer
        self._decoder = streaming.frame_by_frame(recognizer.tables, limits)
        self._reporter = Reporter.of(
            recognizer.reporting, recognizer.labels, limits, recognizer.milliseconds
        )
        self._logits = streaming.LogitStream(recognizer.student, recognizer.spec)
        self._events: list[RecognizedWord | Utterance] = []
        self._delays_ms: list[int] = []
        self._samples, self._busy_s, self._ended = 0, 0.0, False

    def push(self, pcm: np.ndarray) -> list[RecognizedWord]:
        """Takes the next samples.

        Args:
            pcm: at the recognizer's rate: int16, or floats in [-1, 1], `(samples,)`.

        Returns:
            The words that became certain, with their times since the stream began.

        Raises:
            ValueError: if it is no such array, or the stream has ended.
        """
        return words_of(self.push_events(pcm))

    def push_events(self, pcm: np.ndarray) -> list[RecognizedWord | Utterance]:
        """Takes the next samples; see `push`.

        Returns:
            The words that became certain, and the utterances that are over, in the
            order in which the device reports them.
        """
        begin, before = self._begin()
        pcm = streaming.int16_samples(pcm)
        for start in range(0, len(pcm), _PIECE):
            piece = pcm[start : start + _PIECE]
            self._samples += len(piece)
            self._decode(self._logits.push(piece))
        self._busy_s += time.perf_counter() - begin
        return self._events[before:]

    def finish(self) -> list[RecognizedWord]:
        """Ends the utterance, and returns the words that are left.

        Raises:
            ValueError: if the stream has ended.
        """
        return words_of(self.finish_events())

    def finish_events(self) -> list[RecognizedWord | Utterance]:
        """Ends the utterance; see `finish`. The last event is its end, if any."""
        begin, before = self._begin()
        self._decode(self._logits.finish())
        self._add(self._decoder.finish(), self._samples)
        if self._recognizer.reporting.decide_ms is not None:  # earlier bundles end none
            frame = self._decoder.frame
            self._add([Found(OVER, frame, frame, 0)], self._samples)
        self._busy_s += time.perf_counter() - begin
        self._ended = True
        return self._events[before:]

    @property
    def transcript(self) -> Transcript:
        """All that was recognised so far."""
        recognizer, words = self._recognizer, words_of(self._events)
        text = recognizer.separator.join(word.text for word in words)
        return Transcript(
            tuple(words),
            " ".join(text.split()),
            tuple(self._delays_ms),
            self._samples / recognizer.sample_rate_hz,
            self._busy_s,
            tuple(e for e in self._events if isinstance(e, Utterance)),
        )

    def _begin(self):
        if self._ended:
            raise ValueError("The stream has ended. Call `recognizer.stream()` anew")
        return time.perf_counter(), len(self._events)

    def _decode(self, logits):
        spec, field = self._recognizer.spec, self._recognizer.student.receptive_field
        for row in logits:
            frames = self._decoder.frame * field.stride + field.right + 1
            heard = min(spec.num_samples(frames), self._samples)
            self._add(self._decoder.step(row), heard)

    def _add(self, found, heard):
        """Keeps what became certain when so many samples were heard."""
        self._reporter.threshold = threshold_steps(self._recognizer.threshold)
        self._reporter.keywords = self._recognizer.keywords
        rate = self._recognizer.sample_rate_hz
        for event in self._reporter.take(found):
            self._events.append(event)
            if isinstance(event, RecognizedWord):
                self._delays_ms.append(heard * 1000 // rate - event.end_ms)
