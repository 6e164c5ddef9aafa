import errno
import os
import shutil
import subprocess
import sys

import pytest

from keras_rnn2dnn.deploy import atomic_directory as module
from keras_rnn2dnn.deploy.atomic_directory import check_writable, publish


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


OLD = {"c/a.c": b"old a", "c/b.c": b"old b", "report.json": b"old"}
NEW = {"c/a.c": b"new a", "report.json": b"new", "d/e/f": b"f"}
KEPT = {"c/main.c": b"mine", "notes/n.txt": b"mine too"}


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "above" / "bundle"
    publish(folder, OLD)
    module.write_all(folder, KEPT)
    (folder / "empty").mkdir()
    (folder / "link").symlink_to("notes")
    return folder


def check(place):
    assert contents(place) == NEW | KEPT
    assert (place / "empty").is_dir()
    assert os.readlink(place / "link") == "notes"
    assert [path.name for path in place.parent.iterdir()] == ["bundle"]


def test_files_take_the_place_of_others_and_those_of_the_user_stay(place):
    publish(place, NEW, [place / "c/b.c"])
    check(place)


def test_without_an_exchange_of_directories_it_is_two_renames(place, monkeypatch):
    monkeypatch.setattr(module.ctypes, "CDLL", lambda *_, **__: None)
    publish(place, NEW, [place / "c/b.c"])
    check(place)


def test_the_working_directory_stays_itself(place, monkeypatch):
    monkeypatch.chdir(place)
    inode = place.stat().st_ino
    publish(".", NEW, [place / "c/b.c"])
    assert place.stat().st_ino == inode
    check(place)


def test_a_link_to_a_directory_stays_a_link(place, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(place)
    publish(link, NEW, [place / "c/b.c"])
    assert link.is_symlink()
    check(place)


KILLED = """
import importlib.util, os, signal, sys
spec = importlib.util.spec_from_file_location("publish", sys.argv[4])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)  # without TensorFlow
name, count = sys.argv[1], int(sys.argv[2])
owner = module if name == "_exchange" else getattr(module, name.split(".")[0])
name = name.split(".")[-1]
real, calls = getattr(owner, name), []

def killed(*arguments, **options):
    calls.append(0)
    if len(calls) == count:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **options)

setattr(owner, name, killed)
files = {f"c/{k}.c": b"new" for k in range(9)}
module.publish(sys.argv[3], files, [])
"""


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize(
    ("call", "count"),
    [("Path.write_bytes", 5), ("_exchange", 1), ("os.rename", 1), ("os.link", 1)],
)
def test_a_kill_leaves_the_old_files_or_none(call, count, old, tmp_path):
    place = tmp_path / "bundle"
    if old:
        publish(place, OLD)
        module.write_all(place, KEPT)
    before = contents(place)
    line = [sys.executable, "-c", KILLED, call, str(count), str(place)]
    code = subprocess.run([*line, module.__file__], check=False).returncode
    reached = call == "Path.write_bytes" or (call == "os.rename") != old
    assert code == (-9 if reached else 0)
    if reached:
        assert contents(place) == before and place.exists() == old


@pytest.mark.parametrize("asked", ["file/bundle", "file/deep/er"])
def test_a_place_that_cannot_be_written_is_named_as_it_was_given(asked, tmp_path):
    (tmp_path / "file").write_text("")
    for write in (check_writable, lambda place: publish(place, NEW)):
        with pytest.raises(OSError) as error:
            write(tmp_path / asked)
        start = f"Cannot write to '{tmp_path / asked}': "
        assert error.value.strerror.startswith(start)
        assert error.value.strerror[len(start) :] in ("Not a directory", "File exists")


def test_a_full_disk_leaves_what_was_there(place, monkeypatch):
    before = contents(place)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere/.tmp-12")

    monkeypatch.setattr(module.Path, "write_bytes", full)
    with pytest.raises(OSError) as error:
        publish(place, NEW)
    assert str(error.value).endswith(
        f"Cannot write to '{place}': No space left on device"
    )
    monkeypatch.undo()
    assert contents(place) == before
    assert [path.name for path in place.parent.iterdir()] == ["bundle"]
    shutil.rmtree(place)
