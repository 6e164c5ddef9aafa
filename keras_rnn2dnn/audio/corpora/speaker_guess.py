"""Who speaks in a corpus whose file names alone may tell it: a cautious guess."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from keras_rnn2dnn.audio.corpora.name_patterns import NamePattern

_SEPARATORS = "_-. "
_MOST_FOLDERS = 4  # below the one of the word
_ENOUGH = 0.9  # of the files, which match, and whose speakers say several words
_DATE = re.compile(r"(?<!\d)(19|20)\d\d([-_.]?)(0[1-9]|1[0-2])\2([0-2]\d|3[01])(?!\d)")


def guess_pattern(
    names: Sequence[str], folders: Sequence[str | None]
) -> NamePattern | None:
    """Guesses where the speaker stands in the names of a corpus' files.

    A pattern is taken only if nine of ten names match, and it gives two speakers or
    more who have several files of several words each, and nine of ten files between
    them. Speech Commands' `{speaker}_nohash_{n}` needs no such evidence; more of it is
    asked of names that have no number, or two.

    Args:
        names: paths without the files' endings, `/` between folders, from the folder
            of the word on.
        folders: name of that folder; None where there is none, so that only
            `{word}_{speaker}_{n}` can be found.

    Returns:
        The pattern; None if there is no speaker to be seen.

    Example:
        >>> names = ["go/ann_0", "go/bob_0", "stop/ann_1", "stop/bob_1"]
        >>> guess_pattern(names, ["go", "go", "stop", "stop"]).template
        '{speaker}_{n}'
        >>> guess_pattern(["go/1", "go/2", "stop/1"], ["go", "go", "stop"]) is None
        True
    """
    if not names:
        return None
    for template in _templates(names, folders):
        pattern = NamePattern(template)
        found = _matches(pattern, names, folders)
        if found and _convinces(template, names, found, folders):
            return pattern
    return None


def _matches(pattern, names, folders):
    """Returns what each name tells; None where too many do not match."""
    found, misses = [], 0
    for pair in zip(names, folders, strict=True):
        found.append(pattern.match(*pair))
        misses += found[-1] is None
        if misses > (1 - _ENOUGH) * len(names):
            return None
    return found


def _templates(names, folders):
    """Yields patterns to try, the surest first."""
    if None in folders:
        yield from (f"{{word}}{s}{{speaker}}{s}{{n}}" for s in _SEPARATORS)
        return
    yield "{speaker}_nohash_{n}"
    depths = {name.count("/") - 1 for name in names}
    if len(depths) == 1 and 1 <= (depth := depths.pop()) <= _MOST_FOLDERS:
        yield "{speaker}" + depth * "/*"
    for s in _SEPARATORS:
        yield f"{{word}}{s}{{speaker}}{s}{{n}}"
        yield f"{{speaker}}{s}{{word}}{s}{{n}}"
        yield f"{{word}}{s}{{n}}{s}{{speaker}}"
    for s in _SEPARATORS:
        yield f"{{speaker}}{s}{{n}}{s}{{n}}"
        yield f"{{speaker}}{s}{{n}}"
        yield f"{{n}}{s}{{speaker}}"
    for s in _SEPARATORS:
        yield f"{{word}}{s}{{speaker}}"
        yield f"{{speaker}}{s}{{word}}"
    yield "{speaker}"


def _convinces(template, names, found, folders):
    known = [
        (name, fields["speaker"], fields["word"] if folder is None else folder)
        for name, fields, folder in zip(names, found, folders, strict=True)
        # A word in the name is the folder's, or it is no word.
        if fields and folder in (None, fields.get("word", folder))
    ]
    enough = _ENOUGH * len(found)
    words = defaultdict(set)
    for _, speaker, word in known:
        words[speaker].add(word)
    if "_nohash_" in template:
        return len(known) >= enough and len(words) > 1
    files = Counter(speaker for _, speaker, _ in known)
    several = [speaker for speaker in words if len(words[speaker]) > 1]
    if len(several) < 2 or sum(files[s] for s in several) < enough:
        return False
    if 2 * sum(_of_date(name, speaker) for name, speaker, _ in known) > len(known):
        return False
    before, _, after = template.partition("{speaker}")
    if "{n}" in before:  # the second of two numbers is a number
        return not any(speaker.isdigit() for speaker in words)
    if after.count("{n}") == 2:  # "F_01_3" is rather of F_01 than of all women
        return len(several) > 2
    # "rec1" of each word is of anybody; "ann" of each word is not.
    if "{n}" not in after and "/" not in after:
        return all(len(s) > 1 and not re.search(r"\d", s) for s in words)
    return True


def _of_date(name, speaker):
    """Tells whether a speaker would be a date, or a part of one."""
    return bool(_DATE.search(name)) and not _DATE.search(name.replace(speaker, "", 1))
