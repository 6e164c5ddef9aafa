from pathlib import Path

import pytest

from keras_rnn2dnn.audio.corpora.word_folders import list_word_folders

COMMANDS = Path(__file__).parents[4] / "shared" / "commands"


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def told(root, pattern=None):
    """Words and speakers of the files, by their ids."""
    listing = list_word_folders(root, pattern)
    pairs = {u.file.name: (*u.words, u.file.speaker) for u in listing.utterances}
    assert [u.file.text for u in listing.utterances] == [w for w, _ in pairs.values()]
    return pairs


def skipped(root, pattern=None):
    found = list_word_folders(root, pattern).skipped
    return {s.path.relative_to(root).as_posix(): s.reason for s in found}


def test_words_are_the_names_of_folders(tmp_path):
    touch(tmp_path, "Turn Left/ann_1.WAV", "توقف/ann_1.flac", "停/ben_1.ogg")
    touch(tmp_path, "停/ann_1.mp3", "Turn Left/ben_2.wav")
    assert told(tmp_path) == {
        "Turn Left/ann_1": ("Turn Left", "ann"),
        "Turn Left/ben_2": ("Turn Left", "ben"),
        "توقف/ann_1": ("توقف", "ann"),
        "停/ann_1": ("停", "ann"),
        "停/ben_1": ("停", "ben"),
    }
    assert list_word_folders(tmp_path).speakers == (
        "2 speakers, by the files' names, '{speaker}_{n}', which is a guess: "
        "'Turn Left/ann_1' is taken for 'ann'; give `speaker_pattern` if that is wrong"
    )


def test_where_there_are_no_speakers_a_sentence_says_so(tmp_path):
    touch(tmp_path, "go/1.wav", "go/2.wav", "no/1.wav", "no/1.flac")
    assert {speaker for _, speaker in told(tmp_path).values()} == {None}
    assert set(told(tmp_path)) == {"go/1", "go/2", "no/1.wav", "no/1.flac"}
    listing = list_word_folders(tmp_path)
    assert (listing.pattern, listing.found_speakers) == (None, False)
    assert listing.speakers == (
        "No speakers: no pattern fits names such as 'go/1'. If they tell, give "
        "`speaker_pattern`, such as '{speaker}_{n}'. Without them a split is by file, "
        "and a speaker may be heard in several parts"
    )


def test_a_guess_that_contradicts_the_folder_or_does_not_match_is_no_speaker(tmp_path):
    names = [
        f"{w}/{w}_{s}_{n}.wav" for w in ("go", "no") for s in "ab" for n in range(9)
    ]
    touch(tmp_path, *names, "go/no_a_9.wav", "go/hm.wav")
    pairs = told(tmp_path)
    assert pairs["go/go_a_0"] == ("go", "a")
    assert pairs["go/no_a_9"] == pairs["go/hm"] == ("go", None)
    assert (
        "2 of 38 files are of unknown speakers" in list_word_folders(tmp_path).speakers
    )


def test_a_pattern_is_given(tmp_path):
    touch(tmp_path, "ann/go/1.wav", "ann/no/1.wav", "ben/go/1.wav")
    assert told(tmp_path, "{speaker}/{word}/*") == {
        "ann/go/1": ("go", "ann"),
        "ann/no/1": ("no", "ann"),
        "ben/go/1": ("go", "ben"),
    }
    listing = list_word_folders(tmp_path, "{speaker}/{word}/*")
    assert listing.speakers == "2 speakers, by the files' names, '{speaker}/{word}/*'"
    assert told(tmp_path, "{word}/{n}")["ann/go/1"] == ("go", None)
    assert told(tmp_path, "{speaker}/{n}")["ann/go/1"] == ("ann", "go")
    with pytest.raises(ValueError, match="does not match 'ann/go/1', the first of 3"):
        list_word_folders(tmp_path, "{speaker}_{n}")


def test_files_without_folders_tell_the_word_or_are_refused(tmp_path):
    names = [
        f"{w}_{s}_{n}" for w in ("go", "no") for s in ("ann", "ben") for n in (1, 2)
    ]
    touch(tmp_path, *(f"{name}.flac" for name in names))
    assert told(tmp_path)["no_ben_2"] == ("no", "ben")
    assert told(tmp_path, "{speaker}_{word}_*")["no_ben_2"] == ("ben", "no")
    text = r"Nothing tells the words of .*Received: 8 files such as 'go_ann_1.flac'"
    with pytest.raises(ValueError, match=text):
        list_word_folders(tmp_path, "{speaker}_{n}")


def test_what_is_odd_is_told(tmp_path):
    touch(tmp_path, "go/a_1.wav", "go/notes.txt", "go/LICENSE", "go/._a_1.wav")
    touch(tmp_path, "go/_old/a_2.wav", "_background_noise_/a.wav", ".git/a.wav")
    touch(tmp_path, "README.md", "loose.wav")
    (tmp_path / "empty").mkdir()
    assert list(told(tmp_path)) == ["go/a_1"]
    aside = "it is left aside, as its name begins with"
    assert skipped(tmp_path) == {
        ".git": f"{aside} '.'",
        "_background_noise_": f"{aside} '_'",
        "empty": "it is a folder without audio",
        "go/LICENSE": "it is no audio: its name has no ending",
        "go/notes.txt": "it is no audio: its name ends in '.txt'",
        "loose.wav": "it lies in no folder of a word",
    }


def test_no_audio_is_an_error(tmp_path):
    touch(tmp_path, "go/a.txt", "_noise/a.wav")
    with pytest.raises(FileNotFoundError, match=r"No audio in .*Expected folders by"):
        list_word_folders(tmp_path)


def test_parts_are_told_by_folders_or_by_lists(tmp_path):
    touch(tmp_path / "a", "Train/go/ann_1.wav", "val/go/ben_1.wav", "test/no/eve_1.wav")
    parts = {u.file.name: u.part for u in list_word_folders(tmp_path / "a").utterances}
    assert parts == {
        "Train/go/ann_1": "train",
        "val/go/ben_1": "development",
        "test/no/eve_1": "test",
    }
    touch(tmp_path / "a", "_noise/a.wav")
    assert list(skipped(tmp_path / "a")) == ["_noise"]
    touch(tmp_path / "b", *(f"go/{s}_nohash_0.flac" for s in ("0a", "0b", "0c")))
    (tmp_path / "b" / "validation_list.txt").write_text("go/0b_nohash_0.flac\n")
    (tmp_path / "b" / "testing_list.txt").write_text("go/0c_nohash_0.flac\n")
    utterances = list_word_folders(tmp_path / "b").utterances
    assert [u.part for u in utterances] == ["train", "development", "test"]
    assert [u.file.speaker for u in utterances] == ["0a", "0b", "0c"]
    touch(tmp_path / "c", "train/ann_1.wav", "test/ann_1.wav")  # words
    assert {u.part for u in list_word_folders(tmp_path / "c").utterances} == {None}


@pytest.mark.skipif(not COMMANDS.is_dir(), reason="needs ../shared/commands")
def test_the_speakers_of_the_spoken_commands_are_found():
    listing = list_word_folders(COMMANDS)
    assert listing.pattern == "{speaker}_{n}" and not listing.skipped
    assert len(listing.utterances) == 9600
    assert len({u.words for u in listing.utterances}) == 40
    speakers = {
        part: {u.file.speaker for u in listing.utterances if u.part == part}
        for part in ("train", "development")
    }
    assert [len(s) for s in speakers.values()] == [18, 6]
    assert not speakers["train"] & speakers["development"]
