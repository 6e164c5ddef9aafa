"""Patterns of file names that tell who speaks, and what: `{word}_{speaker}_{n}`."""

import re
from collections.abc import Sequence

from keras_rnn2dnn.util.errors import invalid

_FIELDS = {
    "{speaker}": r"(?P<speaker>[^/]+?)",
    "{word}": r"(?P<word>[^/]+?)",
    "{n}": r"\d+",
    "*": r"[^/]*",
}
_FIELD = re.compile(r"(\{speaker\}|\{word\}|\{n\}|\*)")
_EXPECTED = (
    "text with {speaker} or {word}, each once at most, with {n} for a number and * for "
    "anything, such as '{speaker}_{n}' or '{speaker}/{word}/*'"
)


class NamePattern:
    """What the names of a corpus' files tell.

    It is matched with the end of a path without the file's ending, with as many
    folders as the pattern has. `{speaker}` and `{word}` are as short as they can be,
    but a word that is the name of the file's folder is found as a whole, in whatever
    case, and with `_`, `-` or nothing for a space.

    Args:
        template: `{speaker}`, `{word}`, `{n}` for digits, `*` for anything within a
            name, `/` between folders; all else stands for itself.

    Raises:
        ValueError: if it has neither speaker nor word, one of them twice, or fields
            that are not known.

    Example:
        >>> NamePattern("{speaker}_{n}").match("turn left/ann_7", "turn left")
        {'speaker': 'ann'}
        >>> NamePattern("{word}_{speaker}_{n}").match("Go on/go_on_ann_7", "Go on")
        {'word': 'Go on', 'speaker': 'ann'}
        >>> NamePattern("{speaker}/{word}/*").match("ann/yes/7")
        {'speaker': 'ann', 'word': 'yes'}
        >>> NamePattern("{speaker}_{n}").match("yes/7") is None
        True
    """

    def __init__(self, template: str):
        parts = _FIELD.split(template) if isinstance(template, str) else []
        fields = [part for part in parts if part in ("{speaker}", "{word}")]
        plain = "".join(part for part in parts if part not in _FIELDS)
        if not fields or len(set(fields)) < len(fields) or {*"{}"} & {*plain}:
            raise ValueError(invalid("speaker_pattern", _EXPECTED, template))
        self.template = template.strip("/")
        self._parts = _FIELD.split(self.template)
        self._compiled: dict[str, re.Pattern] = {}  # by what a word may be

    def match(self, name: str, folder: str | None = None) -> dict[str, str] | None:
        """Returns what a name tells: `speaker`, `word` or both; None for no match.

        Args:
            name: path of a file without its ending, with `/` between folders.
            folder: name of the folder that may be the word.
        """
        depth = self.template.count("/") + 1
        end = "/".join(name.split("/")[-depth:])
        if folder is not None and "{word}" in self.template:
            words = r"[\s_-]*".join(map(re.escape, re.split(r"[\s_-]+", folder)))
            if found := self._regex(f"(?P<word>(?i:{words}))").fullmatch(end):
                return {**found.groupdict(), "word": folder}
        found = self._regex(_FIELDS["{word}"]).fullmatch(end)
        return found.groupdict() if found else None

    def _regex(self, word):
        if word not in self._compiled:
            fields = {**_FIELDS, "{word}": word}
            regexes = (fields.get(part, re.escape(part)) for part in self._parts)
            self._compiled[word] = re.compile("".join(regexes))
        return self._compiled[word]

    def match_all(
        self, names: Sequence[str], folders: Sequence[str | None]
    ) -> list[dict[str, str]]:
        """Returns what each name tells.

        Raises:
            ValueError: at the first name that does not match.
        """
        found = [self.match(*pair) for pair in zip(names, folders, strict=True)]
        for name, fields in zip(names, found, strict=True):
            if fields is None:
                matching = sum(f is not None for f in found)
                raise ValueError(
                    f"The pattern {self.template!r} does not match {name!r}, the first "
                    f"of {len(names) - matching} such names. Expected it to match all "
                    f"files. Received: {matching} of {len(names)} that match. Give "
                    "another `speaker_pattern`, with * for what differs, or remove "
                    "these files"
                )
        return found
