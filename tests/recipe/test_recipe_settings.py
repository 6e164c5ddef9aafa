import dataclasses
import json

import pytest

from keras_rnn2dnn.audio.streams import StreamOptions
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


def test_features_are_of_a_known_kind():
    with pytest.raises(ValueError) as error:
        Recipe(features="log")
    assert str(error.value) == (
        "Invalid value for `features`. Expected one of ('running mean', 'pcen'). "
        "Received: features='log'"
    )


@pytest.mark.parametrize("streams", [None, StreamOptions(pause_s=(1.0, 2.0))])
def test_a_recipe_that_json_has_kept_is_the_same(streams):
    recipe = Recipe(student_epochs=3, features="pcen", streams=streams)
    kept = json.loads(json.dumps(dataclasses.asdict(recipe)))
    assert Recipe.from_dict(kept) == recipe
