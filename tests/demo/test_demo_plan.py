import dataclasses

import pytest

from keras_rnn2dnn.demo import DEFAULT, FULL, Plan, Recipe
from keras_rnn2dnn.recipe.measured import ALL_TRAINED


def test_the_complete_demo_is_the_recipe_of_the_documents():
    assert (FULL.recipe, FULL.trained) == (Recipe(), ALL_TRAINED)
    assert FULL.less(synthetic=True) == ""


def test_what_is_less_is_told():
    recipe = dataclasses.replace(Recipe(), unlabelled_strings=40, speeds=(1.0, 0.9))
    plan = Plan(recipe, repetitions=30)
    assert plan.less(synthetic=True) == (
        "A short run. Of the complete one it has 40 of 1,000 strings without "
        "transcripts in it, 2 of 3 speeds, 30 of 40 recordings of a word by a "
        "synthetic voice."
    )
    assert plan.less(synthetic=False).endswith("in it, 2 of 3 speeds.")


def test_every_smaller_number_of_the_default_is_told():
    text = DEFAULT.less(synthetic=True)
    mine, whole = (dataclasses.asdict(plan.recipe) for plan in (DEFAULT, FULL))
    for name in mine:
        if mine[name] != whole[name] and name != "agreed_by":
            numbers = [mine[name], whole[name]]
            if name == "speeds":
                numbers = list(map(len, numbers))
            assert "{:,} of {:,} ".format(*numbers) in text, name
    assert "4 of 6 trained systems" in text


@pytest.mark.parametrize("plan", [DEFAULT, FULL])
def test_the_stages_take_about_as_long_as_is_said(plan):
    stages = plan.stages(recordings=8 * 10 * (plan.repetitions - 5))
    trained = [name for name in stages if name.endswith(": train")]
    assert len(trained) == len(plan.trained) + 2 * (plan.recipe.rounds - 1)
    assert 0.5 * plan.minutes <= sum(stages.values()) / 60 <= plan.minutes
