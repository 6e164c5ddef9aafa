"""Models run on utterances of any lengths, those of one length together."""

from collections.abc import Callable, Sequence

import keras
import numpy as np

from keras_rnn2dnn.batches.bucketing import batch_plan, plan_buckets
from keras_rnn2dnn.batches.inference import Inference, inference_function
from keras_rnn2dnn.batches.model_outputs import check_frame_outputs, single_output
from keras_rnn2dnn.batches.model_state import left_as_found


def predict_utterances(
    model: keras.Model | Inference,
    utterances: Sequence[np.ndarray],
    batch_size: int = 64,
) -> list[np.ndarray]:
    """Runs a model on utterances of any lengths, those of one length together.

    Args:
        model: `(batch, frames, ...) -> (batch, frames, classes)`, or
            `-> (batch, classes)`; or its `inference_function`, which is compiled once
            for several calls.
        utterances: `(frames, features)` each.
        batch_size: utterances per batch.

    Returns:
        The outputs, `(frames, classes)` each, in the order of the utterances, or
        `(classes,)`; none of an utterance without frames.

    Raises:
        ValueError: if the model has several outputs, or none of classes, or takes no
            utterances of these lengths.

    Example:
        >>> model = keras.Sequential([keras.Input((None, 2)), keras.layers.Dense(3)])
        >>> utterances = [np.ones((4, 2)), np.ones((7, 2))]
        >>> [z.shape for z in predict_utterances(model, utterances)]
        [(4, 3), (7, 3)]
    """
    lengths = [len(utterance) for utterance in utterances]
    if not any(lengths):
        return [np.zeros((0, 0), "float32")] * len(lengths)
    if not isinstance(model, Inference):
        single_output("model", model)
        model = inference_function(model)
    spoken = [utterance for utterance in utterances if len(utterance)]
    with left_as_found(model.models):
        outputs = map_by_length(model, spoken, batch_size)
    if outputs[0].ndim != 1 or len(outputs[0]) == 1:
        check_frame_outputs("model", (len(spoken), *outputs[0].shape))
    silent, following = np.zeros((0, outputs[0].shape[-1]), "float32"), iter(outputs)
    return [next(following) if length else silent for length in lengths]


def map_by_length(
    function: Callable, utterances: Sequence[np.ndarray], batch_size: int = 64
) -> list[np.ndarray]:
    """Applies a function to batches of utterances of one length.

    Args:
        function: of float32 `(batch, length, ...)`, to a tensor `(batch, ...)`.
        utterances: `(length, ...)` each.
        batch_size: utterances per batch.

    Returns:
        The result for each utterance, in their order.

    Example:
        >>> waveforms = [np.ones(3), np.ones(5), np.zeros(3)]
        >>> sums = map_by_length(lambda x: keras.ops.sum(x, axis=1), waveforms)
        >>> [float(s) for s in sums]
        [3.0, 5.0, 0.0]
    """
    results: list = [None] * len(utterances)
    for _, chosen in batch_plan(plan_buckets(utterances, None), batch_size, None):
        batch = np.stack([utterances[n] for n in chosen]).astype("float32")
        for number, result in zip(chosen, function(batch).numpy(), strict=True):
            results[number] = result
    return results
