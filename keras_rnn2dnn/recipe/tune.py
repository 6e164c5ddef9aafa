"""The choice of a model's decoder: what it is tuned on, and how."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np

from keras_rnn2dnn import hmm
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.recipe.strings import FeatureString
from keras_rnn2dnn.recipe.targets import mean_log_posteriors


@dataclasses.dataclass(frozen=True, eq=False)
class TuningStrings:
    """What decoders are tuned on.

    Args:
        features: `(frames, features)` of noisy strings.
        words: of each.
    """

    features: list[np.ndarray]
    words: list[list[str]]

    @classmethod
    def of(cls, strings: Sequence[FeatureString]) -> "TuningStrings":
        """Returns transcribed strings, such as those of development."""
        return cls([s.noisy for s in strings], [list(s.words) for s in strings])

    def with_agreed(
        self, strings: Sequence[FeatureString], words: Sequence[Sequence[str]]
    ) -> "TuningStrings":
        """Adds strings whose transcripts nobody has.

        Args:
            strings: untranscribed; their own `words` are not looked at.
            words: that the teacher recognises in the clean ones.
        """
        heard = [s.noisy for s in strings]
        return TuningStrings(self.features + heard, self.words + list(words))


def tuned_to(
    untuned: hmm.WordLoopDecoder,
    models: Sequence[keras.Model],
    strings: TuningStrings,
) -> hmm.WordLoopDecoder:
    """Returns the decoder with the fewest errors for the mean of models."""
    outputs = mean_log_posteriors(models, strings.features)
    return hmm.tune_decoder(untuned, outputs, strings.words)


def agreed_with(
    teacher: keras.Model,
    untuned: hmm.WordLoopDecoder,
    development: TuningStrings,
    strings: Sequence[FeatureString],
) -> TuningStrings:
    """Returns development strings, and others with the words a teacher recognises.

    Args:
        teacher: hears the clean strings, with a decoder tuned on `development`.
        untuned: has topology and priors.
        development: transcribed strings.
        strings: untranscribed ones; may be empty.
    """
    if not strings:
        return development
    decoder = tuned_to(untuned, [teacher], development)
    clean = predict_utterances(teacher, [s.clean for s in strings])
    return development.with_agreed(strings, decoder(clean))
