"""Puts a directory of files in its place at once, whatever happens on the way.

The files are written into a new directory beside the place. One rename puts it there;
where a directory is already, the two change places in one step (Linux), so that a
process killed at any moment leaves the old files or the new ones, never some of both.
"""

import contextlib
import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def check_writable(directory: str | Path) -> None:
    """Checks that a directory can be made, or written to, before any work.

    Args:
        directory: that need not exist.

    Raises:
        OSError: if it cannot; names it as it was given.
    """
    place = Path(directory).absolute()
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    with _named(directory), tempfile.TemporaryDirectory(prefix=".trying-", dir=place):
        pass


def publish(
    directory: str | Path, files: Mapping[str, bytes], stale: Collection[Path] = ()
) -> None:
    """Writes files so that they appear in a directory all together.

    Args:
        directory: made if it is missing. Other files in it stay.
        files: contents by path in the directory.
        stale: files of the directory that go.

    Raises:
        OSError: if it cannot be written; names the directory as it was given. What was
            there stays.

    Example:
        >>> publish("bundle", {"c/a.c": b"int a;"})
        >>> publish("bundle", {"c/b.c": b"int b;"}, [Path("bundle/c/a.c")])
        >>> [str(path) for path in Path("bundle").rglob("*.c")]
        ['bundle/c/b.c']
    """
    place = Path(directory).resolve()
    with _named(directory):
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir() and not _beside(place):
            _write_within(place, files, stale)
            return
        with tempfile.TemporaryDirectory(
            prefix=f".{place.name}-", dir=place.parent
        ) as folder:
            new = Path(folder) / place.name
            write_all(new, files)
            if place.is_dir():
                left = {path.resolve() for path in stale}
                _keep_others(place, new, left)
                shutil.copymode(place, new)
                _exchange(new, place)  # the old one goes with the folder
            else:
                os.rename(new, place)


def write_all(folder: str | Path, files: Mapping[str, bytes]) -> None:
    """Writes files into a folder, which is made."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@contextlib.contextmanager
def _named(directory):
    """Names the directory that was asked for, not a temporary one."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        text = f"Cannot write to {str(directory)!r}: {reason}"
        if error.errno is None:
            raise type(error)(text) from error
        raise type(error)(error.errno, text) from error


def _beside(place):
    """Tells whether another directory can be put in the place of this one."""
    here = Path.cwd()
    fixed = os.path.ismount(place) or place == here or place in here.parents
    return not fixed and os.access(place.parent, os.W_OK)


def _keep_others(old, new, left):
    """Links what is not ours from an old directory into the new one."""
    for root, folders, names in os.walk(old):
        target = new / Path(root).relative_to(old)
        target.mkdir(parents=True, exist_ok=True)
        for name in (*names, *(f for f in folders if (Path(root) / f).is_symlink())):
            source = Path(root) / name
            if source.resolve() in left or os.path.lexists(target / name):
                continue
            try:
                os.link(source, target / name, follow_symlinks=False)
            except OSError:  # no links on this file system, or in a container
                shutil.copy2(source, target / name, follow_symlinks=False)


def _exchange(new, old):
    """Lets two directories change places."""
    library = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None
    rename = getattr(library, "renameat2", None)
    names = os.fsencode(new), os.fsencode(old)
    if rename is not None:
        done = rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)
        if done == 0:
            return
        code = ctypes.get_errno()
        if code not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise OSError(code, os.strerror(code))
    # Two renames: both directories are whole all the time.
    aside = new.with_name(f"{new.name}.before")
    os.rename(old, aside)
    try:
        os.rename(new, old)
    except OSError:
        os.rename(aside, old)
        raise


def _write_within(place, files, stale):
    """Where the directory itself has to stay: its files one by one.

    The report comes first: with it, the directory counts as an unfinished bundle, which
    the next call replaces.
    """
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=place) as folder:
        write_all(folder, files)
        for path in stale:
            path.unlink()
        for name in sorted(files, key=lambda name: name != "report.json"):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(folder) / name, place / name)
