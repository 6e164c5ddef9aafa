"""`write_project`: a folder that a build system takes as it is."""

import difflib
import json
from pathlib import Path
from typing import Any

from keras_rnn2dnn.deploy.atomic_directory import check_writable, publish
from keras_rnn2dnn.deploy.projects.contents import TEMPLATES, Contents
from keras_rnn2dnn.util.bundle_checksums import sha256
from keras_rnn2dnn.util.errors import invalid

# Where the files go that all examples share; the bundle's go to src/.
_CORE = {
    "arduino": "examples/Listen",
    "zephyr": "samples/listen/src",
    "esp-idf": "examples/listen/main",
    "cmake": "examples/listen",
}
KINDS = tuple(_CORE)
_LIST = ".rnn2dnn_project.json"  # of the files, so that the next call replaces its own


def write_project(bundle: str | Path, kind: str, out: str | Path) -> Path:
    """Writes a bundle as a library of a build system, with an example that listens.

    The C files are those of the bundle, unchanged. The example takes samples from a
    microphone, prints words on a serial line, and runs golden recordings when it is
    told to `verify`.

    Args:
        bundle: directory of `convert`, with C code from PCM to words.
        kind: `"arduino"`, `"zephyr"`, `"esp-idf"` or `"cmake"`.
        out: directory of the project; made if it is missing. An earlier project there
            is replaced where nobody has changed its files.

    Returns:
        `out`.

    Raises:
        FileNotFoundError: if there is no bundle, or one of its files is missing.
        ValueError: if the bundle cannot become a project, there is no such kind, or
            `out` holds other files or changed ones.
        OSError: if `out` cannot be written to.
    """
    check_project(kind, out)
    files = _files(Contents.of(bundle), kind)
    listed = {name: sha256(content) for name, content in files.items()}
    text = json.dumps({"kind": kind, "files": listed}, indent=2) + "\n"
    files[_LIST] = text.encode()
    out = Path(out)
    before = _listed(out) or {}
    taken = [n for n in files if n not in before and n != _LIST and (out / n).exists()]
    if taken:
        raise ValueError(_refused(out, f"It holds other files: {', '.join(taken)}"))
    publish(out, files, [out / n for n in before if n not in files])
    return out


def check_project(kind: str, out: str | Path) -> None:
    """Checks the arguments of `write_project`, before there is a bundle.

    Args:
        kind: of the build system.
        out: directory of the project.

    Raises:
        ValueError: if there is no such kind, or `out` holds other files or changed
            ones.
        OSError: if `out` cannot be written to.

    Example:
        >>> check_project("cmake", "library")  # nothing is there yet
        >>> Path("library").exists()
        False
    """
    if kind not in KINDS:
        near = difflib.get_close_matches(str(kind), KINDS, n=1)
        expected = f"one of {', '.join(map(repr, KINDS))}"
        hint = f"Did you mean {near[0]!r}?" if near else ""
        raise ValueError(invalid("kind", expected, kind, hint))
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise ValueError(_refused(out, "It is a file"))
    listed = _listed(out)
    if listed is None and out.is_dir() and any(out.iterdir()):
        names = sorted(path.name for path in out.iterdir())
        more = ", ..." if len(names) > 3 else ""
        hint = f"It holds other files: {', '.join(names[:3])}{more}"
        raise ValueError(_refused(out, hint))
    changed = [
        name
        for name, expected in (listed or {}).items()
        if sha256((out / name).read_bytes()) != expected
    ]
    if changed:
        hint = f"Files were changed since: {', '.join(changed)}"
        raise ValueError(_refused(out, hint))
    check_writable(out)


def _refused(out, hint):
    expected = "a new directory, or that of an earlier project"
    return invalid("out", expected, str(out), hint)


def _listed(out) -> dict[str, Any] | None:
    """Returns the SHA-256 of an earlier project's files; None where there is none."""
    try:
        files = dict(json.loads((out / _LIST).read_text())["files"])
    except (OSError, ValueError, KeyError, TypeError):  # none, or another program's
        return None
    root = out.resolve()
    inside = (n for n in files if (out / n).resolve().is_relative_to(root))
    return {name: files[name] for name in inside if (out / name).is_file()}


def _files(contents, kind):
    """Returns the files of a project by path."""
    files = {f"src/{name}": data for name, data in contents.sources.items()}
    files |= {f"{_CORE[kind]}/{name}": data for name, data in contents.core.items()}
    folder = TEMPLATES / kind
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = contents.filled(path.relative_to(folder).as_posix())
        files[name] = contents.filled(path.read_text()).encode()
    return files
