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


@pytest.mark.parametrize(
    ("name", "expected"),
    [("labels", "'transplanted', 'as heard'"), ("agreed_by", "'teacher', 'itself'")],
)
def test_choices_are_of_a_known_kind(name, expected):
    with pytest.raises(ValueError) as error:
        Recipe(**{name: "heard"})
    assert str(error.value) == (
        f"Invalid value for `{name}`. Expected one of ({expected}). Received: "
        f"{name}='heard'"
    )
