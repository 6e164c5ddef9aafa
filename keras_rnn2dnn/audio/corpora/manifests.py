"""Tables of utterances: JSONL manifests, and lines of a key and a value."""

import json
import logging
import math
import re
from collections.abc import Sequence
from pathlib import Path

from keras_rnn2dnn.audio.corpora.audio_files import AudioFile
from keras_rnn2dnn.util.errors import invalid, is_integer, is_text
from keras_rnn2dnn.util.files import new_file

_LOG = logging.getLogger(__name__)
_KNOWN = {"audio", "name", "text", "speaker", "offset", "duration", "channel"}
# With which others name the part of a recording: not to be left out.
_OTHER_TIMES = {
    *("start", "end", "begin", "stop", "start_s", "end_s", "start_time", "end_time"),
    *("length", "channels"),
}
_SPACE = " \t\r\f\v"  # Kaldi's white space: what Unicode has beyond it is text


def read_manifest(path: str | Path) -> list[AudioFile]:
    """Reads a JSONL manifest: `{"audio": ..., "text": ..., "speaker": ...}` a line.

    All but `audio` may be missing. Relative paths are relative to the manifest. The
    utterance's id is `name`, or its number in the manifest. Of a longer recording,
    `offset` and `duration` tell in seconds which part it is, and `channel`, from 0, on
    which side. What else is there is left out, with a warning that names it.

    Raises:
        ValueError: if a line is no such object, names it; or if two have one id.

    Example:
        >>> line = '{"audio": "a.flac", "text": "yes", "speaker": "ann"}'
        >>> _ = Path("train.jsonl").write_text(line)
        >>> [(file.path.name, file.text) for file in read_manifest("train.jsonl")]
        [('a.flac', 'yes')]
    """
    path, files = Path(path), []
    unknown: dict[str, None] = {}
    for number, line in enumerate(read_lines(path)):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            fields = _fields(entry)
            audio = path.parent / entry["audio"]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            reason = f" {error}." if isinstance(error, _WrongField) else ""
            raise ValueError(
                f"Cannot use line {number + 1} of {str(path)!r}.{reason} Expected an "
                f'object with "audio", the path of a file. Received: {line[:80]!r}'
            ) from error
        unknown.update(dict.fromkeys(key for key in entry if key not in _KNOWN))
        fields["name"] = str(number) if fields["name"] is None else fields["name"]
        files.append(AudioFile(audio, **fields))
    if unknown:
        _LOG.warning("%r: left out are %s", str(path), ", ".join(map(repr, unknown)))
    return found_utterances(
        files, path, 'lines such as {"audio": "a.wav", "text": "yes"}'
    )


class _WrongField(ValueError):
    """A field of a line, and what was expected of it."""


def _fields(entry):
    """Returns arguments of `AudioFile`; raises where a value is none of its kind."""
    for key in ("audio", "name", "text", "speaker"):
        if not isinstance(entry.get(key), str | None):
            expected = 'Expected strings for "audio", "name", "text" and "speaker", in '
            raise _WrongField(expected + "quotes")
    if meant := sorted(_OTHER_TIMES & set(entry)):
        raise _WrongField(
            f'{meant[0]!r} is no field of a manifest. Expected "offset" and "duration" '
            'in seconds, and "channel" from 0'
        )
    start, duration = entry.get("offset"), entry.get("duration")
    start, channel = 0.0 if start is None else start, entry.get("channel")
    for key, value, least in (("offset", start, 0), ("duration", duration, 1e-9)):
        if value is not None and not (_is_number(value) and value >= least):
            expected = "a number >= 0" if key == "offset" else "a number > 0"
            raise _WrongField(invalid(key, f"{expected}, in seconds", value))
    if channel is not None and not (is_integer(channel) and channel >= 0):
        raise _WrongField(invalid("channel", "a whole number from 0", channel))
    end = None if duration is None else float(start + duration)
    fields = {key: entry.get(key) for key in ("name", "text", "speaker")}
    return {**fields, "start_s": float(start), "end_s": end, "channel": channel}


def _is_number(value):
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return is_one and math.isfinite(value)


def write_manifest(path: str | Path, files: Sequence[AudioFile]) -> None:
    """Writes a JSONL manifest, paths as they are made absolute."""
    lines = []
    for file in files:
        duration = None if file.end_s is None else file.end_s - file.start_s
        fields = {"name": file.name, "text": file.text, "speaker": file.speaker}
        fields |= {"offset": file.start_s or None, "duration": duration}
        fields["channel"] = file.channel
        known = {key: value for key, value in fields.items() if value is not None}
        lines.append(json.dumps({"audio": str(Path(file.path).absolute()), **known}))
    with new_file(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_table(path: str | Path) -> dict[str, str]:
    r"""Reads lines of a key and a value, as Kaldi's and LibriSpeech's tables are.

    Any white space separates the two, as in Kaldi.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a key comes twice, or the file is not UTF-8.

    Example:
        >>> _ = Path("text").write_text("u1 one two\nu2 three\n")
        >>> read_table("text")
        {'u1': 'one two', 'u2': 'three'}
    """
    table: dict[str, str] = {}
    for line in read_lines(path):
        key, *value = re.split(f"[{_SPACE}]+", line.strip(_SPACE), maxsplit=1)
        if key in table:
            raise ValueError(f"{str(path)!r} has {key!r} twice. Expected each key once")
        if key:
            table[key] = "".join(value)
    return table


def read_lines(path: str | Path) -> list[str]:
    r"""Reads the lines of a UTF-8 file, with `\n` or `\r\n` at their ends.

    Nothing else ends a line: texts may hold U+2028 and its like.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a line is not UTF-8; names it.
    """
    lines = []
    for number, line in enumerate(Path(path).read_bytes().split(b"\n"), start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"Cannot read line {number} of {str(path)!r}. Expected text in UTF-8. "
                f"Received: {line[:80]!r}"
            ) from error
        lines.append(text.removesuffix("\r"))
    return lines


def found_utterances(files, place, expected):
    """Returns the files; refuses none at all, and two of one id."""
    if not files:
        raise FileNotFoundError(f"No utterances in {str(place)!r}. Expected {expected}")
    paths: dict[str, Path] = {}
    for file in files:
        for value in (file.name, file.text, file.speaker):
            if value is not None and not is_text(value):
                raise ValueError(
                    f"Cannot use {value!r} of {str(place)!r}. Expected text that UTF-8 "
                    "can hold. Received: a lone surrogate"
                )
        if file.name in paths:
            raise ValueError(
                f"Two utterances {file.name!r} in {str(place)!r}. Expected each id "
                f"once. Received: {str(paths[file.name])!r} and {str(file.path)!r}"
            )
        paths[file.name] = file.path
    return files
