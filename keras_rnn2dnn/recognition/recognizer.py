"""From speech to words on the host: a bundle in TensorFlow Lite, whole or in a stream.

Features, rounding to int8 and decoder are those of `deploy.device`; only the network
runs in TensorFlow Lite, whose rounding may differ from the device's by one quantum.
"""

import time
from pathlib import Path

import numpy as np

from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.audio.formats.decoding import decode_file
from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.deploy.bundle import DECODERS, check_parts
from keras_rnn2dnn.deploy.device import RecognizedWord
from keras_rnn2dnn.deploy.device.decoder import word_loop_tables
from keras_rnn2dnn.deploy.device.features import feature_tables
from keras_rnn2dnn.deploy.loading import load_bundle
from keras_rnn2dnn.hmm import WordLoopDecoder
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
        decoder: `WordLoopDecoder` without a bigram, or `GreedyDecoder`.

    Attributes:
        labels: what may be recognised.

    Raises:
        ValueError: if the three do not fit together, the student is not int8, or there
            is no stream of such features or of such a decoder.

    Example:
        >>> from keras_rnn2dnn import Recognizer, convert
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
        [RecognizedWord(text='yes', index=1, start_ms=0, end_ms=480)]
    """

    def __init__(
        self,
        student: Int8Student,
        spec: FeatureSpec,
        decoder: WordLoopDecoder | GreedyDecoder,
    ):
        if student.dtype != "int8":
            hint = "Convert it with int8 activations"
            raise ValueError(invalid("student", "int8 logits", student.dtype, hint))
        if spec.num_bins != student.num_features:
            expected = f"features of {student.num_features} bins"
            raise ValueError(invalid("spec", expected, f"{spec.num_bins} bins"))
        if not isinstance(decoder, tuple(DECODERS.values())):
            expected = "a WordLoopDecoder or a GreedyDecoder"
            raise ValueError(invalid("decoder", expected, type(decoder).__name__))
        check_parts(spec, decoder, student.num_classes, ())
        feature_tables(spec)  # raises for features that a stream cannot have
        self.student, self.spec, self.tables = student, spec, decoder
        self.labels = getattr(decoder, "labels", ())
        if isinstance(decoder, WordLoopDecoder):
            self.tables = word_loop_tables(decoder, student.output_quantization[0])
            self.labels = self.tables.words

    @classmethod
    def load(cls, directory: str | Path) -> "Recognizer":
        """Loads a bundle, after its files were compared with their SHA-256 sums.

        Args:
            directory: what `convert` wrote, with `feature_spec` and `decode`.

        Raises:
            FileNotFoundError: if there is no bundle, or one of its files is missing.
            ValueError: if one was changed, or there is no feature specification or no
                decoder in it, or as of the constructor.
        """
        bundle, name = load_bundle(directory), str(directory)
        try:
            spec = FeatureSpec.from_dict(bundle.report["feature_spec"])
            fields = dict(bundle.report["decoder"])
            decoder = DECODERS[fields.pop("kind")].from_dict(fields)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            hint = "Convert the student with both: `feature_spec` and `decode` of "
            hint += "`convert`, or --features and --decoder of `rnn2dnn convert`"
            expected = "a bundle with a feature specification and a decoder"
            raise ValueError(invalid("directory", expected, name, hint)) from error
        return cls(bundle.student, spec, decoder)

    @property
    def sample_rate_hz(self) -> int:
        """Of the PCM that is pushed."""
        return self.spec.sample_rate_hz

    @property
    def latency(self) -> Latency:
        """How late words are, whatever the speed of the machine."""
        spec, field = self.spec, self.student.receptive_field
        frames = getattr(self.tables, "history_frames", 1)
        return Latency(
            spec.frame_length_ms,
            field.right * spec.frame_step_ms,
            frames * field.stride * spec.frame_step_ms,
        )

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
        greedy = isinstance(recognizer.tables, GreedyDecoder)
        kind = streaming.LabelStream if greedy else streaming.WordLoopStream
        self._recognizer, self._decoder = recognizer, kind(recognizer.tables)
        self._logits = streaming.LogitStream(recognizer.student, recognizer.spec)
        self._words: list[RecognizedWord] = []
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
        begin, before = self._begin()
        pcm = streaming.int16_samples(pcm)
        for start in range(0, len(pcm), _PIECE):
            piece = pcm[start : start + _PIECE]
            self._samples += len(piece)
            self._decode(self._logits.push(piece))
        self._busy_s += time.perf_counter() - begin
        return self._words[before:]

    def finish(self) -> list[RecognizedWord]:
        """Ends the utterance, and returns the words that are left.

        Raises:
            ValueError: if the stream has ended.
        """
        begin, before = self._begin()
        self._decode(self._logits.finish())
        self._add(self._decoder.finish(), self._samples)
        self._busy_s += time.perf_counter() - begin
        self._ended = True
        return self._words[before:]

    @property
    def transcript(self) -> Transcript:
        """All that was recognised so far."""
        recognizer = self._recognizer
        text = recognizer.separator.join(word.text for word in self._words)
        return Transcript(
            tuple(self._words),
            " ".join(text.split()),
            tuple(self._delays_ms),
            self._samples / recognizer.sample_rate_hz,
            self._busy_s,
        )

    def _begin(self):
        if self._ended:
            raise ValueError("The stream has ended. Call `recognizer.stream()` anew")
        return time.perf_counter(), len(self._words)

    def _decode(self, logits):
        spec, field = self._recognizer.spec, self._recognizer.student.receptive_field
        for row in logits:
            frames = self._decoder.frame * field.stride + field.right + 1
            heard = min(spec.num_samples(frames), self._samples)
            self._add(self._decoder.push(row), heard)

    def _add(self, words, heard):
        """Keeps words that became certain when so many samples were heard."""
        recognizer, labels = self._recognizer, self._recognizer.labels
        rate = recognizer.sample_rate_hz
        step = recognizer.student.receptive_field.stride * recognizer.spec.frame_step
        for index, start, end in words:
            start, end = (frame * step * 1000 // rate for frame in (start, end))
            self._words.append(RecognizedWord(labels[index], index, start, end))
            self._delays_ms.append(heard * 1000 // rate - end)
