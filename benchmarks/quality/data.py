"""Strings of one protocol and seed: features, labels, recordings."""

import dataclasses
import functools
from pathlib import Path

import numpy as np

from benchmarks.quality.table import COMMANDS, OFFICIAL
from keras_rnn2dnn import hmm
from keras_rnn2dnn.audio.corpora.whole_corpus import load_recordings
from keras_rnn2dnn.audio.word_strings import StringOptions, make_strings
from keras_rnn2dnn.demo import demo_recordings
from keras_rnn2dnn.demo.data import split_recordings
from keras_rnn2dnn.recipe import Split
from keras_rnn2dnn.recipe.align import align_recordings, align_strings, at_speeds
from keras_rnn2dnn.recipe.material import feature_layer
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.recipe.strings import (
    clipped,
    feature_strings,
    string_seed,
    training_banks,
)
from keras_rnn2dnn.recipe.trained import TuningStrings

BANKS = 2
DEVELOPMENT_RECORDINGS = range(10, 15)  # of the new speaker; 0-9 are the test
_USES = "train", "unlabelled", "development", "choice", "test"
_RATE = 8000
# Recordings of a second, of which the word is a part; single words, too.
_COMMANDS = StringOptions(words=(1, 6), active_level=True)


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How many strings and epochs there are.

    Args:
        strings: transcribed strings in a bank, which is an epoch.
        unlabelled: strings of the new speaker in a bank.
        development: for the choice of the decoder.
        chosen: for the choice of the recipe.
        test: for the result.
        agreed: unlabelled strings that take part in the choice of the decoder, with
            the words which the teacher finds in them.
        teacher_epochs: of the teacher.
        epochs: of students.
    """

    strings: int = 1000
    unlabelled: int = 500
    development: int = 200
    chosen: int = 200
    test: int = 600
    agreed: int = 160
    teacher_epochs: int = 12
    epochs: int = 8

    @classmethod
    def of(cls, protocol: str, quick: bool) -> "Sizes":
        """Returns those of a protocol."""
        if protocol == COMMANDS:
            few = cls(500, 0, 60, 100, 150, 0, teacher_epochs=5, epochs=3)
            return few if quick else cls(1200, 0, 200, 400, 600, 0, 12, 16)
        if quick:
            return cls(500, 250, 80, 160, 200, 60, teacher_epochs=5, epochs=4)
        return (
            cls(unlabelled=0, chosen=800, epochs=16) if protocol == OFFICIAL else cls()
        )


@dataclasses.dataclass(frozen=True, eq=False)
class EvaluationString:
    """A string of development or test.

    Args:
        features: `(frames, features)`.
        words: what is said.
        recordings: of each word, `word_speaker_index`.
    """

    features: np.ndarray
    words: tuple[str, ...]
    recordings: tuple[str, ...]


class Corpus:
    """All strings of a protocol and a seed.

    Args:
        data: directories of the recordings, by `fsdd` and `commands`.
        protocol: held-out speaker, or one of `table.GIVEN`.
        seed: of strings and labels.
        sizes: of all.

    Attributes:
        banks: transcribed strings of each epoch, labelled as they are heard.
        oracle: the states of the same strings that the recordings have by themselves,
            aligned where nothing is heard but a word.
        unlabelled: of the new speaker, a list for each bank; else empty ones.
        development: strings for the decoder: of a new speaker's protocol those of the
            speakers of the training.
        choice: further strings for the choice of the recipe: of the new speaker, from
            other recordings than the test; else more of those of `development`.
        test: strings of the result.
    """

    def __init__(self, data, protocol: str, seed: int, sizes: Sizes):
        self.options = _COMMANDS if protocol == COMMANDS else StringOptions()
        split, chosen, test = _split(data, protocol)
        self.topology = hmm.Topology(split.vocabulary)
        train = at_speeds(split.train, Recipe().speeds)
        self._seed, heard = seed, dataclasses.replace(split, train=train)
        self.layer = feature_layer(train, 0, self.options)  # the same for all seeds
        self.banks, mixed = self._banks(heard, None, sizes)
        self.oracle = self._states_of_recordings(heard, sizes)
        kept = sizes.strings - sizes.unlabelled
        self.unlabelled = [bank[kept:] if split.unlabelled else [] for bank in mixed]
        evaluated = functools.partial(self._evaluation, babble=train)
        self.development = evaluated(split.development, sizes.development, _USES[2])
        self.choice = evaluated(chosen, sizes.chosen, "choice")
        self.test = evaluated(test, sizes.test, "test")
        self.log_priors = hmm.estimate_log_priors(
            [s.states for s in self.banks[0]], self.topology.num_states
        )

    @property
    def tuning(self):
        """The development strings, as decoders are tuned on them."""
        features = [s.features for s in self.development]
        return TuningStrings(features, [list(s.words) for s in self.development])

    def _banks(self, split, alignments, sizes):
        align = functools.partial(
            align_strings, topology=self.topology, seed=self._seed
        )
        return training_banks(
            split,
            alignments,
            self.layer,
            self.topology.silence_state,
            (sizes.strings - sizes.unlabelled, sizes.unlabelled),
            BANKS,
            self._seed,
            self.options,
            align,
        )

    def _states_of_recordings(self, split, sizes):
        found = align_recordings(split.train, self.topology, self.layer, self._seed)
        alone = dataclasses.replace(split, unlabelled=())
        banks, _ = self._banks(alone, found, sizes)
        return [[string.states for string in bank] for bank in banks]

    def _evaluation(self, recordings, number, use, babble):
        seed = string_seed(self._seed, use, 0, _USES)
        spec, heard = self.layer.spec, self.options
        strings = make_strings(recordings, number, seed, spec, heard, babble)
        strings = clipped(strings)
        return [
            EvaluationString(
                features.noisy,
                string.words,
                tuple(_name(recordings[n]) for n, _ in string.parts),
            )
            for features, string in zip(
                feature_strings(strings, self.layer), strings, strict=True
            )
        ]


def _split(data, protocol):
    """Returns the split, and the recordings of choice and test."""
    if protocol == COMMANDS:
        split = _commands(Path(data["commands"]))
        return split, split.development, split.test
    recordings = demo_recordings(data["fsdd"])
    if protocol == OFFICIAL:
        split = split_recordings(recordings, OFFICIAL)
        return split, split.development, split.test
    split = split_recordings(recordings, "new-speaker", [protocol])
    chosen = [r for r in split.test if r.index in DEVELOPMENT_RECORDINGS]
    test = [r for r in split.test if r.index < DEVELOPMENT_RECORDINGS.start]
    return split, chosen, test


def _commands(directory):
    """Splits by the given lists of speakers: every second unknown one is the test."""
    train = load_recordings(directory / "train", _RATE).recordings
    unknown = load_recordings(directory / "development", _RATE).recordings
    test = sorted({r.speaker for r in unknown})[1::2]
    return Split(
        train,
        development=[r for r in unknown if r.speaker not in test],
        test=[r for r in unknown if r.speaker in test],
    )


def _name(recording):
    return f"{recording.words[0]}_{recording.speaker}_{recording.index}"
