import importlib.util
import io
import random

import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn import LogMel
from keras_rnn2dnn.audio.formats import decoding
from keras_rnn2dnn.audio.formats.decoding import choose_backend, decode
from keras_rnn2dnn.audio.formats.graph_decoding import decode_in_graph
from keras_rnn2dnn.audio.formats.headers import _mp3_frame

soundfile = pytest.importorskip("soundfile", reason="needs the extra `audio`")
pytest.importorskip("soxr", reason="needs the extra `audio`")

BACKENDS = ["soundfile"]
if choose_backend() == "tensorflow-io":
    BACKENDS.append("tensorflow-io")
FORMS = {
    "wav16": ("WAV", "PCM_16"),
    "wav8": ("WAV", "PCM_U8"),
    "wav24": ("WAV", "PCM_24"),
    "wav32": ("WAV", "PCM_32"),
    "wavfloat": ("WAV", "FLOAT"),
    "wavdouble": ("WAV", "DOUBLE"),
    "wavex": ("WAVEX", "PCM_16"),
    "flac16": ("FLAC", "PCM_16"),
    "flac24": ("FLAC", "PCM_24"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
}
TOLERANCES = {"wav8": 1e-2, "mp3": 0.05, "ogg": 0.05}


def tone(rate=16000, seconds=1.0):
    """A tone whose level falls, and weak noise."""
    t = np.arange(int(rate * seconds)) / rate
    noise = np.random.default_rng(0).normal(size=len(t))
    return (0.4 * np.exp(-t) * np.sin(2 * np.pi * 440 * t) + 0.01 * noise).astype("f4")


def encoded(form, samples, rate=16000):
    kind, subtype = FORMS[form]
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_samples_that_were_encoded(form, backend):
    left, right = tone(), -0.5 * tone()
    data = encoded(form, np.stack([left, right], axis=1))
    found = decode(data, 16000, backend)
    assert found.dtype == np.float32 and found.shape == (16000,)
    tolerance = TOLERANCES.get(form, 1e-4)
    np.testing.assert_allclose(found, 0.25 * left, atol=tolerance)


@pytest.mark.skipif(len(BACKENDS) < 2, reason="needs tensorflow-io, as the extra `io`")
@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100])
@pytest.mark.parametrize("form", FORMS)
def test_the_features_of_both_backends_are_the_same(form, rate):
    data = encoded(form, np.stack([tone(rate), 0.5 * tone(rate)], axis=1), rate)
    layer = LogMel(16000)
    features = [layer(decode(data, 16000, b)[None])[0] for b in BACKENDS]
    assert len(features[0]) == len(features[1]) > 95
    np.testing.assert_allclose(features[0], features[1], atol=1e-3)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("form", FORMS)
def test_a_pipeline_gives_what_a_call_gives(form, backend):
    data = [encoded(form, tone(rate), rate) for rate in (16000, 22050)]
    pipeline = tf.data.Dataset.from_tensor_slices(data)
    pipeline = pipeline.map(lambda d: decode_in_graph(d, 16000, backend))
    assert pipeline.element_spec.shape.as_list() == [None]
    for found, one in zip(pipeline.as_numpy_iterator(), data, strict=True):
        np.testing.assert_array_equal(found, decode(one, 16000, backend))


def of_law(subtype):
    """The 256 values of G.711, by its formulas."""
    values = []
    for code in range(256):
        if subtype == "ULAW":
            code ^= 0xFF
            size = ((((code & 15) << 3) + 132) << (code >> 4 & 7)) - 132
            values.append(-size if code & 0x80 else size)
        else:
            code ^= 0x55
            exponent, size = code >> 4 & 7, (code & 15) << 4
            size = size + 8 if not exponent else (size + 264) << (exponent - 1)
            values.append(size if code & 0x80 else -size)
    return np.array(values) / 32768


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("tag", "subtype"), [(6, "ALAW"), (7, "ULAW")])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX"])
def test_both_laws_of_telephony_are_decoded(tag, subtype, kind, backend):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(256), 8000, format=kind, subtype=subtype)
    data = bytearray(file.getvalue())
    place = data.index(b"data") + 8
    data[place : place + 256] = bytes(range(256))
    found = decode(bytes(data), 8000, backend)
    np.testing.assert_allclose(found, of_law(subtype), atol=1e-7)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("form", ["wav16", "wavex", "wavfloat", "wavdouble", "flac16"])
def test_one_of_several_channels_is_decoded(form, backend):
    channels = 6 if form == "flac16" else 12
    levels = np.arange(channels) / 16
    data = encoded(form, np.tile(levels, (160, 1)).astype("f4"))
    assert decode(data, 16000, backend) == pytest.approx(levels.mean(), abs=1e-4)
    pipeline = tf.data.Dataset.from_tensors(data)
    for channel in (0, 3):
        found = decode(data, 16000, backend, channel)
        assert found == pytest.approx(levels[channel], abs=1e-4)
        (again,) = pipeline.map(
            lambda d, c=channel: decode_in_graph(d, 16000, backend, c)
        ).as_numpy_iterator()
        np.testing.assert_array_equal(again, found)
    with pytest.raises(ValueError, match=rf"it has {channels} channels, and no chann"):
        decode(data, 16000, backend, channels)
    mono = encoded(form, np.full(160, 0.5, "f4"))
    assert decode(mono, 16000, backend, 1) == pytest.approx(0.5)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("form", ["wavfloat", "wavdouble"])
def test_samples_in_the_range_of_int16_are_refused(form, backend):
    data = encoded(form, np.array([0, 12000, -3000], "f4"))
    message = (
        "its samples reach from -3000 to 1.2e+04. Expected floats in [-1, 1]: divide "
        "those of 16-bit PCM by 32768"
    )
    with pytest.raises(ValueError) as error:
        decode(data, 16000, backend)
    assert str(error.value) == message
    assert len(decode(encoded(form, np.array([1.9, -1.9], "f4")), 16000, backend)) == 2


def test_flac_that_does_not_tell_its_length_is_refused():
    data = bytearray(encoded("flac16", tone(seconds=0.5)))
    data[21:26] = bytes([data[21] & 0xF0, 0, 0, 0, 0])
    with pytest.raises(ValueError, match="does not tell how many samples it holds"):
        decode(bytes(data), 16000)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_the_rate_is_changed_in_time_with_the_samples(rate):
    t = np.arange(rate) / rate
    pulse = np.exp(-0.5 * ((t - 0.5) / 0.002) ** 2).astype("f4")
    found = decode(encoded("wavfloat", pulse, rate), 12000)
    assert abs(len(found) - 12000) <= 1
    assert abs((found * np.arange(len(found))).sum() / found.sum() - 6000) < 0.01


@pytest.mark.skipif(len(BACKENDS) < 2, reason="needs tensorflow-io, as the extra `io`")
@pytest.mark.parametrize("rates", [(16000, 8000), (8000, 16000)])
def test_why_the_resampler_of_tensorflow_io_is_not_used(rates):
    from tensorflow_io import audio

    before, after = rates
    t = np.arange(before) / before
    pulse = np.exp(-0.5 * ((t - 0.5) / 0.002) ** 2).astype("f4")
    found = audio.resample(pulse[:, None], before, after).numpy()[:, 0]
    centre = (found * np.arange(after)).sum() / found.sum()
    lower = min(rates)
    assert abs((centre - after / 2) * lower / after - 32) < 0.01
    for share, low, high in ((0.8, 0.99, 1.01), (0.92, 0.2, 0.6)):
        sine = np.sin(np.pi * share * lower * t).astype("f4")
        found = audio.resample(sine[:, None], before, after).numpy()[1000:, 0]
        if after < before:
            assert low < np.sqrt(2 * np.mean(found**2)) < high
            ours = decode(encoded("wavfloat", sine, before), after)[1000:-1000]
            assert 0.85 < np.sqrt(2 * np.mean(ours**2)) < 1.01


@pytest.mark.parametrize("backend", [*BACKENDS, "wave"])
@pytest.mark.parametrize("form", ["wav8", "wav16", "wav24", "wav32", "wavfloat"])
def test_unusual_layouts_of_wav_are_decoded(form, backend):
    data = encoded(form, tone(seconds=0.2)[:-1])
    expected = decode(data, 16000, "soundfile")
    place = data.index(b"data")
    size = int.from_bytes(data[place + 4 : place + 8], "little")
    end = place + 8 + size
    chunk = b"LIST" + (27).to_bytes(4, "little") + bytes(28)
    stream = data[:4] + b"\xff" * 4 + data[8 : place + 4] + b"\xff" * 4
    for given in (
        data[:12] + chunk + data[12:],
        data[:place] + chunk + data[place:],
        data[:end] + bytes(size % 2) + chunk,
        stream + data[place + 8 : end],
    ):
        np.testing.assert_array_equal(decode(given, 16000, backend), expected)
        pipeline = tf.data.Dataset.from_tensors(given)
        pipeline = pipeline.map(lambda d: decode_in_graph(d, 16000, backend))
        (found,) = pipeline.as_numpy_iterator()
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_flac_behind_a_tag_is_decoded(backend):
    data = encoded("flac16", tone())
    tagged = b"ID3\3\0\0\0\0\0\x14" + bytes(20) + data
    expected = decode(data, 16000, backend)
    np.testing.assert_array_equal(decode(tagged, 16000, backend), expected)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_mp3_that_does_not_tell_its_frames_is_read_whole(rate, channels, mode, backend):
    file = io.BytesIO()
    samples = np.stack([tone(rate, 3.0)] * channels, axis=1)
    soundfile.write(file, samples, rate, format="MP3", bitrate_mode=mode)
    data = file.getvalue()
    whole = decode(data, rate, backend)
    found = decode(data[_mp3_frame(data, 0)[0] :], rate, backend)
    late = 576  # the encoder's delay, of which the frame taken away tells
    assert 0 <= len(found) - late - len(whole) < 1152
    np.testing.assert_allclose(found[late:][: len(whole)], whole, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("form", ["wav16", "flac16", "mp3", "ogg"])
def test_truncated_files_are_refused(form, backend):
    data = encoded(form, tone())
    for kept in (0, 10, 60, len(data) // 2, len(data) - 1):
        with pytest.raises(ValueError, match="^it (is|ends|holds)"):
            decode(data[:kept], 16000, backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("form", ["wav16", "flac16", "mp3", "ogg"])
def test_damaged_files_give_samples_or_a_reason(form, backend):
    data = encoded(form, tone(seconds=0.3))
    refused = 0
    for seed in range(100):
        draw = random.Random(seed)
        damaged = bytearray(data)
        for _ in range(3):
            damaged[draw.randrange(100 if seed % 2 else len(data))] = draw.randrange(
                256
            )
        try:
            assert np.isfinite(decode(bytes(damaged), 16000, backend)).all()
        except ValueError as error:
            refused += 1
            assert str(error)
    assert refused > 5


def test_without_extras_16_bit_wav_is_read_and_others_name_the_pip_line(monkeypatch):
    both = np.stack([tone(), tone()], axis=1)
    data = encoded("wav16", both)
    real = importlib.import_module

    def without(name, *rest):
        if name in ("soundfile", "soxr"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    for given in (data, encoded("wavex", both)):
        np.testing.assert_allclose(decode(given, 16000, "wave"), tone(), atol=1e-4)
    for given, rate, purpose in (
        (encoded("flac16", tone()), 16000, "Decoding audio other than 16-bit WAV"),
        (data, 8000, "Changing the sample rate of audio"),
    ):
        with pytest.raises(ImportError) as error:
            decode(given, rate, "wave")
        assert str(error.value).startswith(f"{purpose} needs the package")
        assert "pip install soundfile soxr" in str(error.value)


def test_a_backend_that_does_not_load_is_not_chosen(monkeypatch):
    decoding.choose_backend.cache_clear()
    monkeypatch.setattr(decoding, "_tensorflow_io_loads", lambda: False)
    assert choose_backend() == "soundfile"
    decoding.choose_backend.cache_clear()
    with pytest.raises(ValueError, match="Expected one of"):
        decode(b"", 8000, "sox")
