"""The student, and how it learns from soft alignments."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_rnn2dnn.alignments import SoftAlignments
from keras_rnn2dnn.distillation.distiller import Distiller
from keras_rnn2dnn.hmm import SequenceKL
from keras_rnn2dnn.models.reference import dnn_student, tdnn_student
from keras_rnn2dnn.recipe.fitting import fit, steps_of
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.recipe.strings import FeatureString


def new_student(
    num_features: int, num_states: int, recipe: Recipe, seed: int
) -> keras.Model:
    """Returns an untrained student: the same for the same seed."""
    keras.utils.set_random_seed(seed)
    sizes, units = (num_features, num_states), recipe.student_units
    if recipe.student_steps:
        return tdnn_student(*sizes, units, recipe.student_steps)
    return dnn_student(*sizes, recipe.student_context, units)


def distil(
    teacher: keras.Model | Sequence[keras.Model],
    student: keras.Model,
    banks: Sequence[Sequence[FeatureString]],
    recipe: Recipe,
    seed: int,
    one_best: bool,
    teacher_hears: str,
    transform: Callable | None = None,
    transcribed_weight: float = 1.0,
    paths: SequenceKL | None = None,
    keep: Path | None = None,
    **options: Any,
) -> None:
    """Trains a student on the teacher's soft alignments; labels are not looked at.

    The teacher runs once; what it gives is kept on disk until the student is trained,
    or for good.

    Args:
        teacher: gives the soft alignments; of several the mean.
        student: always hears the noisy strings.
        banks: strings, transcribed or not, of one size each.
        recipe: sizes and settings.
        seed: of the order.
        one_best: whether the student learns the teacher's best classes alone.
        teacher_hears: `"clean"` or `"noisy"`.
        transform: of the soft alignments, see `SoftAlignments.write`.
        transcribed_weight: of the frames of transcribed strings, beside 1.
        paths: the loss; None for that of frames.
        keep: where the store stays, and is found by a training that goes on; None to
            remove it.
        **options: `callbacks`, `backup`, `on_progress` of `fitting.fit`.
    """
    heard = (
        _utterance(string, teacher_hears, transcribed_weight)
        for bank in banks
        for string in bank
    )
    with tempfile.TemporaryDirectory() as directory:
        path = keep or Path(directory) / "store"
        store = SoftAlignments.write(
            path, teacher, heard, one_best=one_best, transform=transform
        )
        batch_size = recipe.student_batch_size

        def batches(first_step):
            # The order of a reading depends on its number; all banks are one reading.
            size = int(store.dataset(batch_size).cardinality())
            number, skipped = divmod(first_step, size)
            data = store.dataset(
                batch_size, shuffle=True, seed=seed, first_epoch=number
            )
            return data.repeat().skip(skipped)

        fit(
            Distiller(None, student, paths),
            batches,
            None,
            steps=steps_of(banks[0], batch_size),
            epochs=recipe.student_epochs,
            learning_rate=recipe.student_learning_rate,
            **options,
        )


def _utterance(string, teacher_hears, transcribed_weight):
    """Returns a batch of one string, as `SoftAlignments.write` takes it."""
    x = {"teacher": getattr(string, teacher_hears)[None], "student": string.noisy[None]}
    if string.states is None:
        return x
    weights = np.full((1, len(string.noisy)), transcribed_weight, "float32")
    return x, {"transcripts": [" ".join(string.words)]}, weights
