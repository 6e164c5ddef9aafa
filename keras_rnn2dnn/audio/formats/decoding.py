"""Decoding audio files of any rate and channel count to mono at the rate wanted.

16-bit WAV is read by `wave`. All else is decoded by tensorflow-io where it loads, which
decodes inside the graph of `tf.data` as well (`graph_decoding`), or by soundfile. All
give the same samples, but for the last bits of MP3 and Vorbis. Two things are the same
with each of them:

- FLAC is decoded by soundfile: from some damaged files tensorflow-io never returns.
- The rate is changed by soxr: tensorflow-io's resampler gives all samples late, by 32
  samples of the lower rate, loses as many at the end, and dampens what lies above 86 %
  of the lower Nyquist frequency.
"""

import functools
import importlib.util
import io
import warnings
import wave
from pathlib import Path

import numpy as np

from keras_rnn2dnn.audio.formats.headers import AudioHeader, read_whole
from keras_rnn2dnn.audio.sample_checks import LARGEST_SAMPLE
from keras_rnn2dnn.util.errors import import_extra, invalid

BACKENDS = ("tensorflow-io", "soundfile", "wave")
_PURPOSE = "Decoding audio other than 16-bit WAV"
# What tensorflow-io decodes, and to which type.
FORMS = (
    ("wav", "uint8"),
    ("wav", "int16"),
    ("wav", "int32"),
    ("wav", "float32"),
    ("mp3", "float32"),
    ("ogg", "float32"),
)


@functools.lru_cache
def choose_backend() -> str:
    """Returns what decodes audio here: one of `BACKENDS`.

    Example:
        >>> choose_backend() in BACKENDS
        True
    """
    if importlib.util.find_spec("tensorflow_io") and _tensorflow_io_loads():
        return "tensorflow-io"
    return "soundfile" if importlib.util.find_spec("soundfile") else "wave"


def _tensorflow_io_loads():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of its libraries, and fails later
        try:
            import tensorflow as tf
            from tensorflow_io.python.ops import core_ops

            return callable(core_ops.io_audio_decode_mp3)
        except ImportError:
            return False
        except (NotImplementedError, AttributeError, tf.errors.OpError):
            return False


def decode(
    data: bytes,
    sample_rate_hz: int,
    backend: str | None = None,
    channel: int | None = None,
) -> np.ndarray:
    """Decodes a file to mono: the mean of its channels, or one of them.

    Args:
        data: the bytes of a WAV, FLAC, MP3 or Ogg Vorbis file.
        sample_rate_hz: wanted.
        backend: one of `BACKENDS`; by default `"wave"` for 16-bit WAV, for all else
            `choose_backend()`.
        channel: which one, from 0; of a file that has but one, that one.

    Returns:
        float32 `(samples,)`, in [-1, 1] but for what MP3 and Vorbis add.

    Raises:
        ValueError: if the file is empty, truncated, damaged or of another format, has
            no such channel, or samples far beyond [-1, 1]; says which, without the
            file's name.
        ImportError: if an extra is missing; holds the pip line.

    Example:
        >>> file = io.BytesIO()
        >>> with wave.open(file, "wb") as stereo:
        ...     stereo.setparams((2, 2, 8000, 0, "NONE", ""))
        ...     stereo.writeframes(np.array([16384, 0] * 3, "<i2").tobytes())
        >>> decode(file.getvalue(), 8000)
        array([0.25, 0.25, 0.25], dtype=float32)
        >>> decode(file.getvalue(), 8000, channel=0)
        array([0.5, 0.5, 0.5], dtype=float32)
    """
    if backend not in (None, *BACKENDS):
        raise ValueError(invalid("backend", f"one of {BACKENDS}", backend))
    header, data = read_whole(data)
    backend = backend or ("wave" if is_plain(header) else choose_backend())
    check_extras(header, sample_rate_hz, backend)
    if backend == "tensorflow-io" and (header.kind, header.dtype) in FORMS:
        from keras_rnn2dnn.audio.formats.graph_decoding import decoded_now

        samples = decoded_now(data, header)
    else:
        read = _by_wave if backend == "wave" and is_plain(header) else by_soundfile
        samples = read(data)
    return finished(samples, header, sample_rate_hz, channel)


def decode_file(path: str | Path, sample_rate_hz: int) -> np.ndarray:
    """Decodes a file as `decode` does, and names it where that fails.

    Args:
        path: of a WAV, FLAC, MP3 or Ogg Vorbis file.
        sample_rate_hz: wanted.

    Returns:
        float32 `(samples,)`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: as of `decode`; names the file.
        ImportError: if an extra is missing; holds the pip line.
    """
    try:
        return decode(Path(path).read_bytes(), sample_rate_hz)
    except ValueError as error:
        raise ValueError(f"Cannot use the audio file {str(path)!r}: {error}") from error


def check_extras(header: AudioHeader, sample_rate_hz: int, backend: str) -> None:
    """Raises ImportError where a file needs an extra that is missing."""
    decoded = backend == "tensorflow-io" and (header.kind, header.dtype) in FORMS
    if not decoded and not (backend == "wave" and is_plain(header)):
        import_extra("soundfile", "audio", _PURPOSE)
    if header.sample_rate_hz != sample_rate_hz:
        import_extra("soxr", "audio", "Changing the sample rate of audio")


def is_plain(header: AudioHeader) -> bool:
    """Tells whether a file is 16-bit WAV, which `wave` reads."""
    return (header.kind, header.dtype) == ("wav", "int16")


def by_soundfile(data: bytes) -> np.ndarray:
    """Decodes what is left to soundfile, float32 `(samples, channels)`."""
    soundfile = import_extra("soundfile", "audio", _PURPOSE)
    try:
        return soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0]
    except soundfile.LibsndfileError as error:
        reason = error.error_string.removeprefix("Error : ").rstrip(".")
        reason = reason or "it cannot be read to its end"
        raise ValueError(f"it is damaged: {reason}") from error


def _by_wave(data):
    try:
        with wave.open(io.BytesIO(data)) as file:
            channels = file.getnchannels()
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    except (wave.Error, EOFError) as error:
        raise ValueError(f"it is damaged: {error}") from error
    return pcm.reshape(-1, channels).astype("float32") / 32768


def finished(
    samples: np.ndarray,
    header: AudioHeader,
    sample_rate_hz: int,
    channel: int | None = None,
) -> np.ndarray:
    """Returns mono at the rate wanted, float32 `(samples,)`.

    Args:
        samples: decoded, float32 `(samples, channels)`.
        header: of the file.
        sample_rate_hz: wanted.
        channel: as of `decode`.

    Raises:
        ValueError: where samples are missing, no numbers, or far beyond [-1, 1].
    """
    found, channels = samples.shape
    if found < (header.num_samples or 1):
        raise ValueError(f"it is truncated: {found} of {header.num_samples} samples")
    if not np.isfinite(samples).all():
        raise ValueError("it is damaged: it holds infinite samples or no numbers")
    if np.abs(samples).max() > LARGEST_SAMPLE:
        low, high = samples.min(), samples.max()
        raise ValueError(
            f"its samples reach from {low:.4g} to {high:.4g}. Expected floats in "
            "[-1, 1]: divide those of 16-bit PCM by 32768"
        )
    if channel is None or channels == 1:
        mono = samples.mean(axis=1, dtype="float32")
    elif channel < channels:
        mono = samples[:, channel]
    else:
        raise ValueError(
            f"it has {channels} channels, and no channel {channel}, from 0"
        )
    mono = np.ascontiguousarray(mono)
    if header.sample_rate_hz == sample_rate_hz:
        return mono
    soxr = import_extra("soxr", "audio", "Changing the sample rate of audio")
    changed = soxr.resample(mono, header.sample_rate_hz, sample_rate_hz, "HQ")
    if not len(changed):
        raise ValueError("it holds no samples at the rate wanted")
    return changed
