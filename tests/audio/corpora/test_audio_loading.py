import os
import wave

import numpy as np
import pytest

from keras_rnn2dnn.audio.corpora.loading import AudioFile, AudioLoader, Skipped
from keras_rnn2dnn.audio.corpora.recordings import write_wav
from keras_rnn2dnn.audio.formats import decoding
from keras_rnn2dnn.audio.formats.headers import read_whole


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(6):
        write_wav(tmp_path / f"{number}.wav", 0.1 * rng.normal(size=800), 8000)
    (tmp_path / "1.wav").write_bytes(b"")
    whole = (tmp_path / "3.wav").read_bytes()
    (tmp_path / "3.wav").write_bytes(whole[:-10])
    (tmp_path / "5.wav").unlink()
    return [AudioFile(tmp_path / f"{n}.wav", f"u{n}", f"t{n}") for n in range(6)]


REASONS = {
    1: "it is empty",
    3: "it is truncated: 1590 of 1600 bytes of samples",
    5: "it cannot be read: No such file or directory",
}


def test_files_that_cannot_be_decoded_are_left_out_and_listed(files, caplog):
    loader = AudioLoader(files, 8000)
    assert [file.name for file, _ in loader] == ["u0", "u2", "u4"]
    expected = [Skipped(files[n].path, reason) for n, reason in REASONS.items()]
    assert loader.skipped == expected
    assert caplog.messages[-1] == "Skipped 3 of 6 audio files"
    assert caplog.messages[0] == f"Skipped {files[1].path}: it is empty"
    assert len(list(loader)) == 3 and loader.skipped == expected  # counted anew


@pytest.mark.parametrize("number", REASONS)
def test_strict_stops_at_them(files, number):
    with pytest.raises(ValueError) as error:
        list(AudioLoader(files[number - 1 : number + 1], 8000, strict=True))
    assert str(error.value) == (
        f"Cannot use the audio file {str(files[number].path)!r}: {REASONS[number]}. "
        "Remove it, or leave such files out: without strict"
    )


def test_the_samples_are_those_of_the_file_and_its_segments(tmp_path):
    samples = np.arange(800, dtype="float32") / 32768
    write_wav(tmp_path / "a.wav", samples, 8000)
    spans = [(0.0, None), (0.05, None), (0.0, 0.01), (0.05, 0.0625), (0.2, 0.3)]
    files = [
        AudioFile(tmp_path / "a.wav", str(s), start_s=s, end_s=e) for s, e in spans
    ]
    loader = AudioLoader(files, 8000)
    found = [x for _, x in loader]
    cuts = [slice(None), slice(400, None), slice(80), slice(400, 500)]
    for x, cut in zip(found, cuts, strict=True):
        np.testing.assert_array_equal(x, samples[cut])
    assert loader.skipped[0].reason == "no audio between its start and its end"


def test_segments_far_beyond_their_recording_are_left_out_as_kaldi_does(tmp_path):
    write_wav(tmp_path / "a.wav", np.arange(8000) / 32768, 8000)
    spans = {"in": (0.5, 1.0), "near": (0.5, 1.4), "far": (0.5, 60.0)}
    files = [AudioFile(tmp_path / "a.wav", n, None, None, *s) for n, s in spans.items()]
    loader = AudioLoader(files, 8000)
    assert [(file.name, len(x)) for file, x in loader] == [("in", 4000), ("near", 4000)]
    (skipped,) = loader.skipped
    assert skipped.reason == "its segment ends 59.0 s after the recording: far"
    with pytest.raises(ValueError, match="ends 59.0 s after the recording: far"):
        list(AudioLoader(files, 8000, strict=True))


@pytest.mark.parametrize("backend", ["wave", None])
def test_each_segment_is_of_its_channel(tmp_path, backend):
    stereo = np.repeat([[8192, -16384]], 800, axis=0).astype("<i2")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(stereo.tobytes())
    channels = (None, 0, 0, 1, 2)
    files = [
        AudioFile(tmp_path / "a.wav", str(n), end_s=0.05, channel=channel)
        for n, channel in enumerate(channels)
    ]
    loader = AudioLoader(files, 8000, backend=backend)
    assert [float(x[0]) for _, x in loader] == [-0.125, 0.25, 0.25, -0.5]
    (skipped,) = loader.skipped
    assert skipped.reason == "it has 2 channels, and no channel 2, from 0"


def test_files_whose_names_are_no_utf_8_are_read(tmp_path):
    path = tmp_path / os.fsdecode(b"a\xff.wav")
    try:
        write_wav(path, np.zeros(80), 8000)
    except (OSError, UnicodeError):
        pytest.skip("the file system has no such names")
    (pair,) = AudioLoader([AudioFile(path, "a")], 8000)
    assert len(pair[1]) == 80


def test_a_recording_is_decoded_once_for_all_of_its_segments(tmp_path, monkeypatch):
    for name, level in (("a", 1), ("b", 2)):
        samples = np.full(800, level, "float32") / 32768
        write_wav(tmp_path / f"{name}.wav", samples, 8000)
    (tmp_path / "c.wav").write_bytes(b"")
    files = [
        AudioFile(tmp_path / f"{name}.wav", f"{name}{n}", start_s=n / 100, end_s=0.05)
        for name in "acb"
        for n in range(3)
    ]
    loader, read = AudioLoader(files, 8000, backend="wave"), []

    def counted(data):
        read.append(len(data))
        return read_whole(data)

    monkeypatch.setattr(decoding, "read_whole", counted)
    found = [(file.name, len(x), x[0] * 32768) for file, x in loader]
    lengths = (400, 320, 240)
    assert found == [
        (f"{name}{n}", lengths[n], level)
        for name, level in (("a", 1), ("b", 2))
        for n in range(3)
    ]
    assert [skipped.path for skipped in loader.skipped] == [tmp_path / "c.wav"] * 3
    assert read.count(0) == 2 and len(read) == 4  # the damaged one again, for a reason


def test_a_data_set_holds_audio_and_what_is_known(files):
    loader = AudioLoader(files, 8000)
    found = list(loader.dataset().as_numpy_iterator())
    assert [(x["name"], x["text"], x["speaker"]) for x in found] == [
        (b"u0", b"t0", b""),
        (b"u2", b"t2", b""),
        (b"u4", b"t4", b""),
    ]
    assert {x["audio"].shape for x in found} == {(800,)} and len(loader.skipped) == 3


def test_no_files_and_bad_rates_are_refused(files):
    with pytest.raises(ValueError, match="`files`. Expected at least one"):
        AudioLoader([], 8000)
    with pytest.raises(ValueError, match="`sample_rate_hz`. Expected an integer >= 1"):
        AudioLoader(files, 0)
