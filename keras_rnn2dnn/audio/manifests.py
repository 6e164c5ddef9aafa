"""Tables of utterances: JSONL manifests, and lines of a key and a value."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from keras_rnn2dnn.audio.loading import AudioFile
from keras_rnn2dnn.errors import invalid
from keras_rnn2dnn.files import new_file

_SPACE = " \t\r\f\v"  # Kaldi's white space: what Unicode has beyond it is text


def read_manifest(path: str | Path) -> list[AudioFile]:
    """Reads a JSONL manifest: `{"audio": ..., "text": ..., "speaker": ...}` a line.

    `text` and `speaker` may be missing. Relative paths are relative to the manifest.
    The utterance's id is `name`, or its number in the manifest.

    Raises:
        ValueError: if a line is no such object, names it; or if two have one id.

    Example:
        >>> line = '{"audio": "a.flac", "text": "yes", "speaker": "ann"}'
        >>> _ = Path("train.jsonl").write_text(line)
        >>> [(file.path.name, file.text) for file in read_manifest("train.jsonl")]
        [('a.flac', 'yes')]
    """
    path, files = Path(path), []
    for number, line in enumerate(read_lines(path)):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            audio = path.parent / entry["audio"]
            name, text, speaker = map(entry.get, ("name", "text", "speaker"))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"Cannot use line {number + 1} of {str(path)!r}. Expected an object "
                f'with "audio", the path of a file. Received: {line[:80]!r}'
            ) from error
        if not all(isinstance(value, str | None) for value in (name, text, speaker)):
            raise ValueError(
                f"Cannot use line {number + 1} of {str(path)!r}. Expected strings for "
                f'"name", "text" and "speaker", in quotes. Received: {line[:80]!r}'
            )
        name = str(number) if name is None else name
        files.append(AudioFile(audio, name, text, speaker))
    return found_utterances(
        files, path, 'lines such as {"audio": "a.wav", "text": "yes"}'
    )


def write_manifest(path: str | Path, files: Sequence[AudioFile]) -> None:
    """Writes a JSONL manifest, paths as they are made absolute.

    Raises:
        ValueError: if an utterance is but a part of its file.
    """
    lines = []
    for file in files:
        if file.start_s or file.end_s is not None:
            raise ValueError(invalid("files", "whole files", file))
        fields = {"name": file.name, "text": file.text, "speaker": file.speaker}
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
        if file.name in paths:
            raise ValueError(
                f"Two utterances {file.name!r} in {str(place)!r}. Expected each id "
                f"once. Received: {str(paths[file.name])!r} and {str(file.path)!r}"
            )
        paths[file.name] = file.path
    return files
