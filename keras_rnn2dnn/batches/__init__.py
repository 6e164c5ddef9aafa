"""Batches of whatever `fit` takes, and models that are run on them.

In come arrays, data sets, lists of utterances `(frames, ...)`; out go batches
`(batch, frames, ...)` with frame weights, and what a model gives for each utterance.

- `iterating`, `fit_data`, `utterance_lists`, `sample_weights`, `time_major`: in
- `bucketing`, `padding`: utterances of like length together
- `inference`, `predicting`: a model on batches of any length, compiled where right
- `model_outputs`, `model_state`: what it gives, and that it is left as it was found
"""

from typing import TYPE_CHECKING

from keras_rnn2dnn.util.first_import import on_first_use

if TYPE_CHECKING:  # `_PLACES` says the same
    from keras_rnn2dnn.batches.bucketing import bucketed_dataset, num_bucketed_batches
    from keras_rnn2dnn.batches.iterating import iterate_batches
    from keras_rnn2dnn.batches.predicting import map_by_length, predict_utterances

__all__ = [
    "bucketed_dataset",
    "iterate_batches",
    "map_by_length",
    "num_bucketed_batches",
    "predict_utterances",
]

_PLACES = {
    "bucketed_dataset": "batches.bucketing",
    "iterate_batches": "batches.iterating",
    "map_by_length": "batches.predicting",
    "num_bucketed_batches": "batches.bucketing",
    "predict_utterances": "batches.predicting",
}

__getattr__, __dir__ = on_first_use(__name__, _PLACES)
