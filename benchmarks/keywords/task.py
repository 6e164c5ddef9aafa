"""Whose recordings are learnt, chosen by and tested on: `Task`."""

import dataclasses
from pathlib import Path

import numpy as np

from benchmarks.day.tasks import KEYWORDS
from keras_rnn2dnn.audio.corpora.listing import (
    is_speech_commands,
    list_audio,
    list_speech_commands,
)
from keras_rnn2dnn.audio.corpora.loading import AudioLoader
from keras_rnn2dnn.audio.corpora.word_folders import list_word_folders
from keras_rnn2dnn.deploy.golden import int16_pcm

STANDARD = (*("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"),)
OTHER, SILENCE = "other", "silence"
USES = "train", "development", "test"
_DEVELOPMENT_SPEAKERS = 3
_UNKNOWN = 0.1  # of the keywords' recordings, as of the standard task
_HELD_BACK = 0.2  # of a recorded background, for development and test


@dataclasses.dataclass(frozen=True, eq=False)
class Clip:
    """A recording of a word.

    Args:
        pcm: int16 `(samples,)`.
        label: number of its class.
        speaker: who says it.
    """

    pcm: np.ndarray
    label: int
    speaker: str


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """Recordings by their use.

    Args:
        name: for the tables.
        labels: of the classes: the keywords, then `OTHER` and `SILENCE`.
        sample_rate_hz: of all.
        clips: of keywords and of other words, by use.
        backgrounds: recorded ones, float32 `(samples,)` of full scale 1, for training
            and for the rest; may be empty.
        others: of these how many are heard in an epoch, for a recording of a keyword.
    """

    name: str
    labels: tuple[str, ...]
    sample_rate_hz: int
    clips: dict[str, list[Clip]]
    backgrounds: dict[str, list[np.ndarray]]
    others: float


def read_task(directory: Path, every: int = 1) -> Task:
    """Reads the task of a directory.

    Args:
        directory: of `train` and `development`, folders by word, of other speakers
            each: the second are the test, and the last three speakers of the first the
            development. Or of Speech Commands, with its lists: then the standard task
            of twelve classes, where unknown words are a tenth of the keywords.
        every: which recordings are read: each, each second, ...

    Raises:
        ValueError: if a keyword is missing.
    """
    standard = is_speech_commands(directory)
    words = STANDARD if standard else KEYWORDS
    listed = _standard(directory) if standard else _commands(directory)
    rate = 16_000 if standard else 8000
    if missing := {*words} - {file.text for file in listed["train"]}:
        raise ValueError(f"Keywords that are not there: {sorted(missing)}")
    clips = {}
    for use, files in listed.items():
        keywords = [file for file in files if file.text in words][::every]
        others = [file for file in files if file.text not in words][::every]
        if standard:
            others = evenly(others, round(_UNKNOWN * len(keywords)))
        loader = AudioLoader([*keywords, *others], rate)
        clips[use] = [
            Clip(int16_pcm(samples), _label(file.text, words), file.speaker)
            for file, samples in loader
        ]
    backgrounds = {"train": [], "test": []}
    for whole in _recorded(directory / "_background_noise_", rate):
        first = round((1 - _HELD_BACK) * len(whole))
        backgrounds["train"].append(whole[:first])
        backgrounds["test"].append(whole[first:])
    name = "Speech Commands" if standard else "commands"
    labels = (*words, OTHER, SILENCE)
    return Task(name, labels, rate, clips, backgrounds, 1.0)


def evenly(things: list, count: int) -> list:
    """Returns that many things, evenly from among them; all where there are fewer."""
    if count >= len(things):
        return things
    places = np.linspace(0, len(things), count, endpoint=False).astype(int)
    return [things[place] for place in places]


def _standard(directory):
    splits = dict(zip(USES, ("train", "validation", "test"), strict=True))
    return {
        use: list_speech_commands(directory, split) for use, split in splits.items()
    }


def _commands(directory):
    listed = {}
    for use in ("train", "development"):
        found = list_word_folders(directory / use).utterances
        listed[use] = [utterance.file for utterance in found]
    last = sorted({file.speaker for file in listed["train"]})[-_DEVELOPMENT_SPEAKERS:]
    return {
        "train": [file for file in listed["train"] if file.speaker not in last],
        "development": [file for file in listed["train"] if file.speaker in last],
        "test": listed["development"],
    }


def _label(word, words):
    return words.index(word) if word in words else len(words)


def _recorded(folder, rate):
    """Returns what lies in a folder of backgrounds, if there is one."""
    if not folder.is_dir():
        return []
    return [samples for _, samples in AudioLoader(list_audio(folder), rate)]
