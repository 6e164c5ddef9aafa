"""Numbers on the command line, each a `type` of an `argparse` option."""

import argparse
import math
import re


def positive(text: str) -> int:
    """Reads a whole number above 0."""
    if not text.isdecimal() or not int(text):
        raise _refused("a whole number > 0", text)
    return int(text)


def weight(text: str) -> float:
    """Reads a number above 0."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise _refused("a number > 0", text)
    return found


def count(text: str) -> int:
    """Reads 32000, 32k or 1.5M."""
    scale = {"k": 1e3, "m": 1e6}.get(text[-1:].lower(), 1)
    try:
        return round(float(text[:-1] if scale > 1 else text) * scale)
    except (ValueError, OverflowError) as error:
        raise _refused("a number, such as 32000 or 32k", text) from error


def several(text: str) -> tuple[int, ...]:
    """Reads whole numbers with commas between them."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise _refused("whole numbers, such as 128,128", text) from error


def delay(text: str) -> int | str:
    """Reads a number of frames, or `auto`."""
    if text == "auto":
        return text
    if not text.isdecimal():
        raise _refused("a whole number >= 0, or auto", text)
    return int(text)


def part(text: str) -> tuple[int, int]:
    """Reads I/N, part I of N from 0 on."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not int(match[1]) < int(match[2]):
        raise _refused("I/N with 0 <= I < N, such as 3/16", text)
    return int(match[1]), int(match[2])


def _refused(expected, text):
    return argparse.ArgumentTypeError(f"Expected {expected}. Received: {text!r}")
