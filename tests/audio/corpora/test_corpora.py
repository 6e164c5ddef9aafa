import collections
import importlib.util
import random
import wave
from pathlib import Path

import numpy as np
import pytest

from keras_rnn2dnn.audio.corpora.recordings import (
    DIGITS,
    read_fsdd,
    read_wav,
    synthetic_recordings,
)

FSDD = Path(__file__).parents[4] / "shared" / "fsdd"


def write_wav(path, pcm=(0, 1, -1), rate_hz=8000, channels=1, width=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {1: "u1", 2: "<i2", 4: "<i4"}[width]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(np.array(pcm, kind).tobytes())
    return path


def test_samples_are_pcm_divided_by_32768(tmp_path):
    pcm = [0, 1, -1, 16384, 32767, -32768]
    samples, rate_hz = read_wav(write_wav(tmp_path / "a.wav", pcm, 11025))
    assert samples.dtype == np.float32 and rate_hz == 11025
    expected = [0, 2**-15, -(2**-15), 0.5, 32767 / 32768, -1]
    np.testing.assert_array_equal(samples, np.array(expected))


@pytest.mark.parametrize("folder", [".", "recordings"])
def test_fsdd_is_read_by_its_file_names(tmp_path, folder):
    for number, name in enumerate(("3_anna_0", "0_ben_12", "3_anna_10", "9_de_la_2")):
        write_wav(tmp_path / folder / f"{name}.wav", [number] * 5)
    recordings = read_fsdd(str(tmp_path))
    assert [(r.words, r.speaker, r.index) for r in recordings] == [
        (("zero",), "ben", 12),
        (("three",), "anna", 0),
        (("three",), "anna", 10),
        (("nine",), "de_la", 2),
    ]
    assert {r.sample_rate_hz for r in recordings} == {8000}
    assert [r.samples[0] * 32768 for r in recordings] == [1, 0, 2, 3]


def test_files_of_other_names_are_left_out(tmp_path):
    write_wav(tmp_path / "4_eve_0.wav")
    for name in (
        "noise.wav",
        "10_eve_0.wav",
        "4_eve.wav",
        "x_eve_0.wav",
        "4_eve_a.wav",
    ):
        (tmp_path / name).write_text("not even audio")
    (tmp_path / "4_eve_1.txt").write_text("notes")
    assert [r.index for r in read_fsdd(tmp_path)] == [0]


def test_a_missing_or_empty_directory_is_named(tmp_path):
    missing = tmp_path / "nowhere"
    with pytest.raises(FileNotFoundError) as error:
        read_fsdd(missing)
    assert str(error.value) == (
        f"No directory {str(missing)!r}. Expected a directory with files such as "
        "7_jackson_0.wav"
    )
    write_wav(tmp_path / "noise.wav")
    with pytest.raises(FileNotFoundError) as error:
        read_fsdd(tmp_path)
    assert str(error.value) == (
        f"No recordings in {str(tmp_path)!r}. Expected files named "
        "{digit}_{speaker}_{index}.wav. Received: 1 other .wav files"
    )


def test_different_sample_rates_are_refused(tmp_path):
    write_wav(tmp_path / "1_a_0.wav", rate_hz=16000)
    write_wav(tmp_path / "2_a_0.wav", rate_hz=8000)
    with pytest.raises(ValueError) as error:
        read_fsdd(tmp_path)
    assert str(error.value) == (
        "Different sample rates. Expected one for all recordings. Received: "
        "[8000, 16000] Hz"
    )


@pytest.mark.parametrize(
    ("options", "received"),
    [
        ({"channels": 2, "pcm": (1, 2)}, "16-bit, 2 channels"),
        ({"width": 1, "pcm": (1, 2)}, "8-bit, 1 channels"),
        ({"width": 4}, "32-bit, 1 channels"),
    ],
)
def test_other_formats_are_refused(tmp_path, options, received):
    path = write_wav(tmp_path / "1_a_0.wav", **options)
    with pytest.raises(ValueError) as error:
        read_fsdd(tmp_path)
    assert str(error.value) == (
        f"Unsupported WAV file {str(path)!r}. Expected 16-bit mono. Received: "
        f"{received}"
    )


@pytest.mark.parametrize("kept", [1043, 1000])
def test_a_file_that_ends_too_early_is_refused(tmp_path, kept):
    path = write_wav(tmp_path / "a.wav", range(500))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError) as error:
        read_wav(path)
    assert str(error.value) == (
        f"Empty or damaged WAV file {str(path)!r}. Expected 500 samples. Received: "
        f"{(kept - 44) // 2}"
    )


def test_a_file_without_samples_is_refused(tmp_path):
    path = write_wav(tmp_path / "a.wav", ())
    with pytest.raises(ValueError) as error:
        read_wav(path)
    assert str(error.value) == (
        f"Empty or damaged WAV file {str(path)!r}. Expected some samples. Received: 0"
    )


def test_whatever_is_no_wav_file_is_refused_by_name(tmp_path):
    path = tmp_path / "a.wav"
    for content, reason in {
        b"": "it is damaged",
        b"RIFF\x24\x00\x00\x00WAVEfm": "fmt chunk and/or data chunk missing",
        b"hello, this is no audio at all": "file does not start with RIFF id",
    }.items():
        path.write_bytes(content)
        with pytest.raises(ValueError) as error:
            read_wav(path)
        assert str(error.value) == f"Cannot read {str(path)!r} as WAV: {reason}"
    with pytest.raises(FileNotFoundError, match="b.wav"):
        read_wav(tmp_path / "b.wav")


def test_a_second_chunk_of_samples_is_refused(tmp_path):
    path = write_wav(tmp_path / "a.wav", range(8))
    path.write_bytes(path.read_bytes() + b"data\x04\0\0\0abcd")
    with pytest.raises(
        ValueError, match="a.wav' as WAV: it has several chunks of sampl"
    ):
        read_wav(path)


def test_a_damaged_header_gives_samples_or_an_error_that_names_the_file(tmp_path):
    path = write_wav(tmp_path / "a.wav", range(8))
    intact = path.read_bytes()
    refused = 0
    for seed in range(300):
        draw = random.Random(seed)
        content = bytearray(intact)
        for _ in range(3):
            content[draw.randrange(44)] = draw.randrange(256)
        path.write_bytes(content)
        try:
            read_wav(path)
        except ValueError as error:
            assert "a.wav" in str(error)
            refused += 1
    assert 0 < refused < 300


@pytest.mark.skipif(not FSDD.is_dir(), reason="needs FSDD in ../shared/fsdd")
def test_the_real_corpus_is_complete():
    recordings = read_fsdd(FSDD)
    assert len(recordings) == 2000
    assert {r.sample_rate_hz for r in recordings} == {8000}
    indexes = collections.defaultdict(list)
    for r in recordings:
        indexes[r.words, r.speaker].append(r.index)
        assert r.samples.ndim == 1 and 0 < np.abs(r.samples).max() <= 1
    assert len({speaker for _, speaker in indexes}) == 4
    assert {words for words, _ in indexes} == {(digit,) for digit in DIGITS}
    assert len(indexes) == 40
    assert all(sorted(i) == list(range(50)) for i in indexes.values())


@pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None,
    reason="needs the extra `synth`",
)
def test_synthetic_recordings_have_every_word_of_every_voice():
    recordings = synthetic_recordings(("yes", "no"), 3, repetitions=2, seed=1)
    voices = list(dict.fromkeys(r.speaker for r in recordings))
    assert len(voices) == 3
    assert [(r.speaker, r.words, r.index) for r in recordings] == [
        (voice, (word,), index)
        for voice in voices
        for word in ("yes", "no")
        for index in (0, 1)
    ]
    assert {r.sample_rate_hz for r in recordings} == {8000}
    again = synthetic_recordings(("yes", "no"), 3, repetitions=2, seed=1)
    other = synthetic_recordings(("yes", "no"), 3, repetitions=2, seed=2)
    for left, right in zip(recordings, again, strict=True):
        assert left.samples.dtype == np.float32
        np.testing.assert_array_equal(left.samples, right.samples)
    assert {r.speaker for r in other} != set(voices)
