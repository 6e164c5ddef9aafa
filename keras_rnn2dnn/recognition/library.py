"""The C code of a bundle as a shared library: compiled once, kept, and loaded.

No code of others is compiled by itself: the sources must be those that this package
writes for the student, the features and the decoder of the bundle.
"""

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from keras_rnn2dnn.deploy.c_prefix import with_prefix
from keras_rnn2dnn.deploy.device.recognizer import DeviceRecognizer
from keras_rnn2dnn.deploy.loading import HostParts
from keras_rnn2dnn.recognition.compiled import GOLDEN, load_library, meets_golden
from keras_rnn2dnn.util.bundle_checksums import check_files

_LOG = logging.getLogger(__name__)
_SOURCE = Path(__file__).with_name("recognizer_host.c")
# Those of the bundle's Makefile; products and sums are rounded one by one.
_OPTIONS = ("-std=c99", "-O2", "-ffp-contract=off", "-fPIC", "-shared")
_OPTIONS += ("-fvisibility=hidden",)
_TIMEOUT_S = 300


def bundle_library(recognizer, parts: HostParts, wanted: bool) -> ctypes.CDLL | None:
    """Returns the C code of a bundle as a library, compiled where it is not kept.

    What was compiled must first find in the golden recordings what Python found.

    Args:
        recognizer: a `Recognizer` of the bundle.
        parts: of the bundle.
        wanted: whether numpy is no substitute, and sources of others are compiled.

    Returns:
        The library; None where numpy is to compute, which is logged with the reason.

    Raises:
        RuntimeError: if the library is wanted, and there is none; holds the reason.
    """
    key = library_key(parts.report["files"], parts.prefix)
    try:
        if kept := kept_library(key):
            return load_library(kept)
        if not wanted and compiler() is not None and not is_own(parts):
            _LOG.info("Its C code is not the one that this version writes: numpy")
            return None
        check_files(parts.directory, parts.report["files"], GOLDEN)
        return compile_library(
            parts.directory,
            parts.prefix,
            key,
            lambda library: meets_golden(recognizer, library, parts.directory),
        )
    except (OSError, RuntimeError, ValueError) as error:
        text = f"Cannot run the C code of {str(parts.directory)!r}: {error}"
        if wanted:
            raise RuntimeError(text) from error
        level = logging.INFO if compiler() is None else logging.WARNING
        _LOG.log(level, "%s. In its place: numpy", text)
        return None


def compiler() -> list[str] | None:
    """Returns how the C compiler is called: `CC`, or else `cc`; None without one."""
    line = shlex.split(os.environ.get("CC", "")) or ["cc"]
    there = sys.platform != "win32" and shutil.which(line[0]) is not None
    return line if there else None


def cache_directory() -> Path:
    """Returns where libraries are kept: below `XDG_CACHE_HOME`, or `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The standard has relative paths ignored.
    base = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return base / "keras-rnn2dnn"


def library_key(sums: Mapping[str, str], prefix: str) -> str:
    """Returns the name of a library: of the sources it comes from, and of the machine.

    Args:
        sums: SHA-256 of the bundle's files by path.
        prefix: of the names in C.
    """
    said = [f"{sums[name]}  {name}" for name in sorted(sums) if name.startswith("c/")]
    said += [hashlib.sha256(_SOURCE.read_bytes()).hexdigest(), prefix, *_OPTIONS]
    said += [sys.platform, platform.machine(), str(ctypes.sizeof(ctypes.c_void_p))]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def kept_library(key: str) -> Path | None:
    """Returns the library of this key, if it was compiled before."""
    try:
        path = cache_directory() / f"{key}.so"
        return path if path.is_file() and _is_private(path.parent) else None
    except (OSError, RuntimeError):  # no home
        return None


def _is_private(folder):
    """Tells whether nobody else can have put a library there."""
    found = folder.stat()
    return found.st_uid == os.getuid() and not found.st_mode & 0o022


def is_own(parts: HostParts) -> bool:
    """Tells whether a bundle's C sources are those that this package writes for it.

    Args:
        parts: of the bundle.
    """
    from keras_rnn2dnn.deploy.bundle import Firmware  # much, for a first time alone

    device = DeviceRecognizer(parts.network, parts.spec, parts.decoder)
    given = parts.network, device, None, None, parts.prefix, parts.features
    there = {
        name: (parts.directory / name).read_bytes()
        for name in parts.report["files"]
        if name.startswith("c/")
    }
    return there == Firmware(*given).c_files()


def compile_library(
    directory: Path, prefix: str, key: str, is_right: Callable[[ctypes.CDLL], bool]
) -> ctypes.CDLL:
    """Compiles the C code of a bundle, as it lies there, into the cache.

    Args:
        directory: of the bundle.
        prefix: of the names in C.
        key: of `library_key`.
        is_right: whether a library may be kept.

    Returns:
        The library.

    Raises:
        RuntimeError: if there is no compiler, it fails, or the library is not right or
            cannot be kept; holds what was said.
    """
    line = compiler()
    if line is None:
        raise RuntimeError("no C compiler. On Debian: apt install gcc libc6-dev")
    sources = directory / "c"
    try:
        folder = cache_directory()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(folder):
            raise RuntimeError(f"others may write to {str(folder)!r}, of the libraries")
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            own, found = Path(scratch) / _SOURCE.name, Path(scratch) / "new.so"
            own.write_bytes(_own_source(sources, prefix))
            line = [*line, *_OPTIONS, f"-I{sources}", str(own)]
            line += [*map(str, sorted(sources.glob("*.c"))), "-o", str(found)]
            done = subprocess.run(
                line, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            )
            if done.returncode:
                said = (done.stderr or done.stdout).splitlines() or [""]
                first = next((text for text in said if "error" in text), said[0])
                raise RuntimeError(f"{line[0]} says: {first}")
            library = load_library(found)
            if not is_right(library):
                raise RuntimeError("it does not find the golden words")
            found.replace(folder / f"{key}.so")
            return library
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"it cannot be compiled: {error}") from error


def _own_source(sources, prefix):
    """Returns the source beside the bundle's, with the bundle's names."""
    headers = {f"c/{path.name}": b"" for path in sources.glob("*.h")}
    plain = {name.replace(f"c/{prefix}_", "c/"): text for name, text in headers.items()}
    own = {_SOURCE.name: _SOURCE.read_bytes()}
    return with_prefix({**plain, **own}, prefix)[_SOURCE.name]
