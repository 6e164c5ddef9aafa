"""Streams of word strings and other speech, with their features and labels."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.audio.features import LogMel
from keras_rnn2dnn.audio.streams import StreamOptions, make_streams
from keras_rnn2dnn.audio.word_strings import WordString
from keras_rnn2dnn.batches.predicting import map_by_length
from keras_rnn2dnn.hmm.topology import OTHER, Topology
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.recipe.split import Split
from keras_rnn2dnn.recipe.strings import FeatureString, string_seed, strings_for

OTHER_FRAMES = 8  # that other speech lasts at least
_AT_ONCE = 200  # strings whose streams are in memory together


def stream_topology(
    topology: Topology, split: Split, streams: StreamOptions | None
) -> Topology:
    """Returns a topology with a state of other speech, if that is heard.

    Args:
        topology: of the words.
        split: with other speech or without.
        streams: how streams are made; None for strings alone, of which none has other
            speech.
    """
    heard = streams is not None and len(split.other_speech) > 0
    return dataclasses.replace(topology, other=OTHER_FRAMES if heard else 0)


def streamed_banks(
    split: Split,
    banks: Sequence[Sequence[FeatureString]],
    layer: LogMel,
    topology: Topology,
    recipe: Recipe,
    seed: int,
) -> tuple[list[list[FeatureString]], list[list[FeatureString]]]:
    """Makes streams of the strings of `training_banks`.

    Args:
        split: gives the recordings, as it did for the banks.
        banks: transcribed strings with their labels.
        layer: computes the features.
        topology: has the states of other speech and of silence.
        recipe: gives the sizes and how streams are made.
        seed: of the run.

    Returns:
        Banks of streams as `training_banks` gives them of strings: all transcribed
        ones; some of the same, and those of unlabelled recordings.
    """
    kept, added = recipe.transcribed_strings, recipe.unlabelled_strings
    transcribed, mixed = [], []
    for number, bank in enumerate(banks):

        def streams(use, strings, states=None, place=0, number=number):
            own = string_seed(seed, use, number)
            return feature_streams(
                strings, states, layer, topology, split, recipe.streams, own + place
            )

        given = number, seed, layer.spec, recipe.strings
        strings = strings_for(split, "train", kept + added, *given)
        states = [string.states for string in bank]
        first = streams("train", strings[:kept], states[:kept])
        transcribed.append(first + streams("train", strings[kept:], states[kept:], 1))
        if split.unlabelled:
            strings = strings_for(split, "unlabelled", added, *given)
            mixed.append(first + streams("unlabelled", strings))
    return transcribed, mixed or transcribed


def development_streams(
    split: Split, layer: LogMel, topology: Topology, recipe: Recipe, seed: int
) -> list[FeatureString]:
    """Makes streams of the strings of the development, without other speech.

    Args:
        split: gives the recordings.
        layer: computes the features.
        topology: of the words.
        recipe: gives the sizes and how streams are made.
        seed: of the run.

    Returns:
        Streams without labels, with their samples.
    """
    use, size = "development", recipe.development_strings
    strings = strings_for(split, use, size, 0, seed, layer.spec, recipe.strings)
    given = layer, topology, split, recipe.streams, string_seed(seed, use, 0)
    return feature_streams(strings, None, *given, keep_samples=True)


def feature_streams(
    strings: Sequence[WordString],
    states: Sequence[np.ndarray] | None,
    layer: LogMel,
    topology: Topology,
    split: Split,
    options: StreamOptions,
    seed: int,
    keep_samples: bool = False,
) -> list[FeatureString]:
    """Computes the features of streams of strings.

    Args:
        strings: of words.
        states: their labels, `(frames,)` each; None for streams without labels, and
            then without other speech.
        layer: computes the features.
        topology: has the states of other speech and of silence.
        split: gives other speech, and voices for babble.
        options: how streams are made.
        seed: of everything random.
        keep_samples: whether the samples are kept.

    Returns:
        One `FeatureString` for each stream; of other speech its words have `<unk>`.
    """
    other = split.other_speech if states is not None and topology.other else ()
    found = []
    for number, start in enumerate(range(0, len(strings), _AT_ONCE)):
        part = strings[start : start + _AT_ONCE]
        drawn = np.random.SeedSequence((seed, number)).generate_state(1)[0]
        given = int(drawn), layer.spec, options, other, split.babble
        streams = make_streams(part, *given)
        labels: list = [None] * len(streams)
        if states is not None:
            ends = topology.silence_state, topology.other_state
            own = states[start : start + _AT_ONCE]
            labels = [stream.labels(own, *ends) for stream in streams]
        noisy = map_by_length(layer, [s.noisy for s in streams])
        clean = map_by_length(layer, [s.clean for s in streams])
        words = [s.words(part, OTHER) for s in streams]
        kept = [s.noisy if keep_samples else None for s in streams]
        each = zip(noisy, clean, labels, words, kept, strict=True)
        found += [FeatureString(*fields) for fields in each]
    return found
