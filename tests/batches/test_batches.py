import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn.batches.bucketing import bucketed_dataset, num_bucketed_batches
from keras_rnn2dnn.batches.iterating import first_batch, is_arrays, iterate_batches
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.models.reference import dnn_student


class Batches(keras.utils.PyDataset):
    def __init__(self, count, **kwargs):
        super().__init__(**kwargs)
        self.count = count

    @property
    def num_batches(self):
        return self.count

    def __getitem__(self, index):
        return np.full((2, 3, 4), index), np.full((2, 3), index)


def arrays(utterances=5):
    x = np.arange(utterances * 6.0).reshape(utterances, 3, 2)
    return x, x[..., 0] + 100, x[..., 1] + 200


def test_arrays_are_cut_into_batches():
    x, y, weights = arrays()
    batches = list(iterate_batches(x, y, weights, batch_size=2))
    assert [len(batch[0]) for batch in batches] == [2, 2, 1]
    for number, whole in enumerate((x, y, weights)):
        parts = [batch[number] for batch in batches]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    (batch,) = iterate_batches(tf.constant(x))
    assert batch[0].shape == (5, 3, 2) and batch[1:] == (None, None)


def test_arrays_in_a_dict_are_cut_alike():
    x, y, _ = arrays()
    batches = list(iterate_batches({"teacher": x, "student": -x}, y, batch_size=4))
    assert [len(b[1]) for b in batches] == [4, 1]
    np.testing.assert_array_equal(batches[1][0]["student"], -x[4:])
    assert all(weights is None for *_, weights in batches)


def test_data_sets_of_any_kind_give_their_batches():
    x, y, weights = arrays()
    dataset = tf.data.Dataset.from_tensor_slices((x, y, weights)).batch(3)
    batches = list(iterate_batches(dataset))
    assert [b[0].shape[0] for b in batches] == [3, 2]
    np.testing.assert_array_equal(batches[1][2], weights[3:])
    batches = list(iterate_batches(Batches(3)))
    assert [b[0][0, 0, 0] for b in batches] == [0, 1, 2]
    assert all(b[1].shape == (2, 3) and b[2] is None for b in batches)
    batches = list(iterate_batches((x, y) for _ in range(2)))
    assert len(batches) == 2 and batches[0][1] is y


def test_an_endless_data_set_gives_batches_without_end():
    batches = iterate_batches(Batches(None))
    assert [next(batches)[0][0, 0, 0] for _ in range(4)] == [0, 1, 2, 3]


def test_arrays_are_told_from_data_sets():
    x, y, _ = arrays()
    assert is_arrays(x) and is_arrays(tf.constant(x)) and is_arrays([x, {"a": y}])
    for data in (tf.data.Dataset.range(3), Batches(1), iter([x]), [], "text", None):
        assert not is_arrays(data)


def test_the_first_batch_can_be_seen_without_being_taken():
    x, y, weights = arrays()
    batch, data = first_batch(x, y, weights, batch_size=2)
    assert data is x
    for part, whole in zip(batch, (x, y, weights), strict=True):
        np.testing.assert_array_equal(part, whole[:2])
    for dataset in (tf.data.Dataset.from_tensor_slices(x).batch(2), Batches(2)):
        batch, data = first_batch(dataset)
        assert data is dataset and len(batch[0]) == 2
    given = [(x, y), (x + 1, y), (x + 2, y)]
    batch, data = first_batch(item for item in given)
    assert batch[0] is x and batch[1] is y and batch[2] is None
    rest = list(data)
    assert len(rest) == 3
    assert all(a is b for a, b in zip(rest, given, strict=True))


@pytest.mark.parametrize("data", [np.zeros((0, 3, 2)), iter([]), Batches(0)])
def test_no_data_is_an_error(data):
    with pytest.raises(ValueError) as error:
        first_batch(data)
    assert str(error.value) == ("No data. Expected at least one batch. Received: none")


def utterances(lengths, seed=0):
    """Labelled utterances; label and features name utterance and frame."""
    rng = np.random.default_rng(seed)
    for number, frames in enumerate(lengths):
        x = rng.normal(size=(frames, 2)).astype("float32")
        yield x, np.arange(frames) + 1000 * (number + 1)


LENGTHS = (5, 9, 3, 9, 6, 10, 2)


def test_every_utterance_comes_once_padded_and_weighted():
    given = list(utterances(LENGTHS))
    dataset = bucketed_dataset([given], batch_size=2, buckets=[10, 4, 7], seed=1)
    seen = []
    for x, y, weights in dataset.as_numpy_iterator():
        assert x.shape[:2] == y.shape == weights.shape and len(x) <= 2
        assert weights.dtype == np.float32 and x.dtype == np.float32
        assert x.shape[1] in (4, 7, 10)
        for features, labels, row in zip(x, y, weights, strict=True):
            frames = int(row.sum())
            np.testing.assert_array_equal(row, np.arange(len(row)) < frames)
            number = labels[0] // 1000 - 1
            assert frames == LENGTHS[number]
            assert len(row) == min(b for b in (4, 7, 10) if b >= frames)
            np.testing.assert_array_equal(features[:frames], given[number][0])
            np.testing.assert_array_equal(labels[:frames], given[number][1])
            assert not features[frames:].any() and not labels[frames:].any()
            seen.append(number)
    assert sorted(seen) == list(range(len(LENGTHS)))
    assert dataset.cardinality() == 4


def test_without_buckets_batches_are_full_and_of_like_lengths():
    lengths = np.random.default_rng(0).permutation(np.arange(10, 210))
    given = [np.ones((n, 1), "float32") for n in lengths]
    dataset = bucketed_dataset([given, given], batch_size=8, seed=0)
    shapes = [tuple(x.shape[:2]) for x, _, _ in dataset]
    assert len(shapes) == dataset.cardinality() == 2 * num_bucketed_batches(given, 8)
    assert num_bucketed_batches(given, 8) == 25
    assert {size for size, _ in shapes} == {8}
    assert len({frames for _, frames in shapes}) <= 10
    padded = sum(size * frames for size, frames in shapes)
    assert padded < 1.15 * 2 * lengths.sum()
    seen = [w.numpy().sum(1) for _, _, w in dataset]
    for half in (seen[:25], seen[25:]):  # an epoch each
        assert sorted(np.concatenate(half)) == sorted(lengths)


def test_without_buckets_equal_lengths_are_not_padded():
    dataset = bucketed_dataset([list(utterances([5] * 9 + [7] * 8))], batch_size=8)
    shapes = [(len(x), x.shape[1]) for x, _, _ in dataset.as_numpy_iterator()]
    assert shapes == [(8, 5), (8, 7), (1, 7)]
    assert num_bucketed_batches(list(utterances(LENGTHS)), 2, [10, 4, 7]) == 4


def test_an_utterance_without_frames_is_named():
    with pytest.raises(ValueError) as error:
        bucketed_dataset([[np.ones((3, 2)), np.ones((0, 2))]])
    assert str(error.value) == (
        "Utterance 1 has no frames. Expected at least one frame in each. Received: 0 "
        "frames. Leave it out"
    )


def order(dataset):
    return [int(y[0]) for _, y, _ in dataset.unbatch().as_numpy_iterator()]


def test_the_order_depends_on_the_seed_alone():
    epochs = [list(utterances([4] * 12)) for _ in range(2)]
    dataset, same = (bucketed_dataset(epochs, 3, seed=5) for _ in range(2))
    first = order(dataset)
    assert first == order(dataset) == order(same)
    assert first != order(bucketed_dataset(epochs, 3, seed=6))
    assert sorted(first[:12]) == sorted(first[12:]) == [1000 * n for n in range(1, 13)]
    assert first[:12] != first[12:] != sorted(first[12:])
    in_order = order(bucketed_dataset(epochs, 3))
    assert in_order == 2 * [1000 * n for n in range(1, 13)]


def test_utterances_may_have_no_labels_and_several_inputs():
    features = [x for x, _ in utterances(LENGTHS)]
    dataset = bucketed_dataset([features], 2, buckets=[10])
    assert [y for _, y, _ in dataset] == 4 * [None]
    assert sum(float(tf.reduce_sum(w)) for *_, w in dataset) == sum(LENGTHS)

    pairs = [{"teacher": x, "student": -x[:, :1]} for x in features]
    for epochs, labelled in (
        ([pairs], False),
        ([[(pair, np.zeros(len(pair["teacher"]), "int32")) for pair in pairs]], True),
    ):
        for x, y, weights in bucketed_dataset(epochs, 2, buckets=[10]):
            assert set(x) == {"teacher", "student"}
            assert x["teacher"].shape[1:] == (10, 2)
            np.testing.assert_array_equal(x["student"], -x["teacher"][..., :1])
            assert weights.shape == x["teacher"].shape[:2]
            assert (y is not None) == labelled
            if labelled:
                assert y.dtype == tf.int32


def test_utterances_that_do_not_fit_are_refused():
    given = list(utterances((3, 12)))
    with pytest.raises(ValueError) as error:
        bucketed_dataset([given], buckets=[4, 8])
    assert str(error.value) == (
        "Utterance 1 is too long. Expected at most 8 frames, the longest bucket. "
        "Received: 12 frames"
    )
    with pytest.raises(ValueError) as error:
        bucketed_dataset([[given[0], (given[1][0], np.zeros(11))]])
    assert str(error.value) == (
        "Utterance 1 has arrays of different lengths. Expected the same number of "
        "frames in each. Received: [11, 12] frames"
    )
    for epochs in ([], [given, []]):
        with pytest.raises(ValueError) as error:
            bucketed_dataset(epochs)
        assert str(error.value) == (
            "Invalid value for `epochs`. Expected a sequence of epochs with at least "
            f"one utterance each. Received: epochs={[len(e) for e in epochs]}"
        )


def test_fit_on_padded_batches_is_training_on_the_frames_alone():
    rng = np.random.default_rng(0)
    given = [
        (rng.normal(size=(n, 2)).astype("float32"), rng.integers(3, size=n))
        for n in (5, 9, 2)
    ]
    model = keras.Sequential([keras.Input((None, 2)), keras.layers.Dense(3)])
    kernel, bias = (w.astype("float64") for w in model.get_weights())
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )
    model.compile(keras.optimizers.SGD(0.5), loss=loss)
    dataset = bucketed_dataset([given], batch_size=3, buckets=[16])
    history = model.fit(dataset, shuffle=False, verbose=0)

    x = np.concatenate([x for x, _ in given]).astype("float64")
    labels = np.concatenate([y for _, y in given])
    logits = x @ kernel + bias
    posteriors = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    frames = np.arange(len(x))
    expected = -np.log(posteriors[frames, labels]).mean()
    posteriors[frames, labels] -= 1
    assert history.history["loss"][0] == pytest.approx(expected, rel=1e-5)
    updated = kernel - 0.5 * x.T @ posteriors / len(x)
    np.testing.assert_allclose(model.get_weights()[0], updated, atol=1e-6)


def test_predicting_utterances_is_running_the_model_one_by_one():
    model = dnn_student(2, 3, context=(2, 1), units=(5,))
    rng = np.random.default_rng(0)
    given = [rng.normal(size=(n, 2)) for n in (7, 4, 7, 7, 5)]
    outputs = predict_utterances(model, given, batch_size=2)
    assert [z.shape for z in outputs] == [(n, 3) for n in (7, 4, 7, 7, 5)]
    for x, z in zip(given, outputs, strict=True):
        np.testing.assert_allclose(z, model(x[None].astype("float32"))[0], atol=1e-6)
    assert predict_utterances(model, []) == []
    silent = np.zeros((0, 2))
    shapes = [z.shape for z in predict_utterances(model, [silent, given[1], silent])]
    assert shapes == [(0, 3), (4, 3), (0, 3)]
    assert len(predict_utterances(model, [silent])[0]) == 0
