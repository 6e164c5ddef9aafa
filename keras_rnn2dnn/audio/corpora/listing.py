"""The utterances of published corpora, by their directory layouts; no audio is read."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from keras_rnn2dnn.audio.corpora.audio_files import AudioFile
from keras_rnn2dnn.audio.corpora.kaldi_tables import list_kaldi
from keras_rnn2dnn.audio.corpora.manifests import (
    found_utterances,
    read_lines,
    read_manifest,
    read_table,
)
from keras_rnn2dnn.audio.corpora.recordings import DIGITS
from keras_rnn2dnn.util.errors import invalid

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg")
_FSDD = re.compile(r"(?P<digit>\d)_(?P<speaker>.+)_(?P<index>\d+)")
_COMMANDS = re.compile(r"(?P<speaker>[^_]+)_nohash_\d+")
_SPLITS = ("train", "validation", "test")


def list_corpus(path: str | Path, split: str | None = None) -> list[AudioFile]:
    """Lists the utterances of whatever layout lies there.

    Recognised, in this order: a JSONL manifest or the `.tsv` file of a Common Voice
    split, by their endings; a Kaldi data directory by `wav.scp`; Speech Commands by
    `validation_list.txt`; Common Voice by `clips`; LibriSpeech by `*.trans.txt`; FSDD
    by names such as `7_jackson_0.wav`. What is none of these is one audio file, or a
    directory of them, without text.

    Args:
        path: of the corpus.
        split: of Speech Commands and Common Voice, such as `"train"`.

    Returns:
        The utterances, sorted by their files, or in the order of their table.

    Raises:
        FileNotFoundError: if there is no audio.
        ValueError: if a table is damaged, two utterances have one id, or a split does
            not exist.
    """
    path = Path(path)
    if is_speech_commands(path):
        return list_speech_commands(path, split)
    files = list_transcribed(path, split)
    return list_audio(path) if files is None else files


def list_transcribed(
    path: str | Path, split: str | None = None
) -> list[AudioFile] | None:
    """Lists the utterances of a layout that holds transcripts, none by folders.

    Args:
        path: of the corpus.
        split: of Common Voice, such as `"train"`.

    Returns:
        As of `list_corpus`; None if it is no such layout.

    Raises:
        FileNotFoundError: if there is no audio.
        ValueError: as of `list_corpus`.
    """
    path = Path(path)
    if path.suffix == ".jsonl":
        return read_manifest(path)
    if path.suffix == ".tsv":
        return list_common_voice(path.parent, path.stem)
    if not path.is_dir():
        return None
    if (path / "wav.scp").is_file():
        return list_kaldi(path)
    if (path / "clips").is_dir() and any(path.glob("*.tsv")):
        return list_common_voice(path, split or "train")
    if any(path.rglob("*.trans.txt")):
        return list_librispeech(path)
    files = _fsdd_files(path)
    return files if files and len(files) == len(_audio_files(path)) else None


def list_audio(path: str | Path) -> list[AudioFile]:
    r"""Lists an audio file, or all in a directory and those below, without text.

    Their ids are their paths without the ending; `a.wav` beside `a.flac` keep theirs.
    What is no UTF-8 in a path is written as `\udcff` in an id.

    Raises:
        FileNotFoundError: if there is none.
    """
    path = Path(path)
    root = path if path.is_dir() else path.parent
    files = _audio_files(path)
    if not files:
        raise FileNotFoundError(
            f"No audio in {str(path)!r}. Expected files that end in "
            f"{', '.join(SUFFIXES)}"
        )
    pairs = zip(files, utterance_ids(files, root), strict=True)
    return found_utterances([AudioFile(*pair) for pair in pairs], path, "audio")


def list_fsdd(directory: str | Path) -> list[AudioFile]:
    """Lists the Free Spoken Digit Dataset: `{digit}_{speaker}_{index}.wav`.

    Args:
        directory: holds the files, or a folder `recordings` with them.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    files = _fsdd_files(Path(directory))
    return found_utterances(files, directory, "{digit}_{speaker}_{index}.wav")


def list_speech_commands(
    directory: str | Path, split: str | None = None
) -> list[AudioFile]:
    """Lists Google's Speech Commands: `{word}/{speaker}_nohash_{number}.wav`.

    Noise (`_background_noise_`) is left out.

    Args:
        directory: holds the words' folders and `validation_list.txt`,
            `testing_list.txt`.
        split: `"train"`, `"validation"` or `"test"`, or None for all.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if there is no such split.
    """
    root = Path(directory)
    if split not in (None, *_SPLITS):
        raise ValueError(invalid("split", f"one of {_SPLITS}, or None", split))
    listed = listed_splits(root)
    paths = [p for p in sorted(root.glob("*/*.wav")) if _COMMANDS.fullmatch(p.stem)]
    files = [
        AudioFile(
            path,
            name_below(path, root),
            path.parent.name,
            _COMMANDS.fullmatch(path.stem)["speaker"],
        )
        for path in paths
        if split in (None, listed.get(path.relative_to(root).as_posix(), "train"))
    ]
    return found_utterances(files, directory, "{word}/{speaker}_nohash_{number}.wav")


def is_speech_commands(path: Path) -> bool:
    """Tells whether Speech Commands' lists lie there, and no Kaldi data directory."""
    kaldi = (path / "wav.scp").is_file()
    return (path / "validation_list.txt").is_file() and not kaldi


def listed_splits(root: Path) -> dict[str, str]:
    """Returns the splits of the files that Speech Commands' two lists name.

    Returns:
        `"validation"` or `"test"` of each path below the root; all else is for
        training.
    """
    lists = {"test": "testing_list.txt", "validation": "validation_list.txt"}
    return {
        name: split
        for split, table in lists.items()
        if (root / table).is_file()
        for name in read_lines(root / table)
    }


def list_librispeech(directory: str | Path) -> list[AudioFile]:
    """Lists LibriSpeech: `{speaker}/{chapter}/{speaker}-{chapter}-{number}.flac`.

    Args:
        directory: of one part such as `train-clean-100`, of several, or of a chapter.

    Raises:
        FileNotFoundError: if there is no `{speaker}-{chapter}.trans.txt`.
        ValueError: if a line of one has no text.
    """
    files = []
    for table in sorted(Path(directory).rglob("*.trans.txt")):
        speaker = table.name.partition("-")[0]
        for name, text in read_table(table).items():
            files.append(AudioFile(table.parent / f"{name}.flac", name, text, speaker))
    return found_utterances(files, directory, "{speaker}-{chapter}.trans.txt")


def list_common_voice(directory: str | Path, split: str = "train") -> list[AudioFile]:
    """Lists Mozilla Common Voice: `{split}.tsv` and the folder `clips`.

    Args:
        directory: of one language.
        split: such as `"train"`, `"dev"`, `"test"` or `"validated"`.

    Raises:
        FileNotFoundError: if there is no such split.
        ValueError: if the table lacks a column, a row a value, or an id comes twice.
    """
    table = Path(directory) / f"{split}.tsv"
    if not table.is_file():
        splits = sorted(p.stem for p in table.parent.glob("*.tsv"))
        raise FileNotFoundError(
            f"No split {split!r} in {str(directory)!r}. Expected one of {splits}"
        )
    rows = _rows(table, ("client_id", "path", "sentence"))
    files = [
        AudioFile(
            table.parent / "clips" / row["path"],
            Path(row["path"]).stem,
            row["sentence"],
            row["client_id"],
        )
        for row in rows
    ]
    return found_utterances(files, table, "rows below the head")


def _rows(table, columns):
    # No csv reader: sentences hold quotes that do not quote the tabulators.
    head, *lines = (line.split("\t") for line in read_lines(table))
    missing = sorted(set(columns) - set(head))
    if missing:
        raise ValueError(
            f"Cannot use {str(table)!r}. Expected rows with the columns "
            f"{', '.join(columns)}. Missing: {missing}"
        )
    places = {column: head.index(column) for column in columns}
    rows = []
    for number, fields in enumerate(lines, start=2):
        if fields == [""]:
            continue
        if len(fields) <= max(places.values()):
            raise ValueError(
                f"Cannot use line {number} of {str(table)!r}. Expected {len(head)} "
                f"columns, between tabulators. Received: {len(fields)}"
            )
        rows.append({column: fields[place] for column, place in places.items()})
    return rows


def _fsdd_files(root):
    root = root / "recordings" if (root / "recordings").is_dir() else root
    pairs = [(p, _FSDD.fullmatch(p.stem)) for p in sorted(root.glob("*.wav"))]
    return [
        AudioFile(path, path.stem, DIGITS[int(match["digit"])], match["speaker"])
        for path, match in pairs
        if match
    ]


def _audio_files(path):
    if not path.is_dir():
        return [path] if path.suffix.lower() in SUFFIXES and path.is_file() else []
    return sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)


def utterance_ids(files: Sequence[Path], root: Path) -> list[str]:
    """Returns an id for each file: its `name_below`, and its ending where two meet."""
    names = [name_below(file, root) for file in files]
    times = Counter(names)
    return [
        name if times[name] == 1 else name + file.suffix
        for file, name in zip(files, names, strict=True)
    ]


def name_below(path: Path, root: Path) -> str:
    r"""Returns a path from the root, without its ending; `\udcff` for no UTF-8."""
    name = path.relative_to(root).with_suffix("").as_posix()
    return name.encode("utf-8", "backslashreplace").decode()
