import dataclasses

import numpy as np
import pytest
from helpers.tone_words import tone_words
from helpers.word_corpora import write_folders, write_sentences

from keras_rnn2dnn.audio.corpora import write_wav
from keras_rnn2dnn.recipe.from_corpus.parts import read_parts

SPEAKERS = ("ada", "bob", "eve", "joe")


def speakers_of(recordings):
    return {r.speaker for r in recordings}


@pytest.mark.parametrize(
    "names", [{}, {"up": "فوق", "down": "تحت"}, {"up": "上", "down": "下"}]
)
def test_folders_by_word_are_split_by_speaker(names, tmp_path):
    write_folders(tmp_path, tone_words(SPEAKERS, per_word=3), names)
    parts = read_parts(tmp_path)
    split = parts.split
    words = sorted(names.values()) if names else ["down", "up"]
    assert list(split.vocabulary) == words
    heard = [speakers_of(s) for s in (split.train, split.development, split.test)]
    assert [len(speakers) for speakers in heard] == [2, 1, 1]
    assert set.union(*heard) == set(SPEAKERS)
    assert parts.how_split == "split by speaker"
    assert "4 speakers, by the files' names, '{speaker}_{n}'" in parts.told[1]
    assert parts.told[-1] == (
        "Split by speaker: train 12 recordings of 2 speakers, development 6 recordings "
        "of 1 speaker, test 6 recordings of 1 speaker"
    )


def test_three_recordings_a_word_of_nobody_known_are_split_by_file(tmp_path):
    recordings = tone_words(("ada",), per_word=3)
    write_folders(tmp_path, [dataclasses.replace(r, speaker="") for r in recordings])
    parts = read_parts(tmp_path)
    for use in ("train", "development", "test"):
        assert sorted(r.words[0] for r in getattr(parts.split, use)) == ["down", "up"]
    assert "No speakers: " in parts.told[1] and "split is by file" in parts.told[1]
    assert parts.told[-1] == (
        "Split by file: the same speakers may be heard in training and test: train 2 "
        "recordings, development 2 recordings, test 2 recordings"
    )


def test_one_recording_a_word_is_too_few(tmp_path):
    write_folders(tmp_path, tone_words(("ada",), per_word=1))
    with pytest.raises(ValueError) as error:
        read_parts(tmp_path)
    assert str(error.value) == (
        "Too few recordings to split. Expected 3 or more of a word. Received: 2 of 2 "
        "words or sentences"
    )


def test_words_with_few_recordings_are_told(tmp_path):
    write_folders(tmp_path, tone_words(SPEAKERS, per_word=3)[:14])
    (tmp_path / "up" / "bob_0.wav").unlink(missing_ok=True)
    write_folders(tmp_path, tone_words(SPEAKERS, per_word=1)[:2], {"up": "rare"})
    told = "\n".join(read_parts(tmp_path).told)
    assert "1 words have fewer than 3 recordings, too few to be trained, " in told


def test_what_cannot_be_used_is_left_out_and_told(tmp_path):
    recordings = tone_words(SPEAKERS, per_word=3)
    write_folders(tmp_path, recordings)
    (tmp_path / "nothing").mkdir()
    (tmp_path / "up" / "ada_7.wav").write_bytes(b"RIFF")
    (tmp_path / "up" / "ada_8.wav").write_bytes(b"")
    write_wav(tmp_path / "up" / "ada_9.wav", np.zeros(800), 8000)
    write_wav(tmp_path / "down" / "ada_9.wav", np.ones(300) / 2, 8000)
    parts = read_parts(tmp_path)
    split = parts.split
    assert len(split.train) + len(split.development) + len(split.test) == 24
    told = "\n".join(parts.told)
    for text in (
        "nothing: it is a folder without audio",
        "ada_7.wav: ",
        "ada_8.wav: ",
        "Left out 1 recordings without any sound",
        "Left out 1 recordings too short for their words",
    ):
        assert text in told


def test_without_a_sound_nothing_is_trained(tmp_path):
    write_folders(
        tmp_path,
        [dataclasses.replace(r, samples=0 * r.samples) for r in tone_words()[::9]],
    )
    with pytest.raises(ValueError, match="Received: 14 silent ones, 0 too short ones"):
        read_parts(tmp_path)


@pytest.mark.parametrize(("rate", "expected"), [(8000, 8000), (32000, 16000)])
def test_of_two_rates_one_is_taken(rate, expected, tmp_path):
    pytest.importorskip("soxr", reason="needs the extra `audio`")
    recordings = tone_words(SPEAKERS, per_word=3)
    write_folders(tmp_path, recordings, rate=rate)
    write_folders(tmp_path, recordings[:4], rate=11025)
    split = read_parts(tmp_path).split
    split.check()
    assert {r.sample_rate_hz for r in (*split.train, *split.test)} == {expected}


def test_sentences_of_a_manifest_keep_their_words(tmp_path):
    parts = read_parts(write_sentences(tmp_path))
    assert parts.split.vocabulary == ("down", "up")
    assert {r.words for r in parts.split.train} == {("down", "up")}
    assert len(parts.split.train) == 8 and parts.split.by_speaker


def test_words_that_differ_in_punctuation_and_case_alone_are_one(tmp_path):
    path = write_sentences(tmp_path)
    lines = path.read_text().splitlines()
    lines[::2] = [s.replace("down up", "Down, up!") for s in lines[::2]]
    path.write_text("\n".join(lines))
    parts = read_parts(path, words=["DOWN", "up"])
    assert parts.split.vocabulary == ("down", "up")
    assert parts.told[2] == (
        "4 words of the transcripts are 2 in lower case and without punctuation: these "
        "are taken"
    )
    (tmp_path / "words" / "Up!").mkdir(parents=True)
    write_folders(tmp_path / "words", tone_words(SPEAKERS, per_word=2), {"up": "Up!"})
    assert read_parts(tmp_path / "words").split.vocabulary == ("Up!", "down")


def test_lists_of_speech_commands_and_their_noise_are_used(tmp_path):
    recordings = tone_words(SPEAKERS, per_word=2)
    write_folders(tmp_path, recordings)
    for path in tmp_path.glob("*/*.wav"):
        path.rename(path.with_name(path.name.replace("_", "_nohash_")))
    for name, speaker in (("validation", "bob"), ("testing", "eve")):
        files = [
            f"{w}/{speaker}_nohash_{n}.wav" for w in ("up", "down") for n in (0, 1)
        ]
        (tmp_path / f"{name}_list.txt").write_text("\n".join(files))
    noise = 0.1 * np.random.default_rng(0).normal(size=16000)
    write_wav(tmp_path / "_background_noise_" / "hum.wav", noise, 8000)
    parts = read_parts(tmp_path)
    assert speakers_of(parts.split.development) == {"bob"}
    assert speakers_of(parts.split.test) == {"eve"}
    assert len(parts.split.train) == 8
    assert [len(r.samples) for r in parts.split.noise] == [16000]
    assert [t for t in parts.told if "_background_noise_" in t] == [
        f"noise: 2 s of {tmp_path / '_background_noise_'}"
    ]


def test_development_data_are_halved_where_there_is_no_test(tmp_path):
    recordings = tone_words(SPEAKERS, per_word=2)
    write_folders(tmp_path / "train", recordings[:8])
    write_folders(tmp_path / "dev", recordings[8:])
    split = read_parts(tmp_path).split
    heard = [speakers_of(s) for s in (split.train, split.development, split.test)]
    assert heard[0] == {"ada", "bob"}
    assert sorted(map(sorted, heard[1:])) == [["eve"], ["joe"]]


def test_words_that_are_not_asked_for_are_babble(tmp_path):
    recordings = tone_words(SPEAKERS, per_word=3)
    write_folders(tmp_path, recordings, {"up": "go on"})
    parts = read_parts(tmp_path, words=["go on"])
    assert parts.split.vocabulary == ("go_on",)
    assert {r.words for r in parts.split.other_speech} == {("down",)}
    assert speakers_of(parts.split.other_speech) == speakers_of(parts.split.train)


def test_recordings_without_words_are_cut_into_pieces(tmp_path):
    write_folders(tmp_path / "words", tone_words(SPEAKERS, per_word=3))
    rng = np.random.default_rng(0)
    for name, seconds in (("new/a", 13), ("b", 3)):
        samples = 0.1 * rng.normal(size=seconds * 8000)
        write_wav(tmp_path / "new" / f"{name}.wav", samples, 8000)
    split = read_parts(tmp_path / "words", unlabelled=tmp_path / "new").split
    pieces = split.unlabelled
    assert [(r.speaker, len(r.samples)) for r in pieces] == [
        ("", 24000),
        *[("new", 34667)] * 2,
        ("new", 34666),
    ]
    assert {r.words for r in pieces} == {()}


def test_other_speech_is_beside_the_words_that_are_left_aside(tmp_path):
    write_folders(tmp_path / "words", tone_words(SPEAKERS, per_word=3))
    samples = 0.1 * np.random.default_rng(0).normal(size=8000)
    write_wav(tmp_path / "talk" / "a.wav", samples, 8000)
    parts = read_parts(tmp_path / "words", words=["up"], other=tmp_path / "talk")
    *left_aside, talk = parts.split.other_speech
    assert {r.words for r in left_aside} == {("down",)}
    assert talk.words == () and len(talk.samples) == 8000
    assert f"other: 1 s of {tmp_path / 'talk'}" in parts.told


def test_words_that_no_training_has_are_told(tmp_path):
    recordings = tone_words(SPEAKERS, per_word=2)
    write_folders(tmp_path / "train", recordings[:8])
    write_folders(tmp_path / "test", recordings[8:], {"up": "left"})
    write_folders(tmp_path / "dev", recordings[8:])
    told = read_parts(tmp_path).told
    assert told[-1] == (
        "4 of 8 words of the test are not among the 2 of the training: each will be an "
        "error"
    )


@pytest.mark.parametrize("name", ["noise", "unlabelled", "other"])
def test_a_directory_that_is_none_is_refused_before_anything_is_read(name, tmp_path):
    with pytest.raises(ValueError) as error:
        read_parts(tmp_path / "words", **{name: tmp_path / "none"})
    assert str(error.value).startswith(
        f"Invalid value for `{name}`. Expected a directory with audio. Received: "
    )


def test_noise_without_sound_is_refused(tmp_path):
    write_folders(tmp_path / "words", tone_words(SPEAKERS, per_word=3))
    write_wav(tmp_path / "noise" / "a.wav", np.zeros(800), 8000)
    with pytest.raises(ValueError, match=r"Received: 1 files; all of it is silent"):
        read_parts(tmp_path / "words", noise=tmp_path / "noise")


def test_a_kaldi_directory_tells_words_and_speakers(tmp_path):
    tables: dict[str, list[str]] = {"wav.scp": [], "text": [], "utt2spk": []}
    for r in tone_words(SPEAKERS, per_word=3):
        name = f"{r.speaker}-{r.words[0]}-{r.index}"
        write_wav(tmp_path / f"{name}.wav", r.samples, 8000)
        tables["wav.scp"].append(f"{name} {tmp_path / name}.wav")
        tables["text"].append(f"{name} {r.words[0]}")
        tables["utt2spk"].append(f"{name} {r.speaker}")
    for name, lines in tables.items():
        (tmp_path / name).write_text("\n".join(lines))
    split = read_parts(tmp_path).split
    assert split.vocabulary == ("down", "up") and split.by_speaker
    assert speakers_of(split.train + split.development + split.test) == set(SPEAKERS)


def test_of_one_speaker_the_split_is_by_file(tmp_path):
    write_folders(tmp_path, tone_words(("ada",), per_word=10))
    parts = read_parts(tmp_path, speaker_pattern="{speaker}_{n}")
    assert "1 speaker, by the files' names" in parts.told[1]
    assert parts.how_split.startswith("split by file: ")
    sizes = [len(getattr(parts.split, u)) for u in ("train", "development", "test")]
    assert sizes == [14, 3, 3]
