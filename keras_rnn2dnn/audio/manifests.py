"""Tables of utterances: JSONL manifests, and lines of a key and a value."""

import json
from collections.abc import Sequence
from pathlib import Path

from keras_rnn2dnn.audio.loading import AudioFile
from keras_rnn2dnn.errors import invalid
from keras_rnn2dnn.files import new_file


def read_manifest(path: str | Path) -> list[AudioFile]:
    """Reads a JSONL manifest: `{"audio": ..., "text": ..., "speaker": ...}` a line.

    `text` and `speaker` may be missing. Relative paths are relative to the manifest.
    The utterance's id is `name`, or its number in the manifest.

    Raises:
        ValueError: if a line is no such object; names it.

    Example:
        >>> line = '{"audio": "a.flac", "text": "yes", "speaker": "ann"}'
        >>> _ = Path("train.jsonl").write_text(line)
        >>> [(file.path.name, file.text) for file in read_manifest("train.jsonl")]
        [('a.flac', 'yes')]
    """
    path, files = Path(path), []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            audio = path.parent / entry["audio"]
            name = str(entry.get("name", number))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"Cannot use line {number + 1} of {str(path)!r}. Expected an object "
                f'with "audio", the path of a file. Received: {line[:80]!r}'
            ) from error
        files.append(AudioFile(audio, name, entry.get("text"), entry.get("speaker")))
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

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a key comes twice.

    Example:
        >>> _ = Path("text").write_text("u1 one two\nu2 three\n")
        >>> read_table("text")
        {'u1': 'one two', 'u2': 'three'}
    """
    table: dict[str, str] = {}
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        key, _, value = line.strip().partition(" ")
        if key in table:
            raise ValueError(f"{str(path)!r} has {key!r} twice. Expected each key once")
        if key:
            table[key] = value.strip()
    return table


def found_utterances(files, place, expected):
    """Returns the files; raises FileNotFoundError where there are none."""
    if not files:
        raise FileNotFoundError(f"No utterances in {str(place)!r}. Expected {expected}")
    return files
