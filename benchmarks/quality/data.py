"""Strings of one split and seed: features, labels, recordings."""

import dataclasses
import functools

import numpy as np

from keras_rnn2dnn import hmm
from keras_rnn2dnn.audio.word_strings import make_strings
from keras_rnn2dnn.demo import demo_recordings
from keras_rnn2dnn.demo.data import split_recordings
from keras_rnn2dnn.recipe.align import align_recordings, at_speeds
from keras_rnn2dnn.recipe.material import feature_layer
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.recipe.strings import clipped, feature_strings, string_seed
from keras_rnn2dnn.recipe.trained import TuningStrings

BANKS = 2
DEVELOPMENT_RECORDINGS = range(10, 15)  # of the new speaker; 0-9 are the test
_USES = "train", "unlabelled", "development", "choice", "test"
RARE = 5  # times that a rare word is rarer than the others, in `skewed`


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How many strings and epochs there are.

    Args:
        strings: transcribed strings in a bank, which is an epoch.
        unlabelled: strings of the new speaker in a bank.
        development: for the choice of the decoder, as many of a new speaker for that
            of the recipe.
        chosen: for the choice of the recipe in the official protocol.
        test: for the result.
        agreed: unlabelled strings that take part in the choice of the decoder, with
            the words which the teacher finds in them.
        teacher_epochs: of the teacher.
        epochs: of students.
    """

    strings: int = 1000
    unlabelled: int = 700
    development: int = 200
    chosen: int = 800
    test: int = 600
    agreed: int = 160
    teacher_epochs: int = 20
    epochs: int = 8

    @classmethod
    def of(cls, official: bool, quick: bool):
        """Returns those of a protocol."""
        if quick:
            return cls(800, 600, 120, 240, 300, 100, teacher_epochs=8)
        return cls(epochs=20 if official else 8)


@dataclasses.dataclass(frozen=True, eq=False)
class EvaluationString:
    """A string of development or test.

    Args:
        features: `(frames, features)`.
        words: what is said.
        recordings: of each word, `digit_speaker_index`.
    """

    features: np.ndarray
    words: tuple[str, ...]
    recordings: tuple[str, ...]


class Corpus:
    """All strings of a split and a seed.

    Attributes:
        banks: transcribed strings of each epoch.
        unlabelled: of the new speaker, a list for each bank; empty ones in the
            official protocol.
        development: strings of the speakers of the training, for the decoder.
        choice: further strings for the choice of the recipe: of the new speaker, from
            other recordings than the test; in the official protocol more of those of
            `development`.
        test: strings of the result.
    """

    def __init__(self, directory, speaker, seed, sizes):
        recordings = demo_recordings(directory)
        protocol = "new-speaker" if speaker else "official"
        split = split_recordings(recordings, protocol, [speaker] * bool(speaker))
        self.topology = hmm.Topology(split.vocabulary)
        train = at_speeds(split.train, Recipe().speeds)
        self.layer = feature_layer(train, seed=0)  # the same for all seeds
        states = align_recordings(train, self.topology, self.layer, seed)
        self._babble, self._seed = train, seed
        self.banks = [
            feature_strings(
                self._make(train, sizes.strings, "train", number),
                self.layer,
                states,
                self.topology.silence_state,
            )
            for number in range(BANKS)
        ]
        rare = split.vocabulary[::2]
        fewer = [
            r for r in split.unlabelled if r.words[0] not in rare or not r.index % RARE
        ]
        self.unlabelled = self._unlabelled(split.unlabelled, sizes.unlabelled)
        self._fewer = fewer, sizes.unlabelled
        self.development = self._evaluation(
            split.development, sizes.development, "development"
        )
        chosen, number, test = split.development, sizes.chosen, split.test
        if speaker:
            chosen = [r for r in test if r.index in DEVELOPMENT_RECORDINGS]
            test = [r for r in test if r.index < DEVELOPMENT_RECORDINGS.start]
            number = sizes.development
        self.choice = self._evaluation(chosen, number, "choice")
        self.test = self._evaluation(test, sizes.test, "test")
        self.log_priors = hmm.estimate_log_priors(
            [s.states for s in self.banks[0]], self.topology.num_states
        )

    @property
    def tuning(self):
        """The development strings, as decoders are tuned on them."""
        features = [s.features for s in self.development]
        return TuningStrings(features, [list(s.words) for s in self.development])

    @functools.cached_property
    def skewed(self):
        """As `unlabelled`, with every second word rare."""
        return self._unlabelled(*self._fewer)

    def _make(self, recordings, number, use, bank=0):
        seed = string_seed(self._seed, use, bank, _USES)
        spec = self.layer.spec
        return make_strings(recordings, number, seed, spec, babble=self._babble)

    def _unlabelled(self, recordings, number):
        return [
            feature_strings(
                self._make(recordings, number, "unlabelled", bank), self.layer
            )
            if recordings
            else []
            for bank in range(BANKS)
        ]

    def _evaluation(self, recordings, number, use):
        strings = clipped(self._make(recordings, number, use))
        found = feature_strings(strings, self.layer)
        return [
            EvaluationString(
                features.noisy,
                string.words,
                tuple(_name(recordings[n]) for n, _ in string.parts),
            )
            for features, string in zip(found, strings, strict=True)
        ]


def _name(recording):
    return f"{recording.words[0]}_{recording.speaker}_{recording.index}"
