import pytest

from keras_rnn2dnn.recipe.settings import Recipe


@pytest.mark.parametrize("rounds", [0, 1.5])
def test_a_recipe_has_at_least_one_round(rounds):
    with pytest.raises(ValueError) as error:
        Recipe(rounds=rounds)
    assert str(error.value) == (
        "Invalid value for `rounds`. Expected an integer >= 1. Received: "
        f"rounds={rounds}"
    )


def test_labels_are_of_a_known_kind():
    with pytest.raises(ValueError) as error:
        Recipe(labels="heard")
    assert str(error.value) == (
        "Invalid value for `labels`. Expected one of ('transplanted', 'as heard'). "
        "Received: labels='heard'"
    )
