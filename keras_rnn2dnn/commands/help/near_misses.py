"""What was probably meant: the nearest option, command or file to one that is none."""

import argparse
import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_QUOTED = re.compile(r"'([^']+)'")


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Returns a question with the nearest of what is known, or "".

    Example:
        >>> did_you_mean("distil", ["align", "distill"])
        "Did you mean 'distill'?"
        >>> did_you_mean("--help", ["align", "distill"])
        ''
    """
    near = difflib.get_close_matches(given, list(known), n=1)
    return f"Did you mean {near[0]!r}?" if near else ""


def near_option(given: Sequence[str], known: Iterable[str]) -> str:
    """Returns a sentence about the first option that is none, or "".

    Args:
        given: the arguments.
        known: all options. What one of them begins with stands for it.

    Example:
        >>> near_option(["a.npz", "--one-bset"], ["--one-best", "--out"])
        "Unknown option '--one-bset'. Did you mean '--one-best'?"
        >>> near_option(["a.npz", "--one"], ["--one-best", "--out"])
        ''
    """
    known = list(known)
    for argument in given:
        name = argument.partition("=")[0]
        if name == "--":
            break
        if name.startswith("--") and not any(k.startswith(name) for k in known):
            return f"Unknown option {name!r}. {did_you_mean(name, known)}".strip()
    return ""


def near_path(name: str) -> str | None:
    """Returns a path that exists and is written much like one that does not, or None.

    Example:
        >>> Path("train").mkdir()
        >>> Path("train/features.npz").touch()
        >>> near_path("trian/feature.npz")
        'train/features.npz'
        >>> near_path("other.npz") is None
        True
    """
    path = Path(name)
    found = Path(path.anchor)
    for part in path.parts[1 if path.anchor else 0 :]:
        if not (found / part).exists():
            names = [p.name for p in found.iterdir()] if found.is_dir() else []
            near = difflib.get_close_matches(part, names, n=1, cutoff=0.75)
            if not near:
                return None
            part = near[0]
        found /= part
    return str(found)


def with_hint(error: Exception, options: argparse.Namespace) -> str:
    """Returns the text of an error on one line, and what was probably meant.

    Args:
        error: whose text names an argument, or which holds a file's name.
        options: the arguments of the command.

    Example:
        >>> error = ValueError("Expected one of ['ann', 'bob']. Received: name='anne'")
        >>> with_hint(error, argparse.Namespace())
        "Expected one of ['ann', 'bob']. Received: name='anne'. Did you mean 'ann'?"
    """
    line = one_line(error)
    if "Did you mean" in line:
        return line
    hint = _path_hint(error, options) or _word_hint(line)
    return f"{line}. {hint}" if hint else line


def _word_hint(line):
    """Finds what was received among what the text says is expected."""
    expected, _, received = line.partition("Received: ")
    given = _QUOTED.search(received)
    return did_you_mean(given[1], _QUOTED.findall(expected)) if given else ""


def _path_hint(error, options):
    texts = [getattr(error, "filename", None)]
    for value in vars(options).values():
        texts += value if isinstance(value, list | tuple) else [value]
    for text in texts:
        if isinstance(text, str) and repr(text) in one_line(error):
            try:
                near = None if Path(text).exists() else near_path(text)
            except (OSError, ValueError):  # no name that a file can have
                continue
            if near:
                return f"Did you mean {near!r}?"
    return ""


def one_line(error: Exception) -> str:
    """Returns the text of an error on one line; of a missing file what to do, too."""
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return f"No such file: {str(error.filename)!r}. Expected one that exists"
    return " ".join(str(error).split())
