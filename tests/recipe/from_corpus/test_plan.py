import dataclasses

import numpy as np
import pytest
from helpers.tone_words import tone_words

from keras_rnn2dnn.recipe.from_corpus.plan import make_plan
from keras_rnn2dnn.recipe.material import feature_spec
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.recipe.split import Split

WORDS = tone_words()
SPLIT = Split(WORDS[:40], WORDS[40:80], test=WORDS[80:])


def work(plan):
    recipe = plan.recipe
    strings = recipe.transcribed_strings + recipe.unlabelled_strings
    return recipe.student_epochs * strings


def test_without_a_time_the_numbers_are_those_of_the_recipe():
    recipe, usual = make_plan(SPLIT, 11, pace=9.0).recipe, Recipe()
    for name in ("teacher_epochs", "num_banks", "teacher_units", "student_units"):
        assert getattr(recipe, name) == getattr(usual, name)
    assert (recipe.rounds, recipe.student_epochs) == (1, 16)
    assert (recipe.transcribed_strings, recipe.unlabelled_strings) == (2000, 0)
    assert recipe.labels == "as heard" and recipe.strings.active_level


def test_less_time_is_less_work():
    plans = [make_plan(SPLIT, 11, minutes=m, pace=1.0) for m in (90, 6, 4, 3)]
    assert all(p.minutes <= m for p, m in zip(plans, (90, 6, 4, 3), strict=True))
    amounts = [work(plan) for plan in plans]
    assert amounts == sorted(amounts, reverse=True) and amounts[0] > 2 * amounts[-1]
    shortest = make_plan(SPLIT, 11, minutes=0.01, pace=1.0)
    assert work(shortest) <= amounts[-1] and shortest.minutes > 0.01
    # A short training has smaller batches: else it would hardly begin.
    assert plans[0].recipe.teacher_batch_size == 32
    assert plans[0].recipe.student_batch_size == 32
    recipe = shortest.recipe
    assert recipe.teacher_batch_size == recipe.student_batch_size == 8
    slow = make_plan(SPLIT, 11, minutes=90, pace=40.0)
    assert work(slow) < amounts[0]


def test_a_faster_machine_does_more_and_a_slower_one_takes_longer():
    slow, usual, fast = (make_plan(SPLIT, 900, pace=p) for p in (2.0, 1.0, 0.3))
    assert slow.recipe == usual.recipe
    assert work(fast) > work(usual) and fast.minutes < 20
    assert work(make_plan(SPLIT, 11, pace=0.3)) > work(make_plan(SPLIT, 11, pace=1.0))
    assert slow.minutes == pytest.approx(2 * usual.minutes)


def test_streams_take_longer_than_strings_and_less_is_done():
    streams, strings = (
        make_plan(SPLIT, 201, push_to_talk=asked, pace=1.0, minutes=12)
        for asked in (False, True)
    )
    assert (streams.recipe.features, strings.recipe.features) == (
        "pcen",
        "running mean",
    )
    assert streams.recipe.streams and strings.recipe.streams is None
    assert work(streams) < work(strings)


def test_long_recordings_make_few_strings():
    long = [dataclasses.replace(r, samples=np.ones(240_000)) for r in WORDS]
    split = Split(long[:40], long[40:80], test=long[80:])
    recipe = make_plan(split, 11, pace=1.0).recipe
    assert recipe.transcribed_strings == 379
    assert recipe.development_strings == recipe.test_strings == 83


def test_where_words_are_few_silence_is_longer_than_the_memory_of_the_mean():
    recipe = make_plan(SPLIT, 11, sparse=True, pace=1.0).recipe
    assert recipe.strings.edge_frames[1] * 10 > feature_spec(8000).memory_ms
    assert recipe.strings.active_level and recipe.strings.snr_db == (5.0, 25.0)
    assert recipe.transcribed_strings < 2000  # which are longer


def test_half_of_the_strings_have_no_words_where_there_are_such_recordings():
    silent = [dataclasses.replace(r, words=()) for r in WORDS[:4]]
    split = dataclasses.replace(SPLIT, unlabelled=silent)
    recipe = make_plan(split, 11, pace=1.0).recipe
    assert recipe.transcribed_strings == recipe.unlabelled_strings == 1000
    # A better student labels them better: two rounds, together as long.
    assert (recipe.rounds, recipe.student_epochs) == (2, 8)
    recipe = make_plan(split, 11, pace=1.0, minutes=1).recipe
    assert recipe.rounds == 1


def test_the_stages_are_named_and_a_teacher_takes_no_time_that_exists():
    names = make_plan(SPLIT, 11, pace=1.0).seconds
    assert "student_alone: train" in names and len(names) == 13
    own = make_plan(SPLIT, 11, own_teacher=True, pace=1.0).seconds
    assert set(names) - set(own) == {"teacher: train"}


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf")])
def test_a_time_is_above_zero(minutes):
    with pytest.raises(ValueError) as error:
        make_plan(SPLIT, 11, minutes=minutes)
    assert str(error.value) == (
        f"Invalid value for `minutes`. Expected a number > 0. Received: "
        f"minutes={minutes}"
    )


def test_a_recipe_comes_back_from_its_fields():
    recipe = make_plan(SPLIT, 11, pace=1.0, student_units=(24, 24)).recipe
    assert Recipe.from_dict(dataclasses.asdict(recipe)) == recipe
    assert recipe.student_units == (24, 24)
