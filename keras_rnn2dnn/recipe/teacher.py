"""The teacher, and what else is trained on hard alignments."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_rnn2dnn.batches.bucketing import bucketed_dataset
from keras_rnn2dnn.models.reference import rnn_teacher
from keras_rnn2dnn.recipe.fitting import fit, steps_of
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.recipe.strings import FeatureString


def new_teacher(
    num_features: int, num_states: int, recipe: Recipe, seed: int
) -> keras.Model:
    """Returns an untrained recurrent teacher: the same for the same seed."""
    keras.utils.set_random_seed(seed)
    return rnn_teacher(
        num_features,
        num_states,
        units=recipe.teacher_units,
        cell=recipe.teacher_cell,
        stack=recipe.teacher_stack,
        dropout=recipe.teacher_dropout,
    )


def train_on_states(
    model: keras.Model,
    banks: Sequence[Sequence[FeatureString]],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    **options: Any,
) -> None:
    """Trains a model on noisy strings and their hard alignments.

    Args:
        model: teacher or student; it is trained in place.
        banks: strings with `states`, a bank for each epoch, used in turn.
        epochs: of the training.
        batch_size: strings.
        learning_rate: highest.
        seed: of the order.
        **options: `callbacks`, `backup`, `on_progress` of `fitting.fit`.
    """
    data = [[(s.noisy, s.states) for s in bank] for bank in banks]
    used = [data[epoch % len(data)] for epoch in range(epochs)]
    batches = bucketed_dataset(used, batch_size, seed=seed)
    fit(
        model,
        batches.skip,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # banks of streams differ in size: two strings may be one
        steps=min(steps_of(bank, batch_size) for bank in banks),
        epochs=epochs,
        learning_rate=learning_rate,
        **options,
    )
