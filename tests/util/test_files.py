import errno
import os
import random
import re
from pathlib import Path

import numpy as np
import pytest

from keras_rnn2dnn.util.files import Utterances, check_writable, joined, new_file

FULL = "[Errno 28] Cannot write to 'out/a.keras': No space left on device"


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_a_file_takes_its_place_when_it_is_whole(tmp_path):
    path = tmp_path / "made" / "on the way" / "note.txt"
    with new_file(path) as temporary:
        assert temporary.suffix == ".txt" and temporary != path
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new" and names(path.parent) == ["note.txt"]
    with new_file(str(path)) as temporary:
        temporary.write_text("newer")
        assert path.read_text() == "new"
    assert path.read_text() == "newer" and names(path.parent) == ["note.txt"]


def test_a_place_that_cannot_be_written_is_named_as_it_was_given(tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "note.txt"
    with pytest.raises(OSError) as error, new_file(path):
        pass
    assert error.value.strerror.startswith(f"Cannot write to '{path}': ")
    path = tmp_path / "note.txt"
    with pytest.raises(OSError) as error, new_file(path) as temporary:
        raise OSError(errno.ENOSPC, "No space left on device", str(temporary))
    assert error.value.strerror == f"Cannot write to '{path}': No space left on device"
    with pytest.raises(FileNotFoundError, match="elsewhere"), new_file(path):
        (tmp_path / "elsewhere").read_text()
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file_alone(tmp_path, error):
    path = tmp_path / "note.txt"
    path.write_text("old")
    with pytest.raises(error), new_file(path) as temporary:
        temporary.write_text("half of the ne")
        raise error
    assert path.read_text() == "old" and names(tmp_path) == ["note.txt"]
    with pytest.raises(error), new_file(tmp_path / "other.txt") as temporary:
        temporary.write_text("half")
        raise error
    assert names(tmp_path) == ["note.txt"]


def utterances(transcripts=("yes", "no no", "")):
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(n, 2)).astype("float32") for n in (3, 5, 1)]
    return Utterances(features, None if transcripts is None else list(transcripts))


@pytest.mark.parametrize("name", ["a.npz", "a.features"])
@pytest.mark.parametrize("transcripts", [("yes", "no no", "grüße"), None])
def test_utterances_come_back_from_their_file(tmp_path, name, transcripts):
    given = utterances(transcripts)
    given.save(tmp_path / name)
    loaded = Utterances.load(str(tmp_path / name))
    assert names(tmp_path) == [name]
    assert loaded.transcripts == given.transcripts
    for left, right in zip(loaded.features, given.features, strict=True):
        assert left.dtype == np.float32
        np.testing.assert_array_equal(left, right)


def test_features_become_float32(tmp_path):
    Utterances([np.ones((3, 2), "float64")]).save(tmp_path / "a.npz")
    assert Utterances.load(tmp_path / "a.npz").features[0].dtype == np.float32
    arrays = {"features": np.ones((3, 2)), "num_frames": np.array([3], "uint16")}
    np.savez(tmp_path / "b.npz", **arrays)
    assert Utterances.load(tmp_path / "b.npz").features[0].dtype == np.float32


def test_utterances_without_features_or_with_too_few_transcripts_are_refused():
    with pytest.raises(ValueError) as error:
        Utterances([])
    assert str(error.value) == (
        "Invalid value for `features`. Expected at least one utterance. Received: "
        "features=[]"
    )
    with pytest.raises(ValueError) as error:
        utterances(("yes", "no"))
    assert str(error.value) == (
        "Invalid value for `transcripts`. Expected one for each of the 3 utterances. "
        "Received: transcripts=2"
    )


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        (
            {"features": np.ones((3, 2))},
            "Expected the arrays `features`, floats (all frames, features), and "
            "`num_frames`, integers (utterances,). Received: "
            "{'features': 'float64 (3, 2)'}",
        ),
        (
            {"features": np.ones(3), "num_frames": np.array([3])},
            "Expected the arrays `features`, floats (all frames, features), and "
            "`num_frames`, integers (utterances,). Received: "
            "{'features': 'float64 (3,)', 'num_frames': 'int64 (1,)'}",
        ),
        (
            {"features": np.ones((3, 2)), "num_frames": np.array([3.0])},
            "Expected the arrays `features`, floats",
        ),
        (
            {"features": np.ones((3, 2)), "num_frames": np.array([2, 2])},
            "Expected `num_frames` >= 0 that sum up to the 3 frames of `features`. "
            "Received: a sum of 4",
        ),
        (
            {"features": np.ones((3, 2)), "num_frames": np.array([-1, 4])},
            "Expected `num_frames` >= 0 that sum up to the 3 frames",
        ),
        (
            {"features": np.ones((0, 2)), "num_frames": np.zeros(0, "int32")},
            "Expected `num_frames` >= 0 that sum up to the 0 frames",
        ),
        (
            {
                "features": np.ones((3, 2)),
                "num_frames": np.array([1, 2]),
                "transcripts": np.array(["yes"]),
            },
            "Expected one transcript for each of the 2 utterances. Received: (1,)",
        ),
    ],
)
def test_files_with_other_arrays_are_refused(tmp_path, arrays, text):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError) as error:
        Utterances.load(path)
    assert str(error.value).startswith(f"Cannot use {str(path)!r}. {text}")


def test_files_of_other_kinds_are_refused_by_name(tmp_path):
    path = tmp_path / "a.npz"
    with open(path, "wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(ValueError) as error:
        Utterances.load(path)
    assert str(error.value) == (
        f"Cannot read {str(path)!r} as .npz: it holds a single array, as .npy files do"
    )
    for content in (b"", b"hello", b"PK\x03\x04"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=re.escape(f"Cannot read {str(path)!r}")):
            Utterances.load(path)
    with pytest.raises(FileNotFoundError, match="missing.npz"):
        Utterances.load(tmp_path / "missing.npz")


def test_a_damaged_file_is_refused_by_name(tmp_path):
    path = tmp_path / "a.npz"
    utterances().save(path)
    intact = path.read_bytes()
    draw = random.Random(0)
    refused = 0
    for _ in range(400):
        content = bytearray(intact)
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content[: draw.choice((None, draw.randrange(len(content))))])
        try:
            loaded = Utterances.load(path)
        except ValueError as error:
            assert str(path) in str(error)
            refused += 1
        else:  # a bit without a meaning, such as the date
            assert [len(f) for f in loaded.features] == [3, 5, 1]
    assert refused > 300


def test_transcripts_are_joined_by_spaces():
    assert joined([("one", "two"), (), ["three"]]) == ["one two", "", "three"]


def test_a_file_is_on_the_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    path, flushed = tmp_path / "note.txt", []
    path.write_text("old")
    real = os.fsync

    def fsync(descriptor):
        real(descriptor)
        flushed.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        if len(flushed) == 1:
            assert path.read_text() == "old"

    monkeypatch.setattr(os, "fsync", fsync)
    with new_file(path) as temporary:
        temporary.write_text("new")
    assert flushed == [str(temporary), str(tmp_path)]


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (OSError(28, "No space left on device"), FULL),
        (
            OSError(28, "long text", ".writing-1/a.h5"),
            FULL,
        ),
        (OSError("can't write"), "Cannot write to 'out/a.keras': can't write"),
        (RuntimeError("can't (errno = 28, b)"), FULL),
    ],
)
def test_the_file_that_was_asked_for_is_named(tmp_path, monkeypatch, raised, expected):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError) as error, new_file("out/a.keras"):
        raise raised
    assert str(error.value) == expected
    assert names("out") == []


def test_errors_of_other_files_stay_as_they_are(tmp_path):
    with pytest.raises(FileNotFoundError, match="'input.txt'"), new_file("a.txt"):
        Path("input.txt").read_text()
    with pytest.raises(RuntimeError, match="of something else"), new_file("a.txt"):
        raise RuntimeError("of something else")


@pytest.mark.parametrize("name", ["file/a.txt", "file/b/a.txt"])
def test_a_place_that_cannot_be_written_is_named_as_it_was_typed(
    tmp_path, monkeypatch, name
):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    for write in (check_writable, lambda path: new_file(path).__enter__()):
        with pytest.raises(NotADirectoryError) as error:
            write(name)
        assert str(error.value) == (
            f"[Errno 20] Cannot write to {name!r}: Not a directory"
        )
    check_writable("new/a.txt")
    assert names("new") == []


def test_what_is_no_unicode_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(ValueError) as error, new_file(path) as temporary:
        temporary.write_text("a\udc80", encoding="utf-8")
    assert str(error.value).startswith(f"Cannot write to {str(path)!r}: 'utf-8' codec")
