import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn.quantization.calibration import (
    calibration_windows,
    split,
    utterances_of,
)
from keras_rnn2dnn.quantization.receptive_field import ReceptiveField


def test_the_utterances_held_back_are_a_fifth_and_calibrate_nothing():
    utterances = [np.ones((2, 3), np.float32)] * 50
    chosen, held = split(utterances, seed=3)
    assert sorted(chosen + held) == list(range(50))
    assert len(held) == 10
    assert (chosen, held) == split(utterances, seed=3)
    assert held != split(utterances, seed=4)[1]


def test_calibration_windows_are_spread_over_all_utterances():
    lengths = (400, 100, 500)
    utterances = [np.full((n, 1), k, np.float32) for k, n in enumerate(lengths)]
    windows = calibration_windows(utterances, ReceptiveField(1, 1), 500)
    assert windows.shape == (500, 3, 1)
    assert np.bincount(windows[:, 0, 0].astype(int)).tolist() == [200, 50, 250]


def batches():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(n, 4)).astype("float32") for n in (5, 3, 7)]


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return batches()[index][None], np.zeros(1)


def objects():
    array = np.empty(3, object)
    array[:] = batches()
    return array


FORMS = {
    "list": batches,
    "tuple": lambda: tuple(batches()),
    "objects": objects,
    "ragged": lambda: tf.ragged.constant(
        [x.tolist() for x in batches()], ragged_rank=1, dtype="float32"
    ),
    "data set of utterances": lambda: tf.data.Dataset.from_generator(
        batches, output_signature=tf.TensorSpec((None, 4))
    ),
    "data set of ragged batches": lambda: tf.data.Dataset.from_tensor_slices(
        FORMS["ragged"]()
    ).ragged_batch(2),
    "PyDataset": Batches,
    "generator": lambda: (x[None] for x in batches()),
    "tensors": lambda: [tf.constant(x) for x in batches()],
    "batches, filled up with zeros": lambda: [
        np.pad(x, ((0, 4), (0, 0)))[None] for x in batches()
    ],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_utterances(form):
    found = utterances_of(FORMS[form](), 4)
    for x, expected in zip(found, batches(), strict=True):
        np.testing.assert_array_equal(x, expected)


def test_a_bad_value_is_named_by_its_utterance_and_frame():
    x = batches()
    x[2][4, 1] = np.nan
    for data in (x, [np.pad(a, ((0, 9 - len(a)), (0, 0)))[None] for a in x]):
        with pytest.raises(ValueError) as error:
            utterances_of(data, 4)
        assert str(error.value) == (
            "Invalid value for `calibration`. Expected finite features. Received: "
            "calibration='NaN or inf in utterance 2, frame 4'"
        )


def test_utterances_without_frames_are_named(caplog):
    x = [*batches(), np.zeros((0, 4)), np.zeros((6, 4))]
    assert [len(a) for a in utterances_of(x, 4)] == [5, 3, 7, 0, 0]
    assert caplog.text.rstrip().endswith(
        "Utterances of the calibration without frames (or all of them 0, as padding "
        "is) are left out: 3, 4"
    )
    with pytest.raises(ValueError, match=r"comparison\. Without frames: 1, 2$"):
        split(utterances_of([x[0], *x[3:]], 4), seed=0)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (
            tf.data.Dataset.from_tensors(np.ones((2, 3, 4))).repeat(),
            "Received: calibration='a data set without end'. Leave `repeat` out, or "
            "add `.take(batches)`",
        ),
        ("features.npz", "Received: calibration='str'"),
        ([np.ones((2, 4)), np.ones((2, 5))], "calibration=(2, 5). That is utterance 1"),
        ([["a", "b"]], "list: could not convert string"),
        ([np.ones(4)], "calibration=(4,)"),
    ],
)
def test_what_is_no_calibration_is_refused(data, text):
    with pytest.raises(ValueError) as error:
        utterances_of(data, 4)
    assert text in str(error.value)
    assert str(error.value).startswith(
        "Invalid value for `calibration`. Expected arrays (batch, frames, 4) or "
        "(frames, 4). Received: "
    )
