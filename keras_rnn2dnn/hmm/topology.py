"""The states of a word and of a transcript, from left to right."""

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


@dataclass(frozen=True)
class Topology:
    """The states of every word: left to right, `states_per_unit` for each unit.

    A unit is the word itself or, with a lexicon, a phone; words share the states of
    their phones. Unit `u` owns the states `u * states_per_unit` to
    `(u + 1) * states_per_unit - 1`. Silence is one state with the last index; it may
    stand, but need not, between words and at both ends of an utterance.

    Args:
        words: the vocabulary: different words, without white space inside; a string
            is split on white space.
        states_per_unit: states in a row for each unit, >= 1. A unit lasts at least
            this number of frames.
        lexicon: optional pronunciation of every word: a sequence of phones, or a
            string of phones with white space between them. Entries for words outside
            the vocabulary are left out.
        silence: whether there is a silence state.

    Raises:
        ValueError: if the vocabulary is empty or holds a word twice, a word is empty
            or holds white space, a word is missing from the lexicon or has no phones,
            or `states_per_unit` is not a positive integer.

    Example:
        >>> topology = Topology(("no", "on"), states_per_unit=2)
        >>> topology.num_states, topology.silence_state
        (5, 4)
        >>> topology.state_names
        ('no_0', 'no_1', 'on_0', 'on_1', 'sil')
        >>> phones = Topology(("no", "on"), 2, lexicon={"no": "n o", "on": "o n"})
        >>> phones.units, phones.states_of("on").tolist()
        (('n', 'o'), [2, 3, 0, 1])
    """

    words: Sequence[str]
    states_per_unit: int = 5
    lexicon: Mapping[str, Sequence[str]] | None = field(default=None, hash=False)
    silence: bool = True

    def __post_init__(self):
        object.__setattr__(self, "words", _as_words(self.words))
        _check_words(self.words)
        count = self.states_per_unit
        if not is_integer(count) or count < 1:
            raise ValueError(invalid("states_per_unit", "an integer >= 1", count))
        if not isinstance(self.silence, bool):
            raise ValueError(invalid("silence", "True or False", self.silence))
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
        """The number of states, silence included."""
        return len(self.units) * self.states_per_unit + int(self.silence)

    @property
    def silence_state(self) -> int | None:
        """The index of the silence state, which is the last; None without silence."""
        return self.num_states - 1 if self.silence else None

    @property
    def state_names(self) -> tuple[str, ...]:
        """A name for every state: `unit_number`, and `sil`."""
        numbers = range(self.states_per_unit)
        names = [f"{unit}_{number}" for unit in self.units for number in numbers]
        return tuple(names + ["sil"] * self.silence)

    def states_of(self, word: str) -> np.ndarray:
        """Returns the states of a word, from left to right.

        Args:
            word: a word of the vocabulary.

        Returns:
            int `(states,)`.

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
            if word not in self._vocabulary:
                shown = ", ".join(map(repr, self.words[:50]))
                shown += ", ..." if len(self.words) > 50 else ""
                expected = f"words of the vocabulary ({shown})"
                raise ValueError(invalid(argument, expected, word))
        offsets = np.arange(self.states_per_unit)
        states = {}
        for word in set(words):
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


def transcript_paths(
    transcripts: Sequence[str | Sequence[str]],
    topology: Topology,
    num_frames: Sequence[int],
) -> list[np.ndarray]:
    """Returns the states along each transcript, silences included: int arrays.

    Args:
        transcripts: for each utterance a sequence of words, or a string of words.
        topology: the states of the words.
        num_frames: the number of frames of each utterance.

    Returns:
        For each utterance the states `(nodes,)`, optional silences included.

    Raises:
        TypeError: if the transcripts are something else, such as a mapping or numbers.
        ValueError: if there is not one transcript for each utterance, a word is not
            in the vocabulary, or an utterance is too short for its states.
    """
    check_utterances(transcripts, "transcripts")
    if len(transcripts) != len(num_frames):
        expected = f"one transcript for each of the {len(num_frames)} utterances"
        received = f"{len(transcripts)} transcripts"
        raise ValueError(invalid("transcripts", expected, received))
    silence = np.full(int(topology.silence), topology.num_states - 1)
    paths = []
    for index, transcript in enumerate(transcripts):
        words = topology.states_of_transcript(transcript, index)
        needed, frames = max(1, sum(map(len, words))), num_frames[index]
        if not words and not topology.silence:
            expected = "at least one word, as the topology has no silence"
            raise ValueError(invalid(f"transcripts[{index}]", expected, transcript))
        if frames < needed:
            expected = (
                f"at least {needed} frames in utterance {index}, "
                f"one for each state of its transcript {transcript!r}"
            )
            hint = "Leave the utterance out, or use fewer states per unit"
            raise ValueError(invalid(f"num_frames[{index}]", expected, frames, hint))
        parts = [silence] + [part for states in words for part in (states, silence)]
        paths.append(np.concatenate(parts))
    return paths


class TranscriptGraph:
    """The paths of a batch as columns of nodes, from left to right, some optional.

    Args:
        paths: of `transcript_paths`, one for each utterance.
        topology: the states of the words.
        self_loop: probability of staying in a node from one frame to the next.
    """

    def __init__(self, paths: list[np.ndarray], topology: Topology, self_loop: float):
        self.paths = paths
        self.num_states = topology.num_states
        self.lengths = np.array([len(path) for path in paths])
        self.nodes = np.zeros((self.lengths.max(), len(paths)), np.int32)
        for column, path in enumerate(paths):
            self.nodes[: len(path), column] = path
        # Relative to staying, so that staying costs nothing and needs no addition.
        self.move = np.float32(np.log((1 - self_loop) / self_loop))
        optional = topology.silence & (self.nodes == topology.silence_state)
        allowed = (
            optional[1:-1] & (np.arange(2, len(self.nodes)) < self.lengths[:, None]).T
        )
        self.skip_rows = np.flatnonzero(allowed.any(axis=1)) + 2
        self.skip = np.where(allowed[self.skip_rows - 2], self.move, NEVER)
        # Both ends may lie beside an optional silence, unless there is nothing else.
        ends = 1 + (topology.silence & (self.lengths > 1))
        rows = np.arange(len(self.nodes))[:, None]
        last = self.lengths - 1
        self.start = np.where(rows < ends, np.float32(0), NEVER)
        final = (rows <= last) & (rows > last - ends)
        self.final = np.where(final, np.float32(0), NEVER)
