import json
import os

import pytest

from keras_rnn2dnn.audio.corpora import listing
from keras_rnn2dnn.audio.corpora.listing import list_corpus
from keras_rnn2dnn.audio.corpora.loading import AudioFile
from keras_rnn2dnn.audio.corpora.manifests import (
    read_manifest,
    read_table,
    write_manifest,
)

ENDLESS = ("a1 r1 0 inf", "a1 r1 0 nan", "a1 r1 0 -inf", "a1 r1 inf inf")


def make(root, **files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def known(files, root):
    return [(f.path.relative_to(root).as_posix(), f.text, f.speaker) for f in files]


def test_fsdd(tmp_path):
    make(tmp_path, **{"recordings/7_de_la_3.wav": "", "recordings/0_ann_12.wav": ""})
    make(tmp_path, **{"metadata.py": ""})
    expected = [
        ("recordings/0_ann_12.wav", "zero", "ann"),
        ("recordings/7_de_la_3.wav", "seven", "de_la"),
    ]
    assert known(list_corpus(tmp_path), tmp_path) == expected
    assert known(listing.list_fsdd(tmp_path / "recordings"), tmp_path) == expected


def test_speech_commands(tmp_path):
    audio = ["yes/0a_nohash_0.wav", "yes/0b_nohash_1.wav", "no/0a_nohash_0.wav"]
    make(tmp_path, **dict.fromkeys([*audio, "_background_noise_/pink.wav"], ""))
    lists = {"validation_list.txt": f"{audio[1]}\n", "testing_list.txt": audio[2]}
    make(tmp_path, **lists)
    entries = [(audio[2], "no", "0a"), (audio[0], "yes", "0a"), (audio[1], "yes", "0b")]
    assert known(list_corpus(tmp_path), tmp_path) == entries
    for split, entry in zip(("test", "train", "validation"), entries, strict=True):
        assert known(list_corpus(tmp_path, split), tmp_path) == [entry]
    with pytest.raises(ValueError, match="`split`. Expected one of"):
        list_corpus(tmp_path, "dev")


def test_librispeech(tmp_path):
    make(
        tmp_path,
        **{
            "train-clean-100/103/1240/103-1240.trans.txt": "103-1240-0000 CHAPTER ONE\n"
            "103-1240-0001 MISSUS RACHEL\n",
            "dev-clean/84/121123/84-121123.trans.txt": "84-121123-0000 GO\n",
            "SPEAKERS.TXT": "; notes",
        },
    )
    files = list_corpus(tmp_path)
    assert known(files, tmp_path) == [
        ("dev-clean/84/121123/84-121123-0000.flac", "GO", "84"),
        ("train-clean-100/103/1240/103-1240-0000.flac", "CHAPTER ONE", "103"),
        ("train-clean-100/103/1240/103-1240-0001.flac", "MISSUS RACHEL", "103"),
    ]
    assert files[1].name == "103-1240-0000"


def test_common_voice(tmp_path):
    head = "client_id\tpath\tsentence\tup_votes\n"
    rows = 'c1\tcommon_voice_de_1.mp3\t"Ja", sagt er.\t2\nc2\tx_2.mp3\tNein\t0\n'
    make(tmp_path, **{"train.tsv": head + rows, "dev.tsv": head + rows[:45]})
    (tmp_path / "clips").mkdir()
    expected = [
        ("clips/common_voice_de_1.mp3", '"Ja", sagt er.', "c1"),
        ("clips/x_2.mp3", "Nein", "c2"),
    ]
    for files in (list_corpus(tmp_path), list_corpus(tmp_path / "train.tsv")):
        assert known(files, tmp_path) == expected
    with pytest.raises(FileNotFoundError, match=r"Expected one of \['dev', 'train'\]"):
        list_corpus(tmp_path, "test")
    make(tmp_path, **{"dev.tsv": "path\tsentence\na.mp3\tx\n"})
    with pytest.raises(ValueError, match=r"Missing: \['client_id'\]"):
        list_corpus(tmp_path, "dev")


def test_kaldi(tmp_path):
    audio = str(tmp_path / "r1.flac")
    make(tmp_path, **{"wav.scp": f"r1 {audio}\n", "utt2spk": "r1 ann\n", "text": ""})
    assert list_corpus(tmp_path) == [AudioFile(tmp_path / "r1.flac", "r1", None, "ann")]
    make(
        tmp_path, **{"segments": "a1 r1 0.5 1.25\na2 r1 2 -1\n", "text": "a1 yes no\n"}
    )
    assert list_corpus(tmp_path) == [
        AudioFile(tmp_path / "r1.flac", "a1", "yes no", None, 0.5, 1.25),
        AudioFile(tmp_path / "r1.flac", "a2", None, None, 2.0, None),
    ]
    for line in ("a1 r2 0 1", "a1 r1 2 1", "a1 r1 0", "a1 r1 x 1", *ENDLESS):
        make(tmp_path, **{"segments": line})
        with pytest.raises(ValueError, match="Cannot use the segment 'a1' of"):
            list_corpus(tmp_path)
    make(tmp_path, **{"wav.scp": "r1 touch owned |\n"})
    with pytest.raises(ValueError, match="has a command for 'r1': 'touch owned |'"):
        list_corpus(tmp_path)
    make(tmp_path, **{"wav.scp": "r1 a.wav\nr1 b.wav\n"})
    with pytest.raises(ValueError, match="has 'r1' twice"):
        list_corpus(tmp_path)


@pytest.mark.parametrize(
    ("segments", "reco", "scp", "channels"),
    [
        ("a r1 0 1 1\nb r2 0 1 A\nc r2 1 2", "", "r1 x.wav\nr2 x.wav", [1, 0, None]),
        ("", "r1 x A\nr2 x B", "r1 x.wav\nr2 x.wav", [0, 1]),
        ("", "r1 x 1\nr2 x 2", "r1 x.wav\nr2 x.wav", [0, 1]),
        ("", "", "r1 x.wav A\nr2  x.wav  1", [0, 1]),
        ("a r2 0 1", "r1 x A\nr2 x B", "r1 x.wav\nr2 x.wav", [1]),
        ("a r2 0 1 0", "r1 x A\nr2 x B", "r1 x.wav\nr2 x.wav", [0]),
    ],
)
def test_channels_of_kaldi(tmp_path, segments, reco, scp, channels):
    tables = {"wav.scp": scp, "segments": segments, "reco2file_and_channel": reco}
    make(tmp_path, **{name: text for name, text in tables.items() if text})
    files = list_corpus(tmp_path)
    assert [file.channel for file in files] == channels
    assert {file.path.name for file in files} == {"x.wav"}


def test_what_is_no_channel_of_kaldi_is_named(tmp_path):
    make(tmp_path, **{"wav.scp": "r1 x.wav", "segments": "a r1 0 1 left"})
    with pytest.raises(
        ValueError, match=r"and maybe a channel. Received: 'r1 0 1 left"
    ):
        list_corpus(tmp_path)
    (tmp_path / "segments").unlink()
    make(tmp_path, **{"reco2file_and_channel": "r1 x 0"})
    with pytest.raises(
        ValueError, match=r"`r1 of .* a file and a channel, A or B. Rec"
    ):
        list_corpus(tmp_path)
    make(tmp_path, **{"wav.scp": "r1 x.wav B", "x.wav B": "", "empty": ""})
    (tmp_path / "reco2file_and_channel").unlink()
    (tmp_path / "wav.scp").write_text(f"r1 {tmp_path}/x.wav B")  # a file of that name
    assert list_corpus(tmp_path)[0].path.name == "x.wav B"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"offset": -1},
            "`offset`. Expected a number >= 0, in seconds. Received: offs",
        ),
        ({"offset": True}, "`offset`. Expected a number >= 0"),
        ({"duration": 0}, "`duration`. Expected a number > 0, in seconds"),
        ({"duration": "2"}, "`duration`. Expected a number > 0, in seconds"),
        ({"duration": float("nan")}, "`duration`. Expected a number > 0, in seconds"),
        ({"channel": -1}, "`channel`. Expected a whole number from 0"),
        ({"start": 1.0}, "'start' is no field of a manifest. Expected \"offset\" and"),
        ({"text": 3}, 'Expected strings for "audio", "name", "text" and "speaker"'),
        ({"text": "\ud800"}, "Expected text that UTF-8 can hold. Received: a lone sur"),
        ({"name": "\udcff"}, "Expected text that UTF-8 can hold. Received: a lone sur"),
    ],
)
def test_fields_of_a_manifest_are_checked(tmp_path, fields, reason):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"audio": "a.wav", **fields}))
    with pytest.raises(ValueError, match=reason):
        read_manifest(path)


def test_segments_of_a_manifest_and_unknown_fields(tmp_path, caplog):
    lines = [
        {"audio": "a.wav", "offset": 2, "duration": 1.5, "lang": "de"},
        {"audio": "a.wav", "offset": None, "duration": 3, "gender": "f", "lang": "de"},
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    found = [(file.start_s, file.end_s) for file in read_manifest(path)]
    assert found == [(2.0, 3.5), (0.0, 3.0)]
    (message,) = [record.getMessage() for record in caplog.records]
    assert "left out are" in message and "'lang'" in message and "'gender'" in message


def test_names_that_are_no_utf_8_are_escaped(tmp_path):
    name = os.fsdecode(b"a\xff.wav")
    try:
        (tmp_path / name).write_bytes(b"")
    except (OSError, UnicodeError):
        pytest.skip("the file system has no such names")
    (file,) = list_corpus(tmp_path)
    assert (file.path.name, file.name) == (name, r"a\udcff")


def test_a_manifest(tmp_path):
    lines = [
        {"audio": "a/b.wav", "text": "yes", "speaker": "ann"},
        {"audio": "/c.mp3", "name": "c"},
    ]
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    expected = [
        AudioFile(tmp_path / "a" / "b.wav", "0", "yes", "ann"),
        AudioFile(tmp_path.__class__("/c.mp3"), "c"),
    ]
    assert list_corpus(path) == expected
    write_manifest(tmp_path / "other" / "again.jsonl", expected)
    assert read_manifest(tmp_path / "other" / "again.jsonl") == expected
    parts = [
        AudioFile(path, "x", start_s=1.0),
        AudioFile(path, "y", start_s=0.5, end_s=1.25, channel=1),
        AudioFile(path, "z", end_s=2.0),
    ]
    write_manifest(tmp_path / "parts.jsonl", parts)
    assert read_manifest(tmp_path / "parts.jsonl") == parts
    for line in ('{"audio": 3}', '{"text": "x"}', "[]", "no json"):
        path.write_text(f"{json.dumps(lines[0])}\n{line}\n")
        with pytest.raises(ValueError, match="Cannot use line 2 of"):
            list_corpus(path)


def test_any_other_directory_is_searched_for_audio(tmp_path):
    make(tmp_path, **{"b/x.FLAC": "", "a.wav": "", "7_ann_0.wav": "", "notes.txt": ""})
    files = list_corpus(tmp_path)
    assert [f.name for f in files] == ["7_ann_0", "a", "b/x"]
    assert list_corpus(tmp_path / "a.wav") == [AudioFile(tmp_path / "a.wav", "a")]
    assert all(f.text is None for f in files)
    (tmp_path / "empty").mkdir()
    for path, text in (("empty", "No audio in"), ("notes.txt", "No audio in")):
        with pytest.raises(FileNotFoundError, match=text):
            list_corpus(tmp_path / path)
    for read in (listing.list_fsdd, listing.list_librispeech):
        with pytest.raises(FileNotFoundError, match="No utterances in"):
            read(tmp_path / "empty")


def test_white_space_of_any_kind_separates_a_key_from_its_value(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbfu1\tone two \r\n\nu2 \t three\r\nu3")
    assert read_table(path) == {"u1": "one two", "u2": "three", "u3": ""}
    wide = {"u1": "a\u0085b", "u2": "c\u2028d\x0ce", "u3": "\u3000f"}
    path.write_text("".join(f"{k} {v}\n" for k, v in wide.items()), encoding="utf-8")
    assert read_table(path) == wide
    path.write_bytes(b"u1 yes\nu2 caf\xe9\n")
    with pytest.raises(ValueError, match=r"Cannot read line 2 of '.*text'. .* UTF-8"):
        read_table(path)


def test_a_line_of_a_manifest_ends_at_newlines_alone(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_bytes('\ufeff{"audio": "a.wav", "text": "a\u2028b"}\r\n'.encode())
    assert [f.text for f in read_manifest(path)] == ["a\u2028b"]
    path.write_bytes(b'{"audio": "a.wav"}\n{"audio": "caf\xe9.wav"}\n')
    with pytest.raises(ValueError, match=r"Cannot read line 2 of '.*m\.jsonl'"):
        read_manifest(path)


def test_what_is_no_string_is_named(tmp_path):
    path = tmp_path / "m.jsonl"
    for field in ("text", "speaker", "name"):
        entries = {"audio": "a.wav"}, {"audio": "b.wav", field: 7}
        path.write_text("\n".join(map(json.dumps, entries)))
        with pytest.raises(ValueError, match="Cannot use line 2 .* Expected strings"):
            list_corpus(path)
    path.write_text('{"audio": "a.wav", "text": null, "name": null}')
    assert read_manifest(path) == [AudioFile(tmp_path / "a.wav", "0")]


def test_ids_come_once(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text('{"audio": "a.wav", "name": "x"}\n{"audio": "b.wav", "name": "x"}')
    with pytest.raises(ValueError, match=r"Two utterances 'x' in .*a\.wav.*b\.wav"):
        list_corpus(path)
    make(tmp_path, **dict.fromkeys(("d/a.wav", "d/a.flac", "d/b.wav"), ""))
    names = [f.name for f in list_corpus(tmp_path / "d")]
    assert names == ["a.flac", "a.wav", "b"]
    make(tmp_path, **{"d/a.wav.ogg": ""})
    with pytest.raises(ValueError, match=r"Two utterances 'a\.wav'"):
        list_corpus(tmp_path / "d")


def test_rows_of_common_voice_that_are_cut_short(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_bytes(
        "\ufeffclient_id\tpath\tsentence\tup\r\nc\ta.mp3\tx\u0085y\t1\r\n".encode()
    )
    ((name, text),) = [(f.name, f.text) for f in list_corpus(path)]
    assert (name, text) == ("a", "x\u0085y")
    head = "client_id\tpath\tsentence\n"
    make(tmp_path, **{"train.tsv": f"{head}c\ta.mp3\tx\nc\tb.mp3\n"})
    with pytest.raises(ValueError, match="line 3 .* Expected 3 columns.* Received: 2"):
        list_corpus(path)
    make(tmp_path, **{"train.tsv": f"{head}c\ta.mp3\tx\nd\ta.mp3\ty\n"})
    with pytest.raises(ValueError, match="Two utterances 'a'"):
        list_corpus(path)
    make(tmp_path, **{"train.tsv": head})
    with pytest.raises(FileNotFoundError, match="Expected rows below the head"):
        list_corpus(path)
