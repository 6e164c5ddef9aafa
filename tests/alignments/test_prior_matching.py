import numpy as np
import pytest
from helpers.stores import expected, padded, teacher

from keras_rnn2dnn import SoftAlignments
from keras_rnn2dnn.alignments import match_priors

PRIORS = np.array([0.5, 0.3, 0.2])


def outputs(seed=0, classes=3, lengths=(40, 7, 90)):
    rng = np.random.default_rng(seed)
    tilt = np.linspace(0, 3, classes)  # the last class is heard far too often
    return [2 * rng.normal(size=(n, classes)) + tilt for n in lengths]


def softmax64(z):
    return np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)


def means(transform, data):
    matched = transform(data, [None] * len(data))
    return np.exp(np.concatenate(matched)).mean(axis=0)


def test_the_means_come_out_at_the_priors():
    data = outputs()
    assert softmax64(np.concatenate(data)).mean(axis=0)[2] > 0.6
    transform = match_priors(data, np.log(PRIORS))
    assert means(transform, data) == pytest.approx(PRIORS, abs=1e-3)


def test_of_two_classes_it_is_the_offset_that_bisection_finds():
    (data,) = outputs(1, classes=2, lengths=(50,))
    odds, low, high = data[:, 1] - data[:, 0], -20.0, 20.0
    for _ in range(80):
        middle = (low + high) / 2
        above = (1 / (1 + np.exp(-odds - middle))).mean() > 0.35
        low, high = (low, middle) if above else (middle, high)
    (matched,) = match_priors([data], np.log([0.65, 0.35]))([data], [None])
    wanted = 1 / (1 + np.exp(-odds - low))
    assert np.exp(matched[:, 1]) == pytest.approx(wanted, abs=1e-3)


def test_each_frame_stays_a_distribution_and_keeps_the_odds_of_equal_priors():
    data = outputs()
    changed = match_priors(data, np.log(PRIORS))(data, [None] * 3)
    for before, after in zip(data, changed, strict=True):
        assert np.exp(after).sum(axis=1) == pytest.approx(np.ones(len(before)))
        offsets = after - before  # one offset for each class, and one for each frame
        offsets -= offsets[:, :1]
        assert offsets == pytest.approx(
            np.tile(offsets[:1], (len(before), 1)), abs=1e-5
        )


def test_free_classes_are_not_weighed_and_the_others_share_the_rest():
    data = outputs(classes=4)
    priors = np.array([0.4, 0.2, 0.1, 0.3])
    transform = match_priors(data, np.log(priors), free=[1, 2])
    before = np.log(softmax64(np.concatenate(data)))
    change = np.concatenate(transform(data, [None] * 3)) - before
    assert change[:, 1] == pytest.approx(change[:, 2], abs=1e-5)
    assert np.abs(change[:, 1] - change[:, 3]).min() > 0.1
    share = means(transform, data)
    wanted = (1 - share[1] - share[2]) * priors[[0, 3]] / 0.7
    assert share[[0, 3]] == pytest.approx(wanted, abs=2e-3)
    assert abs(share[1] / priors[1] - 1) > 0.1  # priors of free ones do not count


def test_a_part_of_many_frames_is_enough():
    data = outputs(lengths=(150_000, 101_000))
    transform = match_priors(data, np.log(PRIORS))
    assert means(transform, data) == pytest.approx(PRIORS, abs=0.01)


def test_classes_that_are_never_heard_leave_it_finite():
    data = [np.where(np.arange(3) == 1, -np.inf, z) for z in outputs()]
    matched = match_priors(data, np.log(PRIORS))(data, [None] * 3)
    assert not np.isnan(np.concatenate(matched)).any()


def test_a_store_keeps_matched_posteriors(tmp_path):
    x, model = padded((12, 8)), teacher()
    log_p = [expected(model, row, n) for row, n in zip(x, (12, 8), strict=True)]
    transform = match_priors(log_p, np.log(np.full(9, 1 / 9)), num_iterations=1000)
    store = SoftAlignments.write(tmp_path / "s", model, x, transform=transform)
    soft = np.concatenate([u.soft for u in store.utterances()])
    assert np.exp(soft).mean(axis=0) == pytest.approx(np.full(9, 1 / 9), abs=1e-3)
    assert store.manifest.settings.transform.startswith("match_priors(9 classes ")


def test_what_would_give_other_targets_has_another_name():
    names = {
        match_priors(outputs(), np.log(priors), free).__name__
        for priors in (PRIORS, PRIORS[::-1])
        for free in ([], [1])
    }
    assert len(names) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ([], np.log(PRIORS)),
            "Invalid value for `outputs`. Expected at least one frame of unlabelled "
            "audio. Received: outputs='no frame'",
        ),
        (
            ([np.zeros((4, 2))], np.log(PRIORS)),
            "Invalid value for `outputs`. Expected arrays (frames, 3), as many classes "
            "as priors. Received: outputs='(4, 2) of utterance 0'",
        ),
        (
            ([np.full((4, 3), np.nan)], np.log(PRIORS)),
            "Invalid value for `outputs`. Expected logits or log-posteriors. Received: "
            "outputs='NaN or infinity in utterance 0'",
        ),
        (
            ([np.zeros((1, 3)), np.full((4, 3), np.inf)], np.log(PRIORS)),
            "Invalid value for `outputs`. Expected logits or log-posteriors. Received: "
            "outputs='NaN or infinity in utterance 1'",
        ),
        (
            ([np.zeros((4, 2))], np.array([0.0, -np.inf])),
            "Invalid value for `log_priors`. Expected finite log-probabilities, one "
            "for each class. Received: log_priors=[0.0, -inf]",
        ),
        (
            ([np.zeros((4, 3))], np.log(PRIORS), [3]),
            "Invalid value for `free`. Expected classes from 0 to 2. Received: free=3",
        ),
    ],
)
def test_what_cannot_be_matched_is_refused(arguments, message):
    with pytest.raises(ValueError) as error:
        match_priors(*arguments)
    assert str(error.value) == message
