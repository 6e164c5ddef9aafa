"""Whose recordings a day is of: `Task`."""

import dataclasses
from pathlib import Path

from keras_rnn2dnn.audio.corpora.listing import list_corpus
from keras_rnn2dnn.audio.corpora.loading import AudioLoader
from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.corpora.whole_corpus import load_recordings
from keras_rnn2dnn.demo.data import demo_recordings, split_recordings
from keras_rnn2dnn.recipe import Split

KEYWORDS = (
    *("start", "stop", "left", "right", "up", "down", "yes", "no", "open", "close"),
)
_RATE = 8000
_DEVELOPMENT_SPEAKERS = 3


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """Recordings by their use.

    Args:
        split: what is trained, tuned and heard.
        development_others: of the development speakers, none of the words.
        test_others: of the test speakers, none of the words.
        development_speech: other speech heard in the day of development.
        test_speech: other speech heard in the day of the test.
    """

    split: Split
    development_others: list[Recording]
    test_others: list[Recording]
    development_speech: list[Recording]
    test_speech: list[Recording]


def read_task(name: str, data: Path, other: Path) -> Task:
    """Reads the recordings of a task.

    Of other speech every third file of the first half is heard in the development's
    day, the rest of that half is trained on, and the second half is the test's.

    Args:
        name: `"digits"`, `"commands"` or `"keywords"`.
        data: directory of the digits' recordings, or that of the commands, which has
            `train` and `development`: the speakers of the second are the test.
        other: directory of other speech.
    """
    files = sorted(list_corpus(other), key=lambda file: file.name)
    speech = [
        Recording(samples, _RATE, (), file.name, 0)
        for file, samples in AudioLoader(files, _RATE)
    ]
    half = len(speech) // 2
    development_speech = speech[:half:3]
    trained = [r for n, r in enumerate(speech[:half]) if n % 3]
    if name == "digits":
        split = split_recordings(demo_recordings(data), "official")
        split = dataclasses.replace(split, other_speech=trained)
        return Task(split, [], [], development_speech, speech[half:])
    given = load_recordings(data / "train", _RATE).recordings
    test = load_recordings(data / "development", _RATE).recordings
    chosen = KEYWORDS if name == "keywords" else {r.words[0] for r in given}
    if missing := {*chosen} - {r.words[0] for r in given}:
        raise ValueError(f"Words that are not there: {sorted(missing)}")
    last = sorted({r.speaker for r in given})[-_DEVELOPMENT_SPEAKERS:]
    uses = {
        "train": [r for r in given if r.speaker not in last],
        "development": [r for r in given if r.speaker in last],
        "test": test,
    }
    words = {use: [r for r in rs if r.words[0] in chosen] for use, rs in uses.items()}
    others = {
        use: [r for r in rs if r.words[0] not in chosen] for use, rs in uses.items()
    }
    split = Split(**words, other_speech=trained + others["train"])
    given = split, others["development"], others["test"]
    return Task(*given, development_speech, speech[half:])
