"""The states of words, of other speech and of silence."""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from keras_rnn2dnn.scoring.pairing import check_utterances, words_of
from keras_rnn2dnn.util.checksums import fields_of
from keras_rnn2dnn.util.errors import invalid, is_integer, is_text

# Stands for log(0) where no path may pass: finite, so that differences stay defined.
NEVER = np.float32(-1e30)
OTHER = "<unk>"  # stands in transcripts for words that are none of the vocabulary


@dataclass(frozen=True)
class Topology:
    """The states of every word: left to right, `states_per_unit` for each unit.

    A unit is the word itself or, with a lexicon, a phone; words share the states of
    their phones. Unit `u` owns the states `u * states_per_unit` to
    `(u + 1) * states_per_unit - 1`. Silence is one state with the last index; it may
    stand, but need not, between words and at both ends of an utterance. Other speech,
    if the topology has it, is one state as well, before silence: whatever is said that
    is none of the words, `<unk>` in a transcript.

    Args:
        words: the vocabulary: different words, without white space inside; a string
            is split on white space.
        states_per_unit: states in a row for each unit, >= 1. A unit lasts at least
            this number of frames.
        lexicon: optional pronunciation of every word: a sequence of phones, or a
            string of phones with white space between them. Entries for words outside
            the vocabulary are left out.
        silence: whether there is a silence state.
        other: frames that other speech lasts at least; 0: there is no such state.

    Raises:
        ValueError: if the vocabulary is empty or holds a word twice, a word is empty
            or holds white space, a word is missing from the lexicon or has no phones,
            `states_per_unit` is not a positive integer, `other` is a negative one, or
            with it `<unk>` is a word.

    Example:
        >>> topology = Topology(("no", "on"), states_per_unit=2)
        >>> topology.num_states, topology.silence_state
        (5, 4)
        >>> topology.state_names
        ('no_0', 'no_1', 'on_0', 'on_1', 'sil')
        >>> phones = Topology(("no", "on"), 2, lexicon={"no": "n o", "on": "o n"})
        >>> phones.units, phones.states_of("on").tolist()
        (('n', 'o'), [2, 3, 0, 1])
        >>> Topology(("no", "on"), states_per_unit=1, other=3).states_of("<unk>")
        array([2, 2, 2])
    """

    words: Sequence[str]
    states_per_unit: int = 5
    lexicon: Mapping[str, Sequence[str]] | None = field(default=None, hash=False)
    silence: bool = True
    other: int = field(default=0, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "words", _as_words(self.words))
        _check_words(self.words)
        count = self.states_per_unit
        if not is_integer(count) or count < 1:
            raise ValueError(invalid("states_per_unit", "an integer >= 1", count))
        if not isinstance(self.silence, bool):
            raise ValueError(invalid("silence", "True or False", self.silence))
        if not is_integer(self.other) or self.other < 0:
            raise ValueError(invalid("other", "an integer >= 0", self.other))
        if self.other and OTHER in self.words:
            expected = f"words but {OTHER!r}, which stands for other speech"
            raise ValueError(invalid("words", expected, OTHER))
        if self.lexicon is not None:
            entries = _check_lexicon(self.lexicon, self.words)
            object.__setattr__(self, "lexicon", entries)

    @functools.cached_property
    def units(self) -> tuple[str, ...]:
        """The words or, with a lexicon, its phones in order of appearance."""
        if self.lexicon is None:
            return self.words
        phones = (phone for word in self.words for phone in self.lexicon[word])
        return tuple(dict.fromkeys(phones))

    @property
    def num_states(self) -> int:
        """The number of states, other speech and silence included."""
        own = len(self.units) * self.states_per_unit
        return own + int(self.other > 0) + int(self.silence)

    @property
    def silence_state(self) -> int | None:
        """The index of the silence state, which is the last; None without silence."""
        return self.num_states - 1 if self.silence else None

    @property
    def other_state(self) -> int | None:
        """The index of the state of other speech; None where there is none."""
        return self.num_states - 1 - int(self.silence) if self.other else None

    @functools.cached_property
    def chains(self) -> tuple[np.ndarray, ...]:
        """The states of each word from left to right, then those of other speech."""
        spoken = (*self.words, OTHER) if self.other else self.words
        return tuple(self.states_of(word) for word in spoken)

    @property
    def state_names(self) -> tuple[str, ...]:
        """A name for every state: `unit_number`, `other` and `sil`."""
        numbers = range(self.states_per_unit)
        names = [f"{unit}_{number}" for unit in self.units for number in numbers]
        return tuple(names + ["other"] * bool(self.other) + ["sil"] * self.silence)

    def states_of(self, word: str) -> np.ndarray:
        """Returns the states of a word, from left to right.

        Args:
            word: a word of the vocabulary, or `<unk>`: other speech.

        Returns:
            int `(states,)`; the one of other speech as often as it lasts at least.

        Raises:
            ValueError: if the vocabulary does not hold the word.
        """
        return self._states_by_word((word,), "word")[word]

    def states_of_transcript(
        self, transcript: str | Sequence[str], utterance: int = 0
    ) -> list[np.ndarray]:
        """Returns the states of each word of a transcript.

        Args:
            transcript: a sequence of words, or a string that is split on white space.
            utterance: the index that an error message names.

        Returns:
            One int array `(states,)` for each word.

        Raises:
            TypeError: if it is neither.
            ValueError: if the vocabulary does not hold one of the words.
        """
        words = words_of(transcript, f"transcripts[{utterance}]")
        states = self._states_by_word(words, f"transcripts[{utterance}]")
        return [states[word] for word in words]

    def with_other(
        self, transcripts: Sequence[str | Sequence[str]]
    ) -> list[tuple[str, ...]]:
        """Returns transcripts with `<unk>` for words that are not in the vocabulary.

        Args:
            transcripts: for each utterance a sequence of words, or a string of words.

        Returns:
            The words of each.

        Raises:
            TypeError: if the transcripts are something else.
            ValueError: if the topology has no other speech.

        Example:
            >>> Topology("no on", other=5).with_other(["no means no"])
            [('no', '<unk>', 'no')]
        """
        if not self.other:
            expected = "frames of other speech, to which words are mapped"
            raise ValueError(invalid("other", expected, self.other))
        check_utterances(transcripts, "transcripts")
        return [
            tuple(
                word if word in self._vocabulary else OTHER
                for word in words_of(transcript, f"transcripts[{index}]")
            )
            for index, transcript in enumerate(transcripts)
        ]

    def to_dict(self) -> dict:
        """Returns the arguments of the constructor, ready for JSON."""
        lexicon = self.lexicon
        if lexicon is not None:
            lexicon = {word: list(phones) for word, phones in lexicon.items()}
        return {
            "words": list(self.words),
            "states_per_unit": self.states_per_unit,
            "lexicon": lexicon,
            "silence": self.silence,
            **({"other": self.other} if self.other else {}),
        }

    @classmethod
    def from_dict(cls, config: Mapping) -> "Topology":
        """Rebuilds a topology from `to_dict()`.

        Example:
            >>> topology = Topology(("yes", "no"), states_per_unit=3)
            >>> Topology.from_dict(topology.to_dict()) == topology
            True
        """
        return cls(**fields_of(cls, config))

    def _states_by_word(self, words, argument):
        """Maps each of the words to its states, int `(states,)`."""
        for word in words:
            if word not in self._vocabulary and not (self.other and word == OTHER):
                shown = ", ".join(map(repr, self.words[:50]))
                shown += ", ..." if len(self.words) > 50 else ""
                expected = f"words of the vocabulary ({shown})"
                raise ValueError(invalid(argument, expected, word))
        offsets = np.arange(self.states_per_unit)
        states = {}
        for word in set(words):
            if self.other and word == OTHER:
                states[word] = np.full(self.other, self.other_state)
                continue
            units = (word,) if self.lexicon is None else self.lexicon[word]
            numbers = np.array([self._unit_numbers[unit] for unit in units])
            first = numbers * self.states_per_unit
            states[word] = (first[:, None] + offsets).ravel()
        return states

    @functools.cached_property
    def _vocabulary(self):
        return frozenset(self.words)

    @functools.cached_property
    def _unit_numbers(self):
        return {unit: number for number, unit in enumerate(self.units)}


def _as_words(words):
    """Returns a tuple of words; a string is split on white space."""
    return tuple(words.split() if isinstance(words, str) else words)


def _check_words(words):
    if not words:
        raise ValueError(invalid("words", "at least one word", words))
    for word in words:
        if not isinstance(word, str) or word.split() != [word]:
            expected = "non-empty words without white space"
            raise ValueError(invalid("words", expected, word))
        if not is_text(word):
            raise ValueError(invalid("words", "text without lone surrogates", word))
    for word, times in Counter(words).items():
        if times > 1:
            raise ValueError(invalid("words", "every word once", word))


def _check_lexicon(lexicon, words):
    """Returns the pronunciation of every word as a tuple of phones."""
    entries = {}
    for word in words:
        if word not in lexicon:
            hint = "Add its pronunciation, or take it out of `words`"
            expected = "a pronunciation of every word"
            missing = f"no entry for {word!r}"
            raise ValueError(invalid("lexicon", expected, missing, hint))
        entries[word] = _as_words(lexicon[word])
        if not entries[word]:
            expected = "at least one phone for every word"
            raise ValueError(invalid(f"lexicon[{word!r}]", expected, entries[word]))
    return entries
