import dataclasses

import numpy as np
import pytest
from helpers.word_recordings import corpus

from keras_rnn2dnn.recipe.split import Split

RECORDINGS = corpus(("anna",), per_word=2)


def test_words_and_babble_are_of_the_training():
    other = corpus(("ben",), per_word=1)
    split = Split(RECORDINGS[:2], RECORDINGS[2:], other_speech=other)
    assert split.vocabulary == ("one",)
    assert split.babble == [*RECORDINGS[:2], *other]
    split.check()


def test_what_is_measured_is_heard_in_noise_of_which_no_training_has_heard():
    def noise(first, number):
        samples = np.arange(first, first + number, dtype="float32")
        return dataclasses.replace(RECORDINGS[0], samples=samples, words=())

    silent = dataclasses.replace(noise(0, 5), samples=np.zeros(5, "float32"))
    given = [noise(1, 60), silent, noise(61, 40)]
    split = Split(RECORDINGS[:2], RECORDINGS[2:], noise=given)
    assert len(split.noise_of("train")) == 80
    for use in ("development", "test"):
        assert len(split.noise_of(use)) == 20
    whole = np.concatenate([split.noise_of("unlabelled"), split.noise_of("test")])
    for part, first in ((whole[:60], 1), (whole[60:], 61)):
        assert np.sqrt(np.mean(part**2)) == pytest.approx(1)
        np.testing.assert_allclose(part / part[0], np.arange(len(part)) / first + 1)
    assert Split(RECORDINGS[:2], RECORDINGS[2:]).noise_of("train").shape == (0,)


@pytest.mark.parametrize("use", ["train", "development"])
@pytest.mark.parametrize("empty", [False, True])
def test_without_words_nothing_can_be_trained(use, empty):
    silent = [RECORDINGS[0], dataclasses.replace(RECORDINGS[1], words=())]
    given = [] if empty else silent
    lists = {"train": RECORDINGS, "development": RECORDINGS, use: given}
    with pytest.raises(ValueError) as error:
        Split(**lists).check()
    received = f"{len(given)} recordings, {len(given) // 2} of them without words"
    assert str(error.value) == (
        f"Invalid value for `{use}`. Expected recordings with their words. Received: "
        f"{use}={received!r}"
    )


def test_two_rates_are_refused():
    other = [dataclasses.replace(RECORDINGS[0], sample_rate_hz=16000)]
    with pytest.raises(ValueError) as error:
        Split(RECORDINGS, RECORDINGS, unlabelled=other).check()
    assert str(error.value) == (
        "Different sample rates. Expected one for all recordings. Received: "
        "[8000, 16000] Hz. Resample them, as the readers of corpora do with "
        "`sample_rate_hz`"
    )
