"""What a recipe works on: word strings of all uses, with features and labels.

The features of teacher and students, too: their settings, and what is adapted.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_rnn2dnn import hmm
from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.features import FeatureSpec, LogMel
from keras_rnn2dnn.audio.word_strings import StringOptions, make_strings
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.recipe.split import Split
from keras_rnn2dnn.recipe.streams import development_streams, streamed_banks
from keras_rnn2dnn.recipe.strings import (
    FeatureString,
    evaluation_strings,
    string_seed,
    training_banks,
)

_ADAPTATION_STRINGS = 300


@dataclasses.dataclass(frozen=True, eq=False)
class Material:
    """Word strings by their use.

    Args:
        layer: computes the features.
        transcribed: banks of strings with labels.
        mixed: banks of some of these strings and of unlabelled ones.
        development: transcribed strings for the choice of decoders.
        test: transcribed strings for what is measured at the end.
        untuned: decoder with topology and priors.
    """

    layer: LogMel
    transcribed: list[list[FeatureString]]
    mixed: list[list[FeatureString]]
    development: list[FeatureString]
    test: list[FeatureString]
    untuned: hmm.WordLoopDecoder

    @property
    def topology(self) -> hmm.Topology:
        """Of the words."""
        return self.untuned.topology

    @property
    def model_sizes(self) -> tuple[int, int]:
        """Features and states: what a model has at its ends."""
        return self.layer.spec.num_features, self.topology.num_states


def make_material(
    split: Split,
    train: Sequence[Recording],
    alignments: Sequence[np.ndarray] | None,
    topology: hmm.Topology,
    layer: LogMel,
    recipe: Recipe,
    seed: int,
    align: Callable[[list, list], list[np.ndarray]] | None = None,
) -> Material:
    """Makes the strings of all uses.

    Args:
        split: recordings by their use.
        train: those of its training at all speeds.
        alignments: states of each of these, or None.
        topology: of the words.
        layer: computes the features.
        recipe: gives the sizes.
        seed: of the strings.
        align: gives the states of the strings where there are no `alignments`.
    """
    transcribed, mixed = training_banks(
        dataclasses.replace(split, train=train),
        alignments,
        layer,
        topology.silence_state,
        (recipe.transcribed_strings, recipe.unlabelled_strings),
        recipe.num_banks,
        seed,
        recipe.strings,
        align,
    )
    development, test = (
        evaluation_strings(split, use, number, layer, seed, recipe.strings)
        if getattr(split, use)
        else []
        for use, number in (
            ("development", recipe.development_strings),
            ("test", recipe.test_strings),
        )
    )
    if recipe.streams:
        heard = dataclasses.replace(split, train=train)
        given = layer, topology, recipe, seed
        transcribed, mixed = streamed_banks(heard, transcribed, *given)
        development = development_streams(split, *given)
    log_priors = hmm.estimate_log_priors(
        [s.states for s in transcribed[0]], topology.num_states
    )
    untuned = hmm.WordLoopDecoder(topology, log_priors=log_priors)
    return Material(layer, transcribed, mixed, development, test, untuned)


def feature_spec(sample_rate_hz: int, features: str = "running mean") -> FeatureSpec:
    """Returns the features of 24 bins: log-mel less a running mean, or PCEN.

    So a device can compute them in a stream. Where the running mean starts, and the
    variance, are for `feature_layer` to find.

    Args:
        sample_rate_hz: of the audio.
        features: as of `Recipe`.
    """
    options: dict[str, Any] = {"centering": "running"}
    if features == "pcen":  # whatever the level; the logarithm is the cheapest power
        options = {"compression": "pcen", "gain": 1.0, "bias": 0.3, "power": 0.0}
    return FeatureSpec(
        sample_rate_hz=sample_rate_hz,
        num_bins=24,
        low_hz=80.0,
        high_hz=min(3900.0, 0.4875 * sample_rate_hz),
        **options,
    )


def feature_layer(
    recordings: Sequence[Recording],
    seed: int,
    options: StringOptions | None = None,
    features: str = "running mean",
) -> LogMel:
    """Returns the layer of `feature_spec`, adapted to noisy word strings.

    Args:
        recordings: of the training.
        seed: of the strings.
        options: how they are made.
        features: as of `Recipe`.

    Returns:
        The layer, with mean and variance.
    """
    layer = LogMel.from_spec(feature_spec(recordings[0].sample_rate_hz, features))
    seed = string_seed(seed, "train", 0)  # the first strings of the first bank
    strings = make_strings(recordings, _ADAPTATION_STRINGS, seed, layer.spec, options)
    layer.adapt(string.noisy[None] for string in strings)
    return layer
