"""Recordings of single words in folders by word, with whatever names the files have."""

import dataclasses
from pathlib import Path

from keras_rnn2dnn.audio.corpora.audio_files import AudioFile, Skipped
from keras_rnn2dnn.audio.corpora.listing import (
    SUFFIXES,
    listed_splits,
    name_below,
    utterance_ids,
)
from keras_rnn2dnn.audio.corpora.name_patterns import NamePattern
from keras_rnn2dnn.audio.corpora.speaker_guess import guess_pattern

_PART_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(
        ("dev", "development", "val", "valid", "validation"), "development"
    ),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_ASIDE = ("_", ".")


@dataclasses.dataclass(frozen=True)
class Utterance:
    """A file, what is said in it, and what the corpus uses it for.

    Args:
        file: where it is, and who speaks.
        words: what is said; a word may hold spaces.
        part: "train", "development" or "test"; None where the corpus does not tell.
    """

    file: AudioFile
    words: tuple[str, ...]
    part: str | None = None


@dataclasses.dataclass(frozen=True)
class Listing:
    """The utterances of a corpus, before any audio is read.

    Args:
        utterances: in the order of their files.
        speakers: a sentence on how the speakers were found, or that they were not.
        pattern: of the names by which they were found, or None.
        skipped: files and folders that were left out, and why.
    """

    utterances: list[Utterance]
    speakers: str
    pattern: str | None = None
    skipped: list[Skipped] = dataclasses.field(default_factory=list)

    @property
    def found_speakers(self) -> bool:
        """Whether the speaker of any utterance is known."""
        return any(utterance.file.speaker for utterance in self.utterances)


def list_word_folders(
    directory: str | Path, speaker_pattern: str | None = None
) -> Listing:
    """Lists folders by word: the folder's name is the word, as it is written.

    The speakers come from the files' names, by a pattern that is given or guessed
    (`speaker_guess`). Above the words there may be folders `train`, `development` and
    `test`; where Speech Commands' lists lie there, they are used. Folders whose names
    begin with `_` or `.` are left aside. Files beside each other, without folders, need
    names that tell the word.

    Args:
        directory: holds the folders of the words, or those of the parts.
        speaker_pattern: as of `NamePattern`. With `{word}` it tells the word, too.

    Raises:
        FileNotFoundError: if there is no audio.
        ValueError: if the pattern is none, does not match a file, or nothing tells the
            words.

    Example:
        >>> for name in ("去/安_0.wav", "去/本_0.wav", "停/安_0.wav", "停/本_0.wav"):
        ...     Path(name).parent.mkdir(exist_ok=True)
        ...     Path(name).touch()
        >>> listing = list_word_folders(".")
        >>> listing.utterances[0].words, listing.utterances[0].file.speaker
        (('停',), '安')
        >>> listing.pattern
        '{speaker}_{n}'
    """
    given = None if speaker_pattern is None else NamePattern(speaker_pattern)
    root, skipped = Path(directory), []
    bases = _bases(root)
    if bases and bases[0][0] != root:  # beside the parts
        skipped += [_left_aside(p) for p in sorted(root.iterdir()) if _is_aside(p)]
    names_words = not bases or (given is not None and "{word}" in given.template)
    found = [
        (path, base, part)
        for base, part in bases or [(root, None)]
        for path in _below(base, skipped, names_words)
    ]
    if not found:
        raise FileNotFoundError(
            f"No audio in {str(root)!r}. Expected folders by word, with files that end "
            f"in {', '.join(SUFFIXES)}"
        )
    pattern, fields = _told(root, found, given)
    listed = listed_splits(root)
    utterances = []
    ids = utterance_ids([path for path, _, _ in found], root)
    for (path, _, part), name, field in zip(found, ids, fields, strict=True):
        if (word := field.get("word")) is None:
            skipped.append(Skipped(path, "its name tells no word"))
            continue
        if listed:
            below = path.relative_to(root).as_posix()
            part = _PART_NAMES[listed.get(below, "train")]
        file = AudioFile(path, name, word, field.get("speaker"))
        utterances.append(Utterance(file, (word,), part))
    if not utterances:
        raise ValueError(
            f"Nothing tells the words of {str(root)!r}. Expected folders by word, or a "
            "`speaker_pattern` with {word}, such as '{word}_{speaker}_{n}'. Received: "
            f"{len(found)} files such as {found[0][0].name!r}, without folders"
        )
    sentence = _sentence(utterances, pattern, given is not None)
    return Listing(utterances, sentence, pattern and pattern.template, skipped)


def _told(root, found, given):
    """Returns the pattern and, for each file, its word and its speaker if known."""
    names = [name_below(path, base) for path, base, _ in found]
    folders = [name.split("/")[0] if "/" in name else None for name in names]
    if given:
        whole = [name_below(path, root) for path, _, _ in found]
        fields = given.match_all(whole, folders)
        return given, [
            {"word": folder, **field}
            for folder, field in zip(folders, fields, strict=True)
        ]
    pattern, fields = guess_pattern(names, folders), []
    for name, folder in zip(names, folders, strict=True):
        field = (pattern.match(name, folder) if pattern else None) or {}
        # Of a guess the folder is right, and what contradicts it is not.
        right = folder is None or field.get("word", folder) == folder
        fields.append({"word": folder, **field} if right else {"word": folder})
    return pattern, fields


def count_speakers(utterances: list[Utterance], how: str, without: str) -> str:
    """Returns a sentence: how many speakers there are, and what follows from it.

    Args:
        utterances: of the corpus.
        how: they were found.
        without: why there are none, where there are none.
    """
    known = [u.file.speaker for u in utterances if u.file.speaker]
    if not known:
        return (
            f"No speakers: {without}. Without them a split is by file, and a speaker "
            "may be heard in several parts"
        )
    number = len(set(known))
    text = f"{number} speaker{'s' * (number > 1)}, {how}"
    if missing := len(utterances) - len(known):
        text += f"; {missing} of {len(utterances)} files are of unknown speakers"
    return text


def _sentence(utterances, pattern, given):
    first = utterances[0].file
    without = (
        f"no pattern fits names such as {first.name!r}. If they tell, give "
        "`speaker_pattern`, such as '{speaker}_{n}'"
    )
    if pattern is None:
        return count_speakers(utterances, "", without)
    first = next((u.file for u in utterances if u.file.speaker), first)
    how = f"by the files' names, {pattern.template!r}"
    if not given:
        how += f", which is a guess: {first.name!r} is taken for {first.speaker!r}"
        how += "; give `speaker_pattern` if that is wrong"
    return count_speakers(
        utterances, how, f"the pattern {pattern.template!r} has no {{speaker}}"
    )


def _bases(root):
    """Returns the folders that hold those of the words, and the parts they are."""
    folders = [p for p in sorted(root.iterdir()) if p.is_dir() and not _is_aside(p)]
    full = [f for f in folders if any(map(_is_audio, f.rglob("*")))]
    deep = not any(_is_audio(p) for f in full for p in f.iterdir())
    if full and deep and all(f.name.lower() in _PART_NAMES for f in full):
        return [(f, _PART_NAMES[f.name.lower()]) for f in full]
    return [(root, None)] if full else []


def _below(base, skipped, names_words):
    """Returns the audio files of all words; tells what is left out."""
    found = []
    for path in sorted(base.iterdir()):
        if _is_aside(path):
            skipped.append(_left_aside(path))
        elif path.is_dir():
            found += (audio := _of_word(path, skipped))
            if not audio:
                skipped.append(Skipped(path, "it is a folder without audio"))
        elif _is_audio(path) and names_words:
            found.append(path)
        elif _is_audio(path):
            skipped.append(Skipped(path, "it lies in no folder of a word"))
    return found


def _of_word(folder, skipped):
    """Returns the audio files in a word's folder, and below; tells of the others."""
    audio = []
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder).parts
        hidden = inner[-1].startswith(".") or any(
            i.startswith(_ASIDE) for i in inner[:-1]
        )
        if hidden or path.is_dir():
            continue
        if _is_audio(path):
            audio.append(path)
        else:
            ends = f"ends in {path.suffix!r}" if path.suffix else "has no ending"
            skipped.append(Skipped(path, f"it is no audio: its name {ends}"))
    return audio


def _is_aside(path):
    return path.name.startswith(_ASIDE) and path.is_dir()


def _left_aside(path):
    reason = f"it is left aside, as its name begins with {path.name[0]!r}"
    return Skipped(path, reason)


def _is_audio(path):
    hidden = path.name.startswith(".")
    return path.suffix.lower() in SUFFIXES and not hidden and path.is_file()
