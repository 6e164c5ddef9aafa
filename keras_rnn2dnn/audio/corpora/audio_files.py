"""What is known of an audio file of a corpus, before and after it is decoded."""

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class AudioFile:
    """An utterance of a corpus: where its audio is, and what is known of it.

    Args:
        path: of the file.
        name: the utterance's id.
        text: what is said, or None.
        speaker: who says it, or None.
        start_s: where in the file it begins, in seconds.
        end_s: where it ends, or None for the end of the file.
        channel: which one of the file, from 0, or None for the mean of all. A file
            that has but one holds that one.
    """

    path: Path
    name: str
    text: str | None = None
    speaker: str | None = None
    start_s: float = 0.0
    end_s: float | None = None
    channel: int | None = None


@dataclasses.dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why."""

    path: Path
    reason: str
