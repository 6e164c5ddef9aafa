"""What students learn: states of a model, or paths of words through its posteriors."""

import dataclasses
from collections.abc import Callable, Sequence

import keras
import numpy as np

from keras_rnn2dnn import hmm
from keras_rnn2dnn.alignments import by_transcript, chained, match_priors
from keras_rnn2dnn.batches.inference import Inference
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.recipe.strings import FeatureString
from keras_rnn2dnn.util.log_softmax import log_softmax

_MATCHED_STRINGS = 300


def mean_log_posteriors(
    models: Sequence[keras.Model | Inference], features: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Returns the log of the mean posteriors of models, `(frames, states)` each."""
    return log_means(
        [
            [log_softmax(z) for z in predict_utterances(model, features)]
            for model in models
        ]
    )


def log_means(log_posteriors: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """Returns the log of the mean of several models' posteriors of each utterance."""
    return [
        np.logaddexp.reduce(of_one, axis=0) - np.log(len(of_one), dtype="float32")
        for of_one in zip(*log_posteriors, strict=True)
    ]


def matched_to_priors(
    log_posteriors: Sequence[np.ndarray], decoder: hmm.WordLoopDecoder
) -> Callable:
    """Returns `match_priors` to those of a decoder, silence and other speech left free.

    Args:
        log_posteriors: of strings without transcripts; the first 300 count.
        decoder: has the priors.
    """
    topology = decoder.topology
    free = [topology.silence_state]
    if topology.other:
        free.append(topology.other_state)
    return match_priors(log_posteriors[:_MATCHED_STRINGS], decoder.log_priors, free)


def path_targets(
    labellers: Sequence[keras.Model | Inference],
    strings: Sequence[FeatureString],
    untuned: hmm.WordLoopDecoder,
    tune: Callable[[Sequence[keras.Model | Inference]], hmm.WordLoopDecoder],
) -> Callable:
    """Returns what is made of the mean posteriors of models: paths of words.

    Of transcribed strings the path of their transcript; of others the path of what is
    recognised, after the posteriors were matched to the priors. Of these as much is
    taken away as is best where words are recognised.

    Args:
        labellers: whose mean posteriors are learnt.
        strings: of a bank, transcribed or not.
        untuned: has topology and priors.
        tune: gives the decoder of models.

    Returns:
        The `transform` of `SoftAlignments.write`.
    """
    decoder = tune(labellers)
    priors = {"log_priors": decoder.log_priors, "prior_scale": decoder.prior_scale}
    known = hmm.constrained(decoder.topology, path=True, **priors)
    clean = [s.clean for s in strings if s.states is None][:_MATCHED_STRINGS]
    if not clean:
        return known
    outputs = mean_log_posteriors(labellers, clean)
    matched = matched_to_priors(outputs, untuned)
    unknown = hmm.decoded(decoder, path=True, prior_scale=decoder.prior_scale)
    return by_transcript(known, chained(matched, unknown))


def labelled_by(
    model: keras.Model | Inference, strings: Sequence[FeatureString]
) -> list[FeatureString]:
    """Labels what has no labels with a model's best states on the clean strings."""
    unlabelled = [s for s in strings if s.states is None]
    outputs = iter(predict_utterances(model, [s.clean for s in unlabelled]))
    return [
        dataclasses.replace(s, states=next(outputs).argmax(-1).astype("int32"))
        if s.states is None
        else s
        for s in strings
    ]
