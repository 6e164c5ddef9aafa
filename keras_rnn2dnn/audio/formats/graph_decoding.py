"""Decoding audio files by tensorflow-io, and as operations of a `tf.data` pipeline."""

import functools

import numpy as np
import tensorflow as tf

from keras_rnn2dnn.audio.formats.decoding import (
    FORMS,
    by_soundfile,
    check_extras,
    decode,
    finished,
)
from keras_rnn2dnn.audio.formats.headers import AudioHeader, read_header, read_whole

_OTHER, _NONE = len(FORMS), len(FORMS) + 1  # what soundfile decodes, and nobody
_SCALES = {"uint8": (128, 128), "int16": (0, 2**15), "int32": (0, 2**31)}  # to [-1, 1]


def decoded_now(data: bytes, header: AudioHeader) -> np.ndarray:
    """Decodes a file of one of `FORMS` by tensorflow-io, float32 `(samples, channels)`.

    Raises:
        ValueError: if it is damaged.
    """
    try:
        form = tf.constant(_form(header))
        return _by_tensorflow_io(tf.constant(data), form).numpy()
    except tf.errors.OpError as error:
        reason = error.message.split("}} ")[-1].split(" [Op:")[0]
        raise ValueError(f"it is damaged: {reason}") from error


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
        return finished(samples, header, sample_rate_hz, _known(channel))

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


def _form(header):
    """Returns the place in `FORMS`, or behind it for what soundfile decodes."""
    form = (header.kind, header.dtype)
    return FORMS.index(form) if form in FORMS else _OTHER


def _by_tensorflow_io(data, form):
    """Returns float32 `(samples, channels)`."""
    from tensorflow_io import audio

    def wav(dtype):
        middle, scale = _SCALES.get(dtype, (0, 1))
        samples = audio.decode_wav(data, dtype=tf.as_dtype(dtype))
        return (tf.cast(samples, tf.float32) - middle) / scale

    nothing = np.zeros((0, 1), "float32")

    def other():
        read = _or(nothing, by_soundfile)
        return tf.numpy_function(read, [data], tf.float32)

    decoders = {"mp3": audio.decode_mp3, "ogg": audio.decode_vorbis}
    branches = [
        functools.partial(decoders[kind], data)
        if kind in decoders
        else functools.partial(wav, dtype)
        for kind, dtype in FORMS
    ]
    return tf.switch_case(form, [*branches, other, lambda: tf.constant(nothing)])
