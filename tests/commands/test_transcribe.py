import io
import json
import os
import sys

import numpy as np
import pytest
from helpers import bundles

from keras_rnn2dnn import Recognizer
from keras_rnn2dnn.audio.corpora.recordings import write_wav
from keras_rnn2dnn.deploy.device import RecognizedWord, Utterance
from keras_rnn2dnn.scoring.word_errors import word_error_rate

MP3_FRAME = b"\xff\xfb\x90\x64" + bytes(413)  # 128 kbit/s at 44,100 Hz
PCM = np.concatenate(bundles.recordings(4, seed=3))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return bundles.written(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def expected(bundle):
    """What `PCM` is recognised as."""
    return Recognizer.load(bundle).transcribe(PCM)


@pytest.fixture
def wav(tmp_path):
    write_wav(tmp_path / "a.wav", PCM / 32768, 8000)
    return tmp_path / "a.wav"


class Pipe(io.BytesIO):
    """Standard input that comes in pieces of a size."""

    def __init__(self, data, size=331, on_read=lambda: None):
        super().__init__(data)
        self.size, self.on_read = size, on_read

    def read1(self, size=-1):
        self.on_read()
        return super().read1(self.size)


@pytest.fixture
def pipe(monkeypatch):
    def give(*arguments, **options):
        stdin = io.TextIOWrapper(Pipe(*arguments, **options))
        monkeypatch.setattr(sys, "stdin", stdin)

    return give


def lines(words, prefix=""):
    return "".join(
        f"{prefix}{w.start_ms / 1000:.2f} {w.end_ms / 1000:.2f} {w.text} "
        f"{w.confidence:.1f}\n"
        for w in words
    )


def test_a_line_for_each_file(bundle, expected, wav, tmp_path, run):
    code, output, error = run("transcribe", bundle, wav)
    assert (code, output) == (0, f"{expected.text}\n")
    assert error.startswith("3.0 s of audio in ")
    assert "\nlatency: 45 ms (25 ms window + 20 ms right context), and the" in error
    median = np.median(expected.delays_ms)
    assert f"\nwords were certain {median:,.0f} ms after their end (median), " in error
    assert error.endswith(
        f"{max(expected.delays_ms):,} ms at most, {len(expected.words):,} words\n"
    )
    write_wav(tmp_path / "b.wav", np.zeros(100), 8000)
    code, output, error = run("transcribe", bundle, wav, tmp_path / "b.wav")
    assert output == f"{wav}: {expected.text}\n{tmp_path / 'b.wav'}: \n"
    _, output, _ = run("transcribe", bundle, tmp_path / "b.wav", wav, "--times")
    times = lines(expected.words, f"{wav}: ")
    assert output == f"{tmp_path / 'b.wav'}: \n{times}"
    assert run("transcribe", bundle, tmp_path / "b.wav", "--times")[1] == ""


def test_folders_by_word(bundle, expected, tmp_path, run):
    """`transcribe` takes all that lies in them, `evaluate` the words as well."""
    clips = Recognizer.load(bundle), bundles.recordings(6)
    heard = [clips[0].transcribe(pcm).text for pcm in clips[1]]
    for number, pcm in enumerate(clips[1]):
        path = tmp_path / ("up", "down")[number % 2] / f"ann {number}.wav"
        path.parent.mkdir(exist_ok=True)
        write_wav(path, pcm / 32768, 8000)
    (tmp_path / "down" / "notes.txt").write_text("no audio")
    code, output, _ = run("transcribe", bundle, tmp_path)
    assert (code, output.count("\n")) == (0, 6)
    assert output.startswith(f"{tmp_path}/down/ann 1.wav: {heard[1]}\n")
    code, output, error = run("evaluate", bundle, "--data", tmp_path, "--json")
    assert code == 0, error
    wrong = word_error_rate(["up", "down"] * 3, heard)
    counts = json.loads(output)
    assert (counts["words"], counts["substitutions"], counts["insertions"]) == (
        *(6, wrong.substitutions, wrong.insertions),
    )


def test_times_and_json(bundle, expected, wav, run):
    _, output, _ = run("transcribe", bundle, wav, "--times")
    assert output == lines(expected.words)
    _, output, _ = run("transcribe", bundle, wav, wav, "--times")
    assert output == 2 * lines(expected.words, f"{wav}: ")
    _, output, _ = run("transcribe", bundle, wav, "--json")
    found = json.loads(output)
    assert (found["audio"], found["audio_s"]) == (str(wav), 3.0)
    assert [RecognizedWord(**w) for w in found["words"]] == list(expected.words)
    assert found["delays_ms"] == list(expected.delays_ms)
    assert [Utterance(**u) for u in found["utterances"]] == list(expected.utterances)
    assert found["utterances"][-1]["end_ms"] == expected.words[-1].end_ms


def test_words_below_a_threshold_are_not_printed(bundle, expected, wav, run):
    sure = sorted(word.confidence for word in expected.words)[-3]
    kept = [word for word in expected.words if word.confidence >= sure]
    _, output, _ = run("transcribe", bundle, wav, "--times", "--threshold", sure)
    assert output == lines(kept)
    assert 3 <= len(kept) < len(expected.words)


@pytest.mark.parametrize("size", [3, 331, 1 << 16])
def test_headerless_pcm_on_standard_input(size, bundle, expected, pipe, run):
    pipe(PCM.tobytes() + b"\0", size)  # and half of a sample
    assert run("transcribe", bundle, "-")[:2] == (0, f"{expected.text}\n")
    pipe(PCM.tobytes(), size)
    assert run("transcribe", bundle, "-", "--times")[1] == lines(expected.words)


def test_words_are_printed_as_they_come(bundle, expected, pipe, run, capsys):
    counts = []

    def on_read():
        written = capsys.readouterr().out
        counts.append(len(written.split()))

    pipe(PCM.tobytes(), 1600, on_read=on_read)
    _, rest, _ = run("transcribe", bundle, "-")
    assert sum(counts) + len(rest.split()) == len(expected.words)
    assert sum(count > 0 for count in counts) > 2


def test_wav_on_standard_input_beside_a_file(bundle, expected, wav, pipe, run):
    pipe(wav.read_bytes())
    code, output, _ = run("transcribe", bundle, "-", wav)
    assert code == 0
    assert output == f"-: {expected.text}\n{wav}: {expected.text}\n"
    pipe(wav.read_bytes())
    _, output, _ = run("transcribe", bundle, "-", "--json")
    assert json.loads(output)["text"] == expected.text


def test_ctrl_c_ends_standard_input(bundle, expected, pipe, run):
    reads = []

    def on_read():
        reads.append(1)
        if len(reads) > 20:
            raise KeyboardInterrupt

    pipe(PCM.tobytes(), 1600, on_read=on_read)
    code, output, error = run("transcribe", bundle, "-")
    assert code == 0 and error.startswith("2.0 s of audio in ")
    assert 0 < len(output.split()) <= len(expected.words)


def test_a_bad_file_costs_no_other(bundle, expected, wav, tmp_path, pipe, run):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(wav.read_bytes()[:999])
    code, output, error = run("transcribe", bundle, wav, bad, wav)
    assert (code, output) == (1, 2 * f"{wav}: {expected.text}\n")
    first, second, *_, last = error.splitlines()
    assert first.startswith(f"Left out: Cannot use the audio file '{bad}': it is trunc")
    assert second.startswith("6.0 s of audio in ")
    assert last == "1 of 3 files left out"
    pipe(b"fLaC")
    code, output, error = run("transcribe", bundle, "-", wav)
    assert (code, output) == (1, f"{wav}: {expected.text}\n")
    code, output, error = run("transcribe", bundle, wav, bad, wav, "--strict")
    assert (code, output) == (2, f"{wav}: {expected.text}\n")
    assert error.count("\n") == 1 and "it is truncated" in error


def test_pcm_that_begins_like_mp3_is_pcm(bundle, pipe, run):
    pcm = np.concatenate([np.frombuffer(MP3_FRAME[:4], "<i2"), PCM])
    pipe(pcm.tobytes())
    words = Recognizer.load(bundle).transcribe(pcm).text
    assert run("transcribe", bundle, "-")[:2] == (0, f"{words}\n")
    pipe(MP3_FRAME[:4])
    assert run("transcribe", bundle, "-")[:2] == (0, "\n")


def test_a_closed_pipe_ends_quietly(bundle, wav, run, monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        code, _, error = run("transcribe", bundle, wav, wav)
    assert (code, error) == (141, "")


def test_bad_input_gives_one_line(bundle, tmp_path, pipe, run):
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    (tmp_path / "empty").mkdir()
    cases = [
        ((bundle, tmp_path / "a.wav"), b"", "a.wav': it is neither WAV, FLAC"),
        ((bundle, tmp_path / "none.wav"), b"", "No file "),
        ((bundle, tmp_path / "a.wav", tmp_path / "no.wav"), b"", "No file "),
        ((bundle, tmp_path / "empty"), b"", "No audio in "),
        (
            (bundle, "-"),
            b"fLaCxx",
            "Cannot use FLAC on standard input. Expected WAV ",
        ),
        ((bundle, "-"), b"OggSxx", "Give FLAC, MP3 and Ogg Vorbis as files, by their "),
        ((bundle, "-"), b"ID3\4xx", "Cannot use MP3 on standard input"),
        ((bundle, "-"), 3 * MP3_FRAME, "Cannot use MP3 on standard input"),
        ((bundle, "-"), b"RIFFxxxx", "can give 16-bit PCM without a header"),
        ((bundle, tmp_path / "a.wav"), b"", "can give 16-bit PCM without a header"),
        ((tmp_path, tmp_path / "a.wav"), b"", "No bundle in"),
        ((bundle, "-"), b"", "No audio on standard input. Expected WAV or 16-bit PCM"),
        ((bundle, "-"), b"RIFFxxxx", "WAV on standard input: it is neither WAV"),
    ]
    for arguments, data, text in cases:
        pipe(data)
        code, output, error = run("transcribe", *arguments)
        assert (code, output) == (2, ""), arguments
        assert error.startswith("rnn2dnn transcribe: error: ") and text in error
        assert error.count("\n") == 1, error


def test_names_of_files_do_not_steer_the_terminal(run, bundle, wav, tmp_path):
    name = tmp_path / "b\x1b[2J.wav"
    name.write_bytes(wav.read_bytes())
    code, out, _ = run("transcribe", bundle, wav, name)
    assert code == 0 and "\x1b" not in out and r"b\x1b[2J.wav: " in out
    name.write_bytes(b"")
    code, _, error = run("transcribe", bundle, wav, name)
    assert code == 1 and "\x1b" not in error and r"b\x1b[2J.wav" in error
