import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.stores import (
    FEATURES,
    LENGTHS,
    expected,
    files,
    log_softmax64,
    padded,
    plain_teacher,
    student,
    teacher,
)

from keras_rnn2dnn import Distiller, SoftAlignmentKL, SoftAlignments, hmm
from keras_rnn2dnn.alignments.shards.manifest import Manifest
from keras_rnn2dnn.audio.features import FeatureSpec


@pytest.mark.parametrize("masked", [True, False])
def test_few_classes_are_kept_whole_and_the_padding_is_cut_off(tmp_path, masked):
    model, x = teacher(), padded()
    if not masked:  # hears its padding: lengths must not be mixed
        model = keras.Sequential(
            [
                keras.Input((None, FEATURES)),
                keras.layers.Bidirectional(keras.layers.GRU(5, return_sequences=True)),
                keras.layers.Dense(9),
            ]
        )
        rng = np.random.default_rng(1)  # trained: its biases are not 0
        model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    store = SoftAlignments.write(tmp_path / "a", model, x)
    assert (store.num_utterances, store.num_frames) == (7, sum(LENGTHS))
    assert (store.num_classes, store.top_k, store.kept_mass) == (9, None, 1.0)
    assert store.target_bytes_per_frame == 18
    assert store.manifest.settings.pads is masked
    assert store.nbytes == sum(p.stat().st_size for p in store.path.glob("shard-*"))
    for number, fields in enumerate(store.utterances()):
        assert fields.name == str(number)
        length = LENGTHS[number]
        np.testing.assert_array_equal(fields.features, x[number, :length])
        np.testing.assert_array_equal(fields.weights, np.ones(length))
        np.testing.assert_allclose(
            fields.soft, expected(model, x[number], length), rtol=1e-3, atol=1e-3
        )


def test_of_many_classes_the_best_are_kept(tmp_path):
    model, x = plain_teacher(classes=3400), padded()
    store = SoftAlignments.write(tmp_path / "a", model, x)
    assert (store.num_classes, store.top_k) == (3400, 20)
    assert store.target_bytes_per_frame == 20 * 2 + 21 * 2 <= 90
    kept = []
    for number, fields in enumerate(store.utterances()):
        log_p = expected(model, x[number], LENGTHS[number])
        soft = fields.soft
        chosen = soft[:, 1, :-1].astype(int)
        # float32 may put two classes of one score in another order than float64.
        np.testing.assert_allclose(
            np.take_along_axis(log_p, chosen, -1), -np.sort(-log_p)[:, :20], atol=1e-5
        )
        np.testing.assert_allclose(
            soft[:, 0, :-1], np.take_along_axis(log_p, chosen, -1), rtol=1e-3
        )
        best = np.exp(-np.sort(-log_p)[:, :20]).sum(-1)
        np.testing.assert_allclose(np.exp(soft[:, 0, -1]), 1 - best, rtol=6e-3)
        kept.extend(best)
    assert store.kept_mass == pytest.approx(np.mean(kept), rel=1e-4)


def test_the_class_numbers_of_a_huge_teacher_fit(tmp_path):
    layer = keras.layers.Dense(70_000, use_bias=False)
    model = keras.Sequential([keras.Input((None, 1)), layer])
    scores = np.zeros((1, 70_000), "float32")
    scores[0, [69_999, 3]] = 30.0, 29.0
    model.set_weights([scores])
    store = SoftAlignments.write(tmp_path / "a", model, np.ones((1, 2, 1)), top_k=2)
    assert store.manifest.settings.record_format.class_dtype == "uint32"
    (fields,) = store.utterances()
    assert fields.soft[:, 1].tolist() == [[69_999, 3, -1]] * 2


def test_weights_labels_transcripts_and_ids_are_kept(tmp_path):
    x = padded((12, 8))
    weights = np.ones((2, 12), "float32")
    weights[0, 3], weights[0, 10:], weights[1, 8:] = 0.5, 0.0, 0.0
    labels = np.arange(24).reshape(2, 12)
    y = {
        "labels": labels,
        "transcripts": np.array(["one two", "drei"]),
        "ids": np.array(["anna-1", "ben-7"]),
    }
    arrays = SoftAlignments.write(tmp_path / "a", plain_teacher(), (x, y, weights))
    batches = tf.data.Dataset.from_tensor_slices((x, y, weights)).batch(1)
    streamed = SoftAlignments.write(tmp_path / "b", plain_teacher(), batches)
    assert files(arrays.path) == files(streamed.path)
    first, second = arrays.utterances()
    assert (first.name, second.name) == ("anna-1", "ben-7")
    assert (first.transcript, second.transcript) == ("one two", "drei")
    np.testing.assert_array_equal(first.weights, weights[0, :10])
    np.testing.assert_array_equal(second.labels, labels[1, :8])
    assert arrays.num_frames == 18
    per_utterance = SoftAlignments.write(
        tmp_path / "c", plain_teacher(), (x, None, np.array([1.0, 2.0]))
    )
    assert [u.weights.tolist() for u in per_utterance.utterances()] == [
        [1.0] * 12,
        [2.0] * 8,
    ]


def test_each_model_may_have_its_own_features(tmp_path):
    clean, noisy = padded((12, 8)), padded((12, 8), seed=1)[..., :2]
    model = plain_teacher()
    store = SoftAlignments.write(
        tmp_path / "a", model, {"teacher": clean, "student": noisy}
    )
    for number, fields in enumerate(store.utterances()):
        length = (12, 8)[number]
        np.testing.assert_array_equal(fields.features, noisy[number, :length])
        log_p = expected(model, clean[number], length)
        np.testing.assert_allclose(fields.soft, log_p, atol=2e-3)


def test_transforms_change_what_is_kept(tmp_path):
    x, models = padded((12, 8)), [plain_teacher(), plain_teacher(seed=1)]
    log_p = [[expected(m, x[n], (12, 8)[n]) for n in range(2)] for m in models]

    def soft(**options):
        path = tmp_path / str(len(list(tmp_path.iterdir())))
        given = options.pop("teacher", models[0])
        store = SoftAlignments.write(
            path, given, (x, options.pop("y", None)), **options
        )
        return [u.soft for u in store.utterances()]

    for number, given in enumerate(soft(temperature=2.0)):
        np.testing.assert_allclose(
            given, log_softmax64(log_p[0][number] / 2), atol=2e-3
        )
    mixed = soft(teacher=models, teacher_weights=[3, 1])
    for number, given in enumerate(mixed):
        mean = 0.75 * np.exp(log_p[0][number]) + 0.25 * np.exp(log_p[1][number])
        np.testing.assert_allclose(given, np.log(mean), atol=4e-3)
    for number, given in enumerate(soft(one_best=True)):
        best = log_p[0][number].argmax(-1)
        np.testing.assert_array_equal(given[:, 1], np.stack([best, -1 + 0 * best], 1))
        np.testing.assert_array_equal(given[:, 0], [[0.0, -np.inf]] * len(best))

    def backwards(log_posteriors, transcripts):
        assert transcripts == ["one", "two"]
        return [z[::-1] for z in log_posteriors]

    y = {"transcripts": np.array(["one", "two"])}
    for number, given in enumerate(soft(transform=backwards, y=y)):
        np.testing.assert_allclose(given, log_p[0][number][::-1], atol=2e-3)


def test_transcripts_constrain_what_is_kept(tmp_path):
    topology = hmm.Topology(("a", "b"), states_per_unit=2)
    model, x = plain_teacher(classes=topology.num_states), padded((12, 9))
    y = {"transcripts": np.array(["b a", "a"])}
    store = SoftAlignments.write(
        tmp_path / "a", model, (x, y), transform=hmm.constrained(topology)
    )
    name = store.manifest.settings.transform
    assert name.startswith("forward_backward(5 states ")
    other = hmm.Topology(("b", "a"), states_per_unit=2)
    assert [hmm.constrained(t).__name__ == name for t in (topology, other)] == [1, 0]
    log_p = [expected(model, x[n], (12, 9)[n]) for n in range(2)]
    posteriors = hmm.forward_backward(log_p, ["b a", "a"], topology)
    for fields, p in zip(store.utterances(), posteriors, strict=True):
        np.testing.assert_allclose(np.exp(fields.soft), p, atol=2e-3)
    distiller = Distiller(None, student(topology.num_states))
    distiller.compile(run_eagerly=True)
    history = distiller.fit(store.dataset(), epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    with pytest.raises(ValueError, match="`transcripts`. Expected one for each"):
        SoftAlignments.write(
            tmp_path / "b", model, x, transform=hmm.constrained(topology)
        )


@pytest.mark.slow
def test_a_student_learns_from_the_store_as_from_the_teacher(tmp_path):
    """One batch, so that the order does not matter."""
    model, x = plain_teacher(), padded()
    store = SoftAlignments.write(tmp_path / "a", model, x, utterances_per_shard=3)
    trained = []
    for kind in ("teacher", "store", "plain"):
        network = student()
        if kind == "plain":
            fitted, loss = network, SoftAlignmentKL()
        else:
            fitted = Distiller(model if kind == "teacher" else None, network)
            loss = None
        fitted.compile(keras.optimizers.SGD(0.1), loss=loss)
        given = x if kind == "teacher" else store.dataset(batch_size=7, buckets=1)
        fitted.fit(given, epochs=3, shuffle=False, verbose=0)
        trained.append(network.get_weights())
    for weights in trained[1:]:
        for left, right in zip(trained[0], weights, strict=True):
            np.testing.assert_allclose(left, right, atol=1e-4)  # float16 on disk


def test_top_k_targets_of_the_store_teach_with_labels(tmp_path):
    x, labels = padded(), np.random.default_rng(2).integers(100, size=(7, 40))
    model = plain_teacher(classes=100)
    store = SoftAlignments.write(
        tmp_path / "a", model, (x, labels), feature_dtype="float16"
    )
    distiller = Distiller(None, student(100), student_loss_weight=0.5)
    hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile(keras.optimizers.Adam(0.02), loss=hard, run_eagerly=True)
    history = distiller.fit(
        store.dataset(batch_frames=64, labels=True), epochs=5, verbose=0
    ).history
    assert history["loss"][-1] < history["loss"][0]
    counted = np.concatenate([labels[n, :t] for n, t in enumerate(LENGTHS)])
    stored = np.concatenate([u.labels for u in store.utterances()])
    np.testing.assert_array_equal(stored, counted)


def test_every_utterance_comes_once_an_epoch_in_an_order_of_the_seed(tmp_path):
    lengths = np.random.default_rng(0).integers(5, 60, size=50)
    x = padded(lengths)
    store = SoftAlignments.write(
        tmp_path / "a", plain_teacher(), x, utterances_per_shard=8
    )

    def epochs(seed, number=2, **options):
        dataset = store.dataset(batch_size=4, seed=seed, **options)
        return [[batch[0].numpy() for batch in dataset] for _ in range(number)]

    def firsts(batches):
        return [row[0, 0] for batch in batches for row in batch]

    plain = epochs(None)[0]
    assert sorted(firsts(plain)) == sorted(x[:, 0, 0])
    first, second = epochs(3, shuffle=True)
    assert sorted(firsts(first)) == sorted(firsts(second)) == sorted(x[:, 0, 0])
    assert firsts(first) != firsts(second) != firsts(plain)
    for options in ({}, {"cache": True}):
        again = epochs(3, shuffle=True, **options)
        for left, right in zip((first, second), again, strict=True):
            assert firsts(left) == firsts(right)
    assert firsts(epochs(4, shuffle=True)[0]) != firsts(first)
    later = epochs(3, 1, shuffle=True, first_epoch=1)[0]
    assert firsts(later) == firsts(second)
    # Utterances of like length are together: little padding.
    filled = sum(lengths) / sum(batch.shape[0] * batch.shape[1] for batch in first)
    mixed = epochs(3, 1, shuffle=True, buckets=1)[0]
    assert filled > 0.85 > sum(lengths) / sum(b.shape[0] * b.shape[1] for b in mixed)
    for batch in store.dataset(batch_frames=100, shuffle=True, seed=0):
        assert batch[0].shape[0] * batch[0].shape[1] <= 100


def test_the_manifest_says_what_was_done(tmp_path):
    spec = FeatureSpec(8000)
    model = plain_teacher(classes=100)
    store = SoftAlignments.write(tmp_path / "a", model, padded(), 5, feature_spec=spec)
    content = json.loads((store.path / "manifest.json").read_text())
    assert content["format"] == "keras_rnn2dnn.soft_alignments"
    assert (content["version"], content["complete"]) == (1, True)
    settings = content["settings"]
    assert (settings["num_classes"], settings["top_k"]) == (100, 5)
    assert settings["feature_shape"] == [FEATURES]
    assert settings["feature_spec"] == spec.to_dict()
    assert len(settings["teacher"]) == 64
    assert Manifest.load(store.path) == store.manifest
    assert repr(store) == (
        f"<SoftAlignments '{store.path}': 7 utterances, 120 frames, 100 classes, "
        "top_k=5>"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 9}, "`top_k`. Expected an integer from 1 to 8, or None. Received: "),
        ({"top_k": 0}, "`top_k`. Expected an integer from 1 to 8, or None."),
        ({"temperature": 0}, "`temperature`. Expected a number > 0."),
        ({"feature_dtype": "int8"}, "`feature_dtype`. Expected 'float32' or 'float16'"),
        ({"utterances_per_shard": 0}, "`utterances_per_shard`. Expected an integer >="),
        ({"part": (2, 2)}, "`part`. Expected a pair (i, n) with 0 <= i < n."),
    ],
)
def test_invalid_options_are_refused_before_any_work(tmp_path, options, message):
    with pytest.raises(ValueError) as error:
        SoftAlignments.write(tmp_path / "a", plain_teacher(), padded(), **options)
    assert str(error.value).startswith(f"Invalid value for {message}")
    assert not list(tmp_path.glob("a/shard*"))


@pytest.mark.parametrize("name", ["batch_size", "batch_frames", "buckets"])
def test_invalid_batches_are_refused(tmp_path, name):
    store = SoftAlignments.write(tmp_path / "a", plain_teacher(), padded((3, 4)))
    with pytest.raises(ValueError) as error:
        store.dataset(**{name: 0})
    assert str(error.value) == (
        f"Invalid value for `{name}`. Expected an integer >= 1. Received: {name}=0"
    )


def test_a_teacher_that_gives_nan_is_named(tmp_path):
    x = padded((12, 8))
    x[1, 3] = np.nan
    with pytest.raises(ValueError, match="not a number in the utterance '1'"):
        SoftAlignments.write(tmp_path / "a", plain_teacher(), x)


def test_a_cached_store_is_read_once(tmp_path):
    store = SoftAlignments.write(tmp_path / "a", plain_teacher(), padded())
    cached, other = (
        store.dataset(cache=c, shuffle=True, seed=0) for c in (True, False)
    )
    assert len(list(cached)) == len(list(other)) == 1
    (store.path / "shard-000000.tfrecord").unlink()
    assert len(list(cached)) == 1
    with pytest.raises(Exception, match="No such file"):
        list(other)


def test_lists_of_transcripts_and_ids_go_with_arrays(tmp_path):
    x = padded(range(5, 45))
    texts, names = [f"word {n}" for n in range(40)], [f"id{n}" for n in range(40)]
    y = {"transcripts": texts, "ids": names}
    store = SoftAlignments.write(tmp_path / "a", plain_teacher(), (x, y))
    found = [(u.transcript, u.name) for u in store.utterances()]
    assert found == list(zip(texts, names, strict=True))


def test_what_the_teacher_gives_must_be_what_is_declared(tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 5, 3))
    layers = [keras.Input((None, 3)), keras.layers.Dense(4)]
    logits = keras.Sequential(layers)
    softmax = keras.Sequential([*layers, keras.layers.Softmax(name="posteriors")])
    hidden = keras.Sequential([*layers, keras.layers.Lambda(keras.ops.softmax)])
    expected = "declared to give logits.*pass `teacher_from_logits=False`"
    for model in (softmax, hidden):
        with pytest.raises(ValueError, match=expected):
            SoftAlignments.write(tmp_path / "a", model, x)
        path = tmp_path / model.name
        SoftAlignments.write(path, model, x, teacher_from_logits=False)
    with pytest.raises(ValueError, match="declared to give probabilities"):
        SoftAlignments.write(tmp_path / "a", logits, x, teacher_from_logits=False)
    assert not (tmp_path / "a" / "manifest.json").exists()


def test_the_teacher_is_traced_once_for_utterances_of_all_lengths(tmp_path):
    class Traced(keras.layers.Layer):
        shapes = ()

        def call(self, inputs):
            if not hasattr(inputs, "numpy"):
                self.shapes = (*self.shapes, tuple(inputs.shape))
            return inputs

    traced = Traced()
    x = [np.ones((1, frames, 3), "float32") for frames in (4, 9, 9, 6)]
    model = keras.Sequential([keras.Input((None, 3)), traced, keras.layers.Dense(4)])
    before = len(traced.shapes)
    SoftAlignments.write(tmp_path / "a", model, iter(x))
    assert traced.shapes[before:] == ((None, None, 3),)
