"""Word strings of recordings, with their features and labels."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.audio.features import LogMel
from keras_rnn2dnn.audio.word_strings import (
    StringOptions,
    WordString,
    make_strings,
    num_label_frames,
)
from keras_rnn2dnn.batches.predicting import map_by_length
from keras_rnn2dnn.recipe.split import Split

_SILENT_FRAMES = 10  # on either side of the words that are aligned


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureString:
    """Features of a word string.

    Args:
        noisy: `(frames, features)`.
        clean: the same without noise, `(frames, features)`.
        states: hard alignment `(frames,)`, int32, or None.
        words: what is said.
        samples: what `noisy` was computed from, float32 in [-1, 1], or None where it
            is not kept: it takes several times the memory of the features.
    """

    noisy: np.ndarray
    clean: np.ndarray
    states: np.ndarray | None
    words: tuple[str, ...]
    samples: np.ndarray | None = None


def feature_strings(
    strings: Sequence[WordString],
    layer: LogMel,
    alignments: Sequence[np.ndarray] | None = None,
    silence_state: int = 0,
) -> list[FeatureString]:
    """Computes the features of word strings, and their labels.

    Args:
        strings: word strings.
        layer: computes the features.
        alignments: states of the recordings which the strings are made of, to make
            labels; None for strings without labels.
        silence_state: label of the frames between them.

    Returns:
        One `FeatureString` for each string.
    """
    noisy = map_by_length(layer, [s.noisy for s in strings])
    clean = map_by_length(layer, [s.clean for s in strings])
    labels: list = [None] * len(strings)
    if alignments is not None:
        labels = [_string_states(s, alignments, silence_state) for s in strings]
    words = [s.words for s in strings]
    return [FeatureString(*f) for f in zip(noisy, clean, labels, words, strict=True)]


def _string_states(string, alignments, silence_state):
    states = np.full(string.num_frames, silence_state, "int32")
    for number, frame in string.parts:
        room = states[frame : frame + len(alignments[number])]
        room[:] = alignments[number][: len(room)]
    return states


def strings_for(
    split: Split,
    use: str,
    size: int,
    bank: int,
    seed: int,
    spec: FeatureSpec,
    options: StringOptions | None = None,
) -> list[WordString]:
    """Makes the word strings of a use: the same for the same arguments.

    Args:
        split: gives the words, babble and noise.
        use: of `split`, whose recordings are heard.
        size: how many strings.
        bank: its number.
        seed: of the run.
        spec: gives sample rate and frames.
        options: how strings are made.
    """
    seed = string_seed(seed, use, bank)
    heard = options, split.babble, split.noise_of(use)
    return make_strings(getattr(split, use), size, seed, spec, *heard)


def training_banks(
    split: Split,
    alignments: Sequence[np.ndarray] | None,
    layer: LogMel,
    silence_state: int,
    sizes: tuple[int, int],
    num_banks: int,
    seed: int,
    options: StringOptions | None = None,
    align: Callable[[list, list], list[np.ndarray]] | None = None,
) -> tuple[list[list[FeatureString]], list[list[FeatureString]]]:
    """Makes the training strings of several epochs.

    Args:
        split: gives the transcribed and the unlabelled recordings.
        alignments: states of the transcribed ones; None where `align` gives those of
            the strings.
        layer: computes the features.
        silence_state: see `feature_strings`.
        sizes: transcribed and unlabelled strings in a mixed bank.
        num_banks: how many banks.
        seed: of the first bank.
        options: how strings are made.
        align: gives the states of all strings, of their noisy features and words. It
            hears them from 0.1 s before the first recording to 0.1 s after the last:
            what is beyond is silence, however long.

    Returns:
        Banks of transcribed strings alone, and as many mixed ones of the same size:
        some of the same strings, then strings of the unlabelled recordings. Where
        there are none, the two are the same.
    """
    kept, added = sizes

    def strings_of(use, size, number):
        return strings_for(split, use, size, number, seed, layer.spec, options)

    banks, spans = [], []
    for number in range(num_banks):
        strings = strings_of("train", kept + added, number)
        banks.append(feature_strings(strings, layer, alignments, silence_state))
        spans += [_span(string, split.train, layer) for string in strings]
    if alignments is None:
        every = [string for bank in banks for string in bank]
        heard = [s.noisy[span] for s, span in zip(every, spans, strict=True)]
        found = iter(zip(align(heard, [s.words for s in every]), spans, strict=True))
        banks = [[_labelled(s, *next(found), silence_state) for s in b] for b in banks]
    if not split.unlabelled:
        return banks, banks
    mixed = [
        bank[:kept] + feature_strings(strings_of("unlabelled", added, number), layer)
        for number, bank in enumerate(banks)
    ]
    return banks, mixed


def _span(string, recordings, layer):
    """Returns the frames of all words of a string, with a little silence."""
    (_, first), (number, last) = string.parts[0], string.parts[-1]
    end = last + num_label_frames(recordings[number], layer.spec)
    return slice(max(0, first - _SILENT_FRAMES), end + _SILENT_FRAMES)


def _labelled(string, states, span, silence_state):
    every = np.full(len(string.noisy), silence_state, "int32")
    every[span] = states
    return dataclasses.replace(string, states=every)


def evaluation_strings(
    split: Split,
    use: str,
    number: int,
    layer: LogMel,
    seed: int,
    options: StringOptions | None = None,
) -> list[FeatureString]:
    """Makes the strings for development or test.

    Args:
        split: gives the words, and for babble the training recordings.
        use: `"development"` or `"test"`.
        number: how many.
        layer: computes the features.
        seed: of everything random.
        options: how strings are made.

    Returns:
        Strings without labels, with their samples.
    """
    strings = clipped(strings_for(split, use, number, 0, seed, layer.spec, options))
    return [
        dataclasses.replace(features, samples=string.noisy)
        for string, features in zip(
            strings, feature_strings(strings, layer), strict=True
        )
    ]


def clipped(strings: Sequence[WordString]) -> list[WordString]:
    """Returns the strings as a converter gives them: clipped to [-1, 1]."""
    return [dataclasses.replace(s, noisy=np.clip(s.noisy, -1.0, 1.0)) for s in strings]


def string_seed(
    seed: int,
    use: str,
    bank: int,
    uses: Sequence[str] = ("train", "unlabelled", "development", "test"),
) -> int:
    """Returns the seed of the strings of a use and a bank.

    Args:
        seed: of the run.
        use: one of `uses`.
        bank: number of the bank.
        uses: all there are.
    """
    sequence = np.random.SeedSequence((seed, list(uses).index(use), bank))
    return int(sequence.generate_state(1)[0])
