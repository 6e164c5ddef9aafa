"""The C code of a bundle as WebAssembly, without any library."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from keras_rnn2dnn.deploy.c_prefix import with_prefix
from keras_rnn2dnn.util.errors import pip_line

_PAGE = Path(__file__).with_name("page")
_SOURCE = "recognizer_page.c"
# Those of the bundle's Makefile; products and sums are rounded one by one.
_OPTIONS = ("-std=c99", "-O2", "-ffp-contract=off", "-nostdlib")
_OPTIONS += ("-Wl,--no-entry", "-Wl,--strip-all")
_TIMEOUT_S = 300


def compiler_line() -> list[str] | None:
    """Returns how the compiler is called, or None where there is none.

    `ziglang` of the extra `web`, which has all it needs; or else clang with wasm-ld.
    """
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-freestanding"]
    clang, linker = shutil.which("clang"), shutil.which("wasm-ld")
    if clang and linker:
        return [clang, "--target=wasm32", f"-fuse-ld={linker}"]
    return None


def is_installed() -> bool:
    """Tells whether there is a compiler."""
    return compiler_line() is not None


def compiled(bundle: Path, prefix: str = "") -> bytes:
    """Compiles the C code of a bundle, as it lies there.

    Args:
        bundle: its directory.
        prefix: of the names in C.

    Returns:
        A module of WebAssembly; what it exports and imports is in
        `page/recognizer_page.c`.

    Raises:
        ImportError: if there is no compiler; holds the pip line.
        RuntimeError: if it does not compile; holds what the compiler said.
    """
    command = compiler_line()
    if command is None:
        raise ImportError(
            "Compiling a bundle to WebAssembly needs the package `ziglang`, or clang "
            f"and wasm-ld. Install it with: {pip_line('web')}; or, on Debian: "
            "apt install clang lld"
        )
    sources = bundle / "c"
    with tempfile.TemporaryDirectory() as folder:
        own, found = Path(folder) / _SOURCE, Path(folder) / "page.wasm"
        own.write_bytes(_own_source(sources, prefix))
        line = [*command, *_OPTIONS, f"-I{sources}", str(own)]
        line += [*map(str, sorted(sources.glob("*.c"))), "-o", str(found)]
        environment = {**os.environ, "ZIG_LOCAL_CACHE_DIR": str(Path(folder) / "zig")}
        done = subprocess.run(
            line, capture_output=True, text=True, env=environment, timeout=_TIMEOUT_S
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            raise RuntimeError(f"The bundle does not compile to WebAssembly: {said}")
        return found.read_bytes()


def _own_source(sources, prefix):
    """Returns the source beside the bundle's, with the bundle's names."""
    headers = {f"c/{path.name}": b"" for path in sources.glob("*.h")}
    plain = {name.replace(f"c/{prefix}_", "c/"): text for name, text in headers.items()}
    own = {_SOURCE: (_PAGE / _SOURCE).read_bytes()}
    return with_prefix({**plain, **own}, prefix)[_SOURCE]
