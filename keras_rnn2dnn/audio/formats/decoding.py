"""Decoding audio files of any rate and channel count to mono at the rate wanted.

tensorflow-io decodes inside the graph of `tf.data` where it loads; soundfile does
elsewhere, and without either `wave` reads 16-bit WAV. All give the same samples, but
for the last bits of MP3 and Vorbis. Two things are the same with each of them:

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
import tensorflow as tf

from keras_rnn2dnn.audio.formats.headers import AudioHeader, read_header, read_whole
from keras_rnn2dnn.audio.sample_checks import LARGEST_SAMPLE
from keras_rnn2dnn.util.errors import import_extra, invalid

BACKENDS = ("tensorflow-io", "soundfile", "wave")
_PURPOSE = "Decoding audio other than 16-bit WAV"
# What tensorflow-io decodes, and to which type.
_FORMS = (
    ("wav", "uint8"),
    ("wav", "int16"),
    ("wav", "int32"),
    ("wav", "float32"),
    ("mp3", "float32"),
    ("ogg", "float32"),
)
_OTHER, _NONE = len(_FORMS), len(_FORMS) + 1  # what soundfile decodes, and nobody
_SCALES = {"uint8": (128, 128), "int16": (0, 2**15), "int32": (0, 2**31)}  # to [-1, 1]


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
            from tensorflow_io.python.ops import core_ops

            return callable(core_ops.io_audio_decode_mp3)
        except (ImportError, NotImplementedError, AttributeError, tf.errors.OpError):
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
        backend: one of `BACKENDS`; by default `choose_backend()`.
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
    backend = backend or choose_backend()
    if backend not in BACKENDS:
        raise ValueError(invalid("backend", f"one of {BACKENDS}", backend))
    header, data = read_whole(data)
    check_extras(header, sample_rate_hz, backend)
    form = _form(header)
    if backend == "tensorflow-io" and form < _OTHER:
        try:
            samples = _by_tensorflow_io(tf.constant(data), tf.constant(form)).numpy()
        except tf.errors.OpError as error:
            reason = error.message.split("}} ")[-1].split(" [Op:")[0]
            raise ValueError(f"it is damaged: {reason}") from error
    else:
        read = _by_wave if backend == "wave" and _is_plain(header) else _by_soundfile
        samples = read(data)
    return _finished(samples, header, sample_rate_hz, channel)


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


def decode_in_graph(
    data: tf.Tensor, sample_rate_hz: int, backend: str, channel: tf.Tensor | int = -1
) -> tf.Tensor:
    """Decodes as `decode` does, as an operation of a `tf.data` pipeline.

    Args:
        data: scalar string, the bytes of a file.
        sample_rate_hz: wanted.
        backend: one of `BACKENDS`.
        channel: scalar, which one, from 0; -1 for the mean of all.

    Returns:
        float32 `(samples,)`. Of a file that cannot be decoded there are no samples, or
        it is an error of the pipeline's element; `decode` tells why.
    """
    nothing = np.zeros(0, "float32")
    if backend != "tensorflow-io":

        def whole(data, channel):
            return decode(data, sample_rate_hz, backend, _known(channel))

        found = tf.numpy_function(_or(nothing, whole), [data, channel], tf.float32)
        return tf.ensure_shape(found, (None,))

    def form(data):
        header, plain = read_whole(data)
        check_extras(header, sample_rate_hz, backend)
        return np.int32(_form(header)), plain

    def finish(samples, data, channel):
        header = read_header(data)
        return _finished(samples, header, sample_rate_hz, _known(channel))

    read = _or((np.int32(_NONE), b""), form)
    number, plain = tf.numpy_function(read, [data], (tf.int32, tf.string))
    number, plain = tf.ensure_shape(number, ()), tf.ensure_shape(plain, ())
    samples = _by_tensorflow_io(plain, number)
    arguments = [samples, data, channel]
    samples = tf.numpy_function(_or(nothing, finish), arguments, tf.float32)
    return tf.ensure_shape(samples, (None,))


def _known(channel):
    return None if channel < 0 else int(channel)


def _or(otherwise, function):
    """Returns a function that gives `otherwise` in place of an error.

    TensorFlow would write the traceback of each to standard error.
    """

    @tf.autograph.experimental.do_not_convert
    def quiet(*arguments):
        try:
            return function(*arguments)
        except (ValueError, ImportError):
            return otherwise

    return quiet


def check_extras(header: AudioHeader, sample_rate_hz: int, backend: str) -> None:
    """Raises ImportError where a file needs an extra that is missing."""
    decoded = backend == "tensorflow-io" and _form(header) < _OTHER
    if not decoded and not (backend == "wave" and _is_plain(header)):
        import_extra("soundfile", "audio", _PURPOSE)
    if header.sample_rate_hz != sample_rate_hz:
        import_extra("soxr", "audio", "Changing the sample rate of audio")


def _form(header):
    """Returns the place in `_FORMS`, or behind it for what soundfile decodes."""
    form = (header.kind, header.dtype)
    return _FORMS.index(form) if form in _FORMS else _OTHER


def _is_plain(header):
    return (header.kind, header.dtype) == ("wav", "int16")


def _by_tensorflow_io(data, form):
    """Returns float32 `(samples, channels)`."""
    from tensorflow_io import audio

    def wav(dtype):
        middle, scale = _SCALES.get(dtype, (0, 1))
        samples = audio.decode_wav(data, dtype=tf.as_dtype(dtype))
        return (tf.cast(samples, tf.float32) - middle) / scale

    nothing = np.zeros((0, 1), "float32")

    def other():
        read = _or(nothing, _by_soundfile)
        return tf.numpy_function(read, [data], tf.float32)

    decoders = {"mp3": audio.decode_mp3, "ogg": audio.decode_vorbis}
    branches = [
        functools.partial(decoders[kind], data)
        if kind in decoders
        else functools.partial(wav, dtype)
        for kind, dtype in _FORMS
    ]
    return tf.switch_case(form, [*branches, other, lambda: tf.constant(nothing)])


def _by_soundfile(data):
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


def _finished(samples, header, sample_rate_hz, channel=None):
    """Returns mono at the rate wanted; raises ValueError where samples are missing."""
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
