"""Batches of whatever `fit` takes, and models that are run on them.

In come arrays, data sets, lists of utterances `(frames, ...)`; out go batches
`(batch, frames, ...)` with frame weights, and what a model gives for each utterance.

- `iterating`, `fit_data`, `utterance_lists`, `sample_weights`, `time_major`: in
- `bucketing`, `padding`: utterances of like length together
- `inference`, `predicting`: a model on batches of any length, compiled where right
- `model_outputs`, `model_state`: what it gives, and that it is left as it was found
"""

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
