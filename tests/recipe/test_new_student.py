"""The student of a recipe."""

import dataclasses

import numpy as np
import pytest

from keras_rnn2dnn.models.layers import SpliceFrames
from keras_rnn2dnn.models.spliced_dense import SplicedDense
from keras_rnn2dnn.quantization import window_model
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.recipe.student import new_student

DENSE = Recipe(student_units=(8, 6), student_context=(4, 4))
TIME_DELAY = dataclasses.replace(DENSE, student_steps=(1, 3))


@pytest.mark.parametrize("recipe", [DENSE, TIME_DELAY], ids=["dense", "time delay"])
def test_it_is_the_same_for_the_same_seed(recipe):
    one, same, other = (new_student(3, 5, recipe, seed) for seed in (1, 1, 2))
    for a, b in zip(one.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(
        not np.array_equal(a, b)
        for a, b in zip(one.get_weights(), other.get_weights(), strict=True)
    )


def test_steps_make_a_time_delay_student():
    student = new_student(3, 5, TIME_DELAY, 0)
    spliced = [n for n in student.layers if isinstance(n, SplicedDense)]
    assert [(n.units, n.splice.step) for n in spliced] == [(8, 1), (6, 3)]
    _, field = window_model(student)
    assert (field.left, field.right) == (4, 4)


def test_without_steps_it_is_dense_on_the_whole_context():
    student = new_student(3, 5, DENSE, 0)
    first = student.layers[2]
    splice = first.splice if isinstance(first, SplicedDense) else first
    assert isinstance(splice, SpliceFrames) and (splice.left, splice.right) == (4, 4)
