"""A corpus by its use: `CorpusParts`, with noise and recordings without words."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_rnn2dnn.audio.corpora.listing import list_audio
from keras_rnn2dnn.audio.corpora.loading import AudioLoader
from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.corpora.whole_corpus import list_utterances, load_recordings
from keras_rnn2dnn.audio.resampling import resample
from keras_rnn2dnn.recipe.split import Split, split_corpus
from keras_rnn2dnn.scoring.vocabulary import OPTIONS, normalised, remove_punctuation
from keras_rnn2dnn.util.errors import invalid

_HIGHEST_RATE_HZ = 16_000  # features end below 4 kHz
_OTHER_SPEECH = 300  # recordings
_SHORTEST_WORD_S = 0.05  # a frame for each of its five states
_PIECE_S = 4.0  # of recordings without words
_NOISE_FOLDER = "_background_noise_"  # of Speech Commands
_FEW = 3  # recordings of a word: one for each use


@dataclasses.dataclass(frozen=True, eq=False)
class CorpusParts:
    """A corpus by its use.

    Args:
        split: the recordings.
        told: sentences about what was found, what was left out, and how it was split.
    """

    split: Split
    told: list[str]

    @property
    def how_split(self) -> str:
        """How the recordings were split, for the title of a table."""
        if self.split.by_speaker:
            return "split by speaker"
        return "split by file: the same speakers may be heard in training and test"


def read_parts(
    corpus: str | Path,
    words: Sequence[str] | None = None,
    speaker_pattern: str | None = None,
    noise: str | Path | None = None,
    unlabelled: str | Path | None = None,
    other: str | Path | None = None,
    sample_rate_hz: int | None = None,
    seed: int = 0,
) -> CorpusParts:
    """Reads a corpus, and splits it by speaker, or by file where there are none.

    Parts that the corpus gives are kept. White space within a word becomes `_`. Where
    words of transcripts differ in punctuation or case alone, they are one word.

    Args:
        corpus: as of `load_recordings`.
        words: vocabulary; the rest is heard as babble. All by default.
        speaker_pattern: as of `load_recordings`.
        noise: audio without speech; by default `_background_noise_` in the corpus, if
            it is there.
        unlabelled: audio of those who will speak, without transcripts.
        other: audio of speech that is none of the words.
        sample_rate_hz: by default that of most files, at most 16,000.
        seed: of the split.

    Raises:
        FileNotFoundError: if there is no audio.
        ValueError: if nothing can be trained on it; see `load_recordings` and
            `split_corpus`.
    """
    aside = Path(corpus) / _NOISE_FOLDER
    noise = aside if noise is None and aside.is_dir() else noise
    directories = {"noise": noise, "unlabelled": unlabelled, "other": other}
    for name, path in directories.items():
        if path is not None and not Path(path).is_dir():
            raise ValueError(invalid(name, "a directory with audio", str(path)))
    normalise, alike = _normalising(corpus, speaker_pattern)
    given = sample_rate_hz, words, speaker_pattern, _OTHER_SPEECH, normalise
    found = load_recordings(corpus, *given)
    rate = sample_rate_hz or min(found.recordings[0].sample_rate_hz, _HIGHEST_RATE_HZ)
    told = [line for line in str(found).splitlines() if f"{aside}: " not in line]
    told += alike
    usable, parts = _usable(found, told)
    split = split_corpus(
        usable, parts, other_speech=_sounding(found.other_speech), seed=seed
    )
    if not split.test:  # of a corpus with development data of its own
        halves = split_corpus(split.development, development=0.5, test=0, seed=seed)
        split = dataclasses.replace(
            split, development=halves.train, test=halves.development
        )
    beside = {}
    for name, path in directories.items():
        beside[name] = [] if path is None else _without_words(path, rate)
        if path is not None:
            seconds = sum(len(r.samples) for r in beside[name]) / rate
            told.append(f"{name}: {seconds:.0f} s of {path}")
    beside["unlabelled"] = _pieces(beside["unlabelled"])
    beside["other_speech"] = [*split.other_speech, *beside.pop("other")]
    split = dataclasses.replace(split, **beside)
    split = _at_rate(split, rate)
    result = CorpusParts(split, told)
    told += _about_split(result)
    return result


def _normalising(corpus, speaker_pattern):
    """Returns what makes words of transcripts alike, and a sentence if it does."""
    listed = list_utterances(corpus, speaker_pattern).utterances
    words = {word for u in listed if u.file.text for word in u.words}
    alike = {normalised(word, OPTIONS) for word in words} - {""}
    if len(alike) == len(words) and all(remove_punctuation(w) == w for w in words):
        return (), []
    told = f"{len(words)} words of the transcripts are {len(alike)} in lower case and "
    return tuple(OPTIONS), [f"{told}without punctuation: these are taken"]


def _usable(found, told):
    """Returns recordings with sound that is as long as their words, and their parts."""
    pairs, silent, short = [], 0, 0
    for recording, part in zip(found.recordings, found.parts, strict=True):
        words = tuple("_".join(word.split()) for word in recording.words)
        seconds = len(recording.samples) / recording.sample_rate_hz
        if not np.any(recording.samples):
            silent += 1
        elif seconds < _SHORTEST_WORD_S * len(words):
            short += 1
        else:
            pairs.append((dataclasses.replace(recording, words=words), part))
    if silent:
        told.append(f"Left out {silent} recordings without any sound")
    if short:
        told.append(f"Left out {short} recordings too short for their words")
    if not pairs:
        raise ValueError(
            "Nothing to train on. Expected recordings with sound, of 50 ms or more for "
            f"each word. Received: {silent} silent ones, {short} too short ones"
        )
    counts = Counter(word for r, _ in pairs for word in r.words)
    if rare := sorted(word for word, times in counts.items() if times < _FEW):
        first = ", ".join(map(repr, rare[:5])) + (", ..." if rare[5:] else "")
        told.append(
            f"{len(rare)} words have fewer than {_FEW} recordings, too few to be "
            f"trained, tuned and measured: {first}"
        )
    return map(list, zip(*pairs, strict=True))


def _without_words(path, rate):
    """Returns all that sounds in a directory; the speaker is the folder, if any."""
    root = Path(path)
    files = list_audio(root)
    loader = AudioLoader(files, rate)
    found = [
        Recording(samples, rate, (), _folder(file.path, root), number)
        for number, (file, samples) in enumerate(loader)
        if np.any(samples)
    ]
    if not found:
        first = loader.skipped[0].reason if loader.skipped else "all of it is silent"
        raise ValueError(
            f"Cannot use the audio of {str(path)!r}. Expected sound. Received: "
            f"{len(files)} files; {first}"
        )
    return found


def _folder(path, root):
    return "" if path.parent == root else path.relative_to(root).parts[0]


def _pieces(recordings):
    """Cuts recordings without words into pieces that fit into strings."""
    pieces = []
    for r in recordings:
        number = max(1, round(len(r.samples) / (_PIECE_S * r.sample_rate_hz)))
        for samples in np.array_split(r.samples, number):
            if np.any(samples):
                pieces.append(
                    dataclasses.replace(r, samples=samples, index=len(pieces))
                )
    return pieces


def _sounding(recordings):
    return [r for r in recordings if np.any(r.samples)]


def _at_rate(split, rate):
    def changed(r):
        if r.sample_rate_hz == rate:
            return r
        samples = resample(r.samples, r.sample_rate_hz, rate)
        return dataclasses.replace(r, samples=samples, sample_rate_hz=rate)

    fields = {f.name: getattr(split, f.name) for f in dataclasses.fields(split)}
    return Split(
        **{name: [changed(r) for r in given] for name, given in fields.items()}
    )


def _about_split(parts):
    """Returns sentences: who is heard when, and which words no training has."""
    split, counts = parts.split, []
    for use in ("train", "development", "test"):
        given = getattr(split, use)
        speakers = len({r.speaker for r in given if r.speaker})
        plural = "s" * (speakers > 1)
        of = f" of {speakers} speaker{plural}" if split.by_speaker else ""
        counts.append(f"{use} {len(given)} recordings{of}")
    found = [f"{parts.how_split[0].upper()}{parts.how_split[1:]}: {', '.join(counts)}"]
    heard = Counter(word for r in split.test for word in r.words)
    unknown = sum(n for word, n in heard.items() if word not in split.vocabulary)
    if unknown:
        found.append(
            f"{unknown} of {sum(heard.values())} words of the test are not among the "
            f"{len(split.vocabulary)} of the training: each will be an error"
        )
    return found
