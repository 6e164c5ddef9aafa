"""A prefix of all names in a bundle's sources: two bundles live in one program."""

import re
from collections.abc import Collection, Mapping

from keras_rnn2dnn.util.errors import invalid

_MOST = 24  # letters of a prefix: C compares the first 31 of a name
_VALID = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*")
# Comments and strings stay as they are, but for the names of files.
_TOKEN = re.compile(
    r'(?P<kept>/\*.*?\*/|//[^\n]*)|(?P<include>#include ")(?P<file>[^"]*)"'
    r'|(?P<string>"(?:\\.|[^"\\])*")|(?P<name>\b[A-Za-z_]\w*)',
    re.DOTALL,
)
_LOWER = re.compile(r"(?:network|features|decoder|recognizer)_\w+|recognizer")
_UPPER = re.compile(
    r"(?:NETWORK|(?:SPEECH_)?FEATURES|DECODER|RECOGNIZER|MODEL|OP_RESOLVER)_\w+"
)
_UPPER_KEPT = {"NETWORK_PLAIN", "NETWORK_SINGLE_ROUNDING"}  # options of the build
_OF_TFLM = {"kModelData", "kModelDataSize", "kTensorArenaSize"}
_OF_TFLM |= {"StudentOpResolver", "AddStudentOps"}
_CMAKE = re.compile(r"(?<=[( ])recognizer(?=[ )])")
_CODE = (".c", ".h", ".cc")


def check_prefix(prefix: str) -> None:
    """Checks a prefix of names in C.

    Args:
        prefix: of `convert`.

    Raises:
        ValueError: if names that begin with it are none in C and C++.
    """
    valid = isinstance(prefix, str) and len(prefix) <= _MOST
    if not valid or (prefix and not _VALID.fullmatch(prefix)):
        expected = (
            f"a name in C of at most {_MOST} letters, digits and single underscores "
            "between them that begins with a letter, or '' for names without a prefix"
        )
        raise ValueError(invalid("prefix", expected, prefix))


def prefixed(name: str, prefix: str) -> str:
    """Returns a name with the prefix.

    Example:
        >>> prefixed("network_run", "kitchen"), prefixed("network_run", "")
        ('kitchen_network_run', 'network_run')
    """
    return f"{prefix}_{name}" if prefix else name


def with_prefix(files: Mapping[str, bytes], prefix: str) -> dict[str, bytes]:
    """Gives the sources of a bundle, and what they define, names with a prefix.

    Functions, types, macros, files and CMake's target, of `c/` and `tflm/`. Without a
    prefix all stays as it is.

    Args:
        files: contents by path.
        prefix: such as `"kitchen"`.

    Returns:
        The files, by their new paths.
    """
    if not prefix:
        return dict(files)
    own = {path for path in files if path.startswith(("c/", "tflm/"))}
    headers = {path.rpartition("/")[2] for path in own}
    renamed = {}
    for path, content in files.items():
        folder, slash, name = path.rpartition("/")
        if name.endswith(_CODE):
            content = prefixed_code(content.decode(), prefix, headers).encode()
        elif path == "Makefile":
            source = f"c/{prefix}_recognizer.c".encode()
            content = content.replace(b"c/recognizer.c", source)
        elif path == "CMakeLists.txt":
            content = _CMAKE.sub(f"{prefix}_recognizer", content.decode()).encode()
        new = prefixed(name, prefix) if path in own and name != "main.cc" else name
        renamed[folder + slash + new] = content
    return renamed


def prefixed_code(text: str, prefix: str, headers: Collection[str]) -> str:
    """Gives the names of a bundle in C source a prefix.

    Args:
        text: the source.
        prefix: such as `"kitchen"`, or "".
        headers: names of the files whose inclusion gets it, too.

    Example:
        >>> prefixed_code("recognizer_push(&r, pcm, 9);", "kitchen", ())
        'kitchen_recognizer_push(&r, pcm, 9);'
    """

    def replace(match):
        if match["include"] and match["file"] in headers:
            return f'{match["include"]}{prefixed(match["file"], prefix)}"'
        name = match["name"]
        if not name or name in _UPPER_KEPT:
            return match[0]
        if name in _OF_TFLM or _LOWER.fullmatch(name):
            return prefixed(name, prefix)
        return prefixed(name, prefix.upper()) if _UPPER.fullmatch(name) else name

    return _TOKEN.sub(replace, text)
