import logging
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from keras_rnn2dnn.audio.corpora import load_recordings, write_wav
from keras_rnn2dnn.audio.corpora.loading import AudioFile
from keras_rnn2dnn.audio.corpora.manifests import write_manifest

FSDD = Path(__file__).parents[4] / "shared" / "fsdd"


def write(root, *names, rate=8000, seconds=0.1):
    for number, name in enumerate(names):
        samples = np.full(round(rate * seconds), (number + 1) / 16)
        write_wav(root / f"{name}.wav", samples, rate)


@pytest.fixture
def folders(tmp_path):
    """Three words of two speakers."""
    words, speakers = ("go", "Turn Left", "停"), ("ann", "ben")
    write(tmp_path, *(f"{w}/{s}_{n}" for w in words for s in speakers for n in (3, 7)))
    return tmp_path


def said(recordings):
    return [(r.words, r.speaker, r.index) for r in recordings]


def test_folders_become_recordings(folders, caplog):
    caplog.set_level(logging.INFO)
    corpus = load_recordings(folders)
    assert corpus.words == ("Turn Left", "go", "停")
    assert said(corpus.recordings[4:8]) == [
        (("go",), speaker, index) for speaker in ("ann", "ben") for index in (0, 1)
    ]
    assert {r.sample_rate_hz for r in corpus.recordings} == {8000}
    np.testing.assert_array_equal(corpus.recordings[5].samples, np.full(800, 2 / 16))
    assert (corpus.parts, corpus.skipped) == ([None] * 12, [])
    assert corpus.speaker_pattern == "{speaker}_{n}"
    assert corpus.speakers in caplog.messages
    assert str(corpus) == f"12 recordings of 3 words, 1 s at 8000 Hz\n{corpus.speakers}"


def test_what_is_none_of_the_words_is_other_speech(folders):
    corpus = load_recordings(folders, words=["停", "go"])
    assert corpus.words == ("go", "停") and len(corpus.recordings) == 8
    assert {r.words for r in corpus.other_speech} == {("Turn Left",)}
    assert len(corpus.other_speech) == 4
    few = load_recordings(folders, words=["停"], max_other_speech=4).other_speech
    assert [(r.words[0], r.speaker) for r in few] == [
        (word, speaker) for word in ("Turn Left", "go") for speaker in ("ann", "ben")
    ]
    assert "8 recordings of other words" in str(load_recordings(folders, words=["停"]))


def test_words_that_do_not_occur_are_named_with_the_nearest(folders):
    text = (
        r"Invalid value for `words`. Expected words among \['Turn Left', 'go', '停'\]. "
        r"Received: words=\['turn left', 'hm'\]. Did you mean 'Turn Left'\?"
    )
    with pytest.raises(ValueError, match=text):
        load_recordings(folders, words=["turn left", "go", "hm"])
    with pytest.raises(
        ValueError, match="Expected a list of words. Received: words='go"
    ):
        load_recordings(folders, words="go")


def test_words_are_found_however_their_accents_are_written(tmp_path):
    apart = unicodedata.normalize("NFD", "zürich")
    write(tmp_path, f"{apart}/1", "bern/1")
    assert load_recordings(tmp_path, words=["zürich"]).words == (apart,)


def test_what_cannot_be_used_is_told(folders, caplog):
    (folders / "go" / "eve_1.wav").write_bytes(b"RIFF")
    (folders / "go" / "eve_2.flac").touch()
    (folders / "go" / "notes.txt").touch()
    (folders / "empty").mkdir()
    corpus = load_recordings(folders)
    assert len(corpus.recordings) == 12
    assert {(s.path.name, s.reason) for s in corpus.skipped} == {
        ("empty", "it is a folder without audio"),
        ("eve_1.wav", "it is neither WAV, FLAC, MP3 nor Ogg Vorbis"),
        ("eve_2.flac", "it is empty"),
        ("notes.txt", "it is no audio: its name ends in '.txt'"),
    }
    for skipped in corpus.skipped:
        line = f"Skipped {skipped.path}: {skipped.reason}"
        assert line in caplog.messages and line in str(corpus)


def test_the_rate_is_that_of_most_files(folders, caplog):
    pytest.importorskip("soxr", reason="needs the extra `audio`")
    write(folders, "go/eve_1", "go/eve_2", rate=16000)
    corpus = load_recordings(folders)
    assert {(r.sample_rate_hz, len(r.samples)) for r in corpus.recordings} == {
        (8000, 800)
    }
    told = "Files of several sample rates are changed to 8000 Hz: 12 of 8000 Hz, 2 of"
    assert any(told in message for message in caplog.messages) and told in str(corpus)
    corpus = load_recordings(folders, sample_rate_hz=16000)
    assert {len(r.samples) for r in corpus.recordings} == {1600}


def test_no_file_that_can_be_decoded_is_an_error(tmp_path):
    (tmp_path / "go").mkdir()
    (tmp_path / "go" / "a_1.wav").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=r"Cannot decode any file of .*a_1.wav"):
        load_recordings(tmp_path)
    with pytest.raises(ValueError, match=r"No recordings in .*it is neither WAV, FLAC"):
        load_recordings(tmp_path, sample_rate_hz=8000)
    with pytest.raises(FileNotFoundError, match="Expected a directory, or a manifest"):
        load_recordings(tmp_path / "none")


@pytest.fixture
def manifest(tmp_path):
    write(tmp_path, "a_1", "a_2", "b_1")
    texts = ("go  on", None, "stop")
    files = [
        AudioFile(tmp_path / f"{name}.wav", name, text)
        for name, text in zip(("a_1", "a_2", "b_1"), texts, strict=True)
    ]
    write_manifest(tmp_path / "a.jsonl", files)
    return tmp_path / "a.jsonl"


def test_other_layouts_have_sentences(manifest, caplog):
    corpus = load_recordings(manifest)
    assert said(corpus.recordings) == [(("go", "on"), "", 0), (("stop",), "", 0)]
    assert [s.reason for s in corpus.skipped] == ["it has no text"]
    assert corpus.speakers.startswith("No speakers: the corpus has none. If the files'")
    assert corpus.speakers in caplog.messages
    corpus = load_recordings(manifest, words=["stop", "go"])
    assert [s.reason for s in corpus.skipped][1:] == [
        "it holds other words beside those asked for"
    ]
    corpus = load_recordings(manifest, speaker_pattern="{speaker}_{n}")
    assert [r.speaker for r in corpus.recordings] == ["a", "b"]
    assert corpus.speakers == "2 speakers, by the files' names, '{speaker}_{n}'"
    manifest.write_text('{"audio": "a_1.wav"}\n')
    with pytest.raises(ValueError, match="Received: 1 files without text"):
        load_recordings(manifest)


@pytest.mark.skipif(not FSDD.is_dir(), reason="needs ../shared/fsdd")
def test_the_digits_are_known_with_their_speakers():
    corpus = load_recordings(FSDD, words=["seven", "nine"])
    assert corpus.words == ("nine", "seven") and len(corpus.recordings) == 400
    assert len({r.speaker for r in corpus.recordings}) == 4
    assert corpus.speakers == "4 speakers, as the corpus tells"
    corpus = load_recordings(FSDD, words=["nine"], speaker_pattern="{word}_*")
    assert corpus.words == ("nine",)  # the corpus' word, not the digit of the name
    assert corpus.speakers == "4 speakers, as the corpus tells"
