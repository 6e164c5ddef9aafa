"""Audio files of a corpus, decoded in parallel; what cannot be decoded is listed."""

import itertools
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_rnn2dnn.audio.corpora.audio_files import AudioFile, Skipped
from keras_rnn2dnn.audio.formats.decoding import choose_backend, decode
from keras_rnn2dnn.audio.formats.graph_decoding import decode_in_graph
from keras_rnn2dnn.audio.sample_checks import check_count
from keras_rnn2dnn.util.errors import invalid

_LOG = logging.getLogger(__name__)
_MOST_BEYOND_S = 0.5  # of the end of a recording, which tables round


class AudioLoader:
    """Decodes the files of a corpus one after the other, mono, at one rate.

    They are decoded in parallel by `tf.data`; a recording whose segments follow each
    other in `files` is decoded once, and they are cut from it. Files that are missing,
    empty, truncated or damaged are left out, logged and listed in `skipped`, or stop
    the run; so are segments that end more than 0.5 s after their recording does, as
    Kaldi's `extract-segments` has it.

    Args:
        files: of the utterances.
        sample_rate_hz: wanted.
        strict: whether a file that cannot be decoded is an error.
        backend: what decodes; by default `decoding.choose_backend()`.

    Raises:
        ValueError: if there is no file, or `sample_rate_hz` is no integer > 0.

    Example:
        >>> from keras_rnn2dnn.audio.corpora import write_wav
        >>> write_wav("a.wav", np.zeros(800), 8000)
        >>> _ = Path("b.wav").write_bytes(b"RIFF")
        >>> loader = AudioLoader([AudioFile(p, p) for p in ("a.wav", "b.wav")], 8000)
        >>> [(file.name, samples.shape) for file, samples in loader]
        [('a.wav', (800,))]
        >>> loader.skipped
        [Skipped(path='b.wav', reason='it is neither WAV, FLAC, MP3 nor Ogg Vorbis')]
    """

    def __init__(
        self,
        files: Sequence[AudioFile],
        sample_rate_hz: int,
        strict: bool = False,
        backend: str | None = None,
    ):
        if not len(files):
            raise ValueError(invalid("files", "at least one", files))
        check_count("sample_rate_hz", sample_rate_hz, 1)
        self.files, self.sample_rate_hz = list(files), int(sample_rate_hz)
        self.strict, self.backend = strict, backend or choose_backend()
        self.skipped: list[Skipped] = []

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[tuple[AudioFile, np.ndarray]]:
        """Yields each file that can be decoded, and its samples `(samples,)`.

        Raises:
            ValueError: if a file cannot be decoded and `strict`; names it.
            ImportError: if an extra is missing; holds the pip line.
        """
        self.skipped = []
        groups = itertools.groupby(self.files, key=lambda f: (str(f.path), f.channel))
        recordings = [list(files) for _, files in groups]
        expected = 0
        for number, samples in self._decoded(recordings).as_numpy_iterator():
            for missing in range(expected, number):
                self._skip(recordings[missing])
            expected, files = number + 1, recordings[number]
            if not len(samples):
                self._skip(files)
                continue
            for file in files:
                beyond = (file.end_s or 0) - len(samples) / self.sample_rate_hz
                cut = self._cut(samples, file)
                if beyond > _MOST_BEYOND_S:
                    reason = f"its segment ends {beyond:.1f} s after the recording"
                    self._leave_out(file, f"{reason}: {file.name}")
                elif len(cut):
                    yield file, cut
                else:
                    self._leave_out(file, "no audio between its start and its end")
        for missing in range(expected, len(recordings)):
            self._skip(recordings[missing])
        if self.skipped:
            number = f"{len(self.skipped)} of {len(self.files)}"
            _LOG.warning("Skipped %s audio files", number)

    def dataset(self) -> tf.data.Dataset:
        """Returns the utterances as a `tf.data.Dataset`.

        It gives dicts: `audio` `(samples,)`, float32; `name`, `text` and `speaker`,
        empty where unknown. `skipped` tells after each reading what was left out.
        """

        def examples():
            for file, samples in self:
                yield {
                    "audio": samples,
                    "name": file.name,
                    "text": file.text or "",
                    "speaker": file.speaker or "",
                }

        strings = ("name", "text", "speaker")
        signature = {name: tf.TensorSpec((), tf.string) for name in strings}
        signature["audio"] = tf.TensorSpec((None,), tf.float32)
        return tf.data.Dataset.from_generator(examples, output_signature=signature)

    def _decoded(self, recordings):
        rate, backend = self.sample_rate_hz, self.backend

        def load(number, path, channel):
            data = tf.io.read_file(path)
            return number, decode_in_graph(data, rate, backend, channel)

        paths = [os.fsencode(files[0].path) for files in recordings]
        channels = [files[0].channel for files in recordings]
        channels = [-1 if channel is None else channel for channel in channels]
        numbers = np.arange(len(paths))
        dataset = tf.data.Dataset.from_tensor_slices((numbers, paths, channels))
        dataset = dataset.map(load, num_parallel_calls=tf.data.AUTOTUNE)
        # No samples, or a number that is missing, tell which file failed; another
        # look at it tells why.
        return dataset.ignore_errors().prefetch(2)

    def _cut(self, samples, file):
        rate = self.sample_rate_hz
        end = None if file.end_s is None else round(file.end_s * rate)
        return samples[round(file.start_s * rate) : end]

    def _skip(self, files):
        """Leaves out all of one recording."""
        try:
            data = Path(files[0].path).read_bytes()
            decode(data, self.sample_rate_hz, self.backend, files[0].channel)
            reason = "it could not be decoded a moment ago"
        except OSError as error:
            reason = f"it cannot be read: {error.strerror}"
        except ValueError as error:
            reason = str(error)
        for file in files:
            self._leave_out(file, reason)

    def _leave_out(self, file, reason):
        if self.strict:
            raise ValueError(
                f"Cannot use the audio file {str(file.path)!r}: {reason}. Remove it, "
                "or leave such files out: without strict"
            )
        self.skipped.append(Skipped(file.path, reason))
        _LOG.warning("Skipped %s: %s", file.path, reason)
