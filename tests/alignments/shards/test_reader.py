import shutil

import numpy as np
import pytest
import tensorflow as tf
from helpers.stores import FEATURES, edit_manifest, padded
from helpers.stores import plain_teacher as teacher

from keras_rnn2dnn import Distiller, SoftAlignments, dnn_student
from keras_rnn2dnn.alignments.shards.batch_arrays import BatchArrays, Located
from keras_rnn2dnn.alignments.shards.files import ShardFiles
from keras_rnn2dnn.alignments.shards.manifest import Shard
from keras_rnn2dnn.alignments.shards.reader import read_batches
from keras_rnn2dnn.alignments.shards.records import (
    AlignedUtterance,
    RecordFormat,
    read_records,
    write_records,
)
from keras_rnn2dnn.distillation.top_k import top_k_targets
from keras_rnn2dnn.util.checksums import checksum_of
from keras_rnn2dnn.util.log_softmax import log_softmax

FILE = "shard-000000.tfrecord"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "store"
    return SoftAlignments.write(path, teacher(), padded(), utterances_per_shard=3).path


@pytest.fixture
def store(written, tmp_path):
    return SoftAlignments(shutil.copytree(written, tmp_path / "store"))


def damage(store, position):
    """Turns one bit of the second shard."""
    path = store.path / "shard-000001.tfrecord"
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    return path


def second_record(store):
    """Returns where the second record of the second shard begins."""
    content = (store.path / "shard-000001.tfrecord").read_bytes()
    return 8 + 4 + int.from_bytes(content[:8], "little") + 4


def test_a_whole_store_is_verified(store):
    seen = []
    store.verify(on_shard=seen.append)
    assert tuple(seen) == store.manifest.shards


@pytest.mark.parametrize("place", ["data", "length"])
def test_a_damaged_record_is_named(store, place):
    position = second_record(store) + (2 if place == "length" else 40)
    path = damage(store, position)
    message = f"Record 1 of {str(path)!r} is damaged: corrupted record at"
    for read in (store.verify, lambda: list(store.utterances())):
        with pytest.raises(ValueError) as error:
            read()
        assert str(error.value).startswith(message)
    distiller = Distiller(None, dnn_student(FEATURES, 9, units=(4,)))
    distiller.compile()
    with pytest.raises(Exception) as error:  # of TensorFlow, around ours
        distiller.fit(store.dataset(batch_size=2), verbose=0)
    assert message in str(error.value)


def test_missing_and_truncated_shards_are_named_before_any_reading(store):
    path = store.path / "shard-000001.tfrecord"
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    for read in (store.verify, store.dataset):
        with pytest.raises(ValueError) as error:
            read()
        assert str(error.value) == (
            f"{str(path)!r} is damaged. Expected {len(content)} bytes. Received: "
            f"{len(content) - 7}. Copy or write it again"
        )
    path.unlink()
    for read in (store.verify, store.dataset):
        with pytest.raises(ValueError) as error:
            read()
        assert str(error.value) == (
            f"The store {str(store.path)!r} lacks 'shard-000001.tfrecord'. Expected 3 "
            "shards. Copy or write it again"
        )


def test_a_shard_of_another_store_is_told_by_its_counts(store, tmp_path):
    other = SoftAlignments.write(
        tmp_path / "other", teacher(), padded()[::-1], utterances_per_shard=3
    )
    content = (other.path / "shard-000002.tfrecord").read_bytes()
    path = store.path / "shard-000002.tfrecord"
    path.write_bytes(content)
    size = {"num_bytes": len(content)}
    edit_manifest(store.path, lambda manifest: manifest["shards"][2].update(size))
    with pytest.raises(ValueError) as error:
        SoftAlignments(store.path).verify()
    assert str(error.value) == (
        f"{str(path)!r} is not the file of its manifest. Expected 1 utterances, 40 "
        "frames. Received: 1 utterances, 12 frames"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "Received: 'keras_rnn2dnn.soft_alignments', version 2"),
        ({"format": "other"}, "Received: 'other', version 1"),
        ({"settings": {}}, "Cannot use"),
        ({"shards": [{"number": 0}]}, "Cannot use"),
        ({"sha256": "0"}, "its `sha256` is not that of its content: it is damaged, or"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(store, change, message):
    path = store.path / "manifest.json"
    edit_manifest(store.path, lambda content: content.update(change))
    with pytest.raises(ValueError, match=message) as error:
        SoftAlignments(store.path)
    assert str(path) in str(error.value)
    path.write_text("{")
    with pytest.raises(ValueError, match="Cannot read"):
        SoftAlignments(store.path)
    path.unlink()
    with pytest.raises(FileNotFoundError) as error:
        SoftAlignments(store.path)
    assert str(error.value) == (
        f"No soft alignments in {str(store.path)!r}. Expected manifest.json there, as "
        "`SoftAlignments.write` makes it"
    )


def test_the_batches_are_counted_beforehand(tmp_path):
    lengths = np.random.default_rng(1).integers(3, 90, size=61)
    store = SoftAlignments.write(tmp_path / "a", teacher(), padded(lengths))
    for options in (
        {"batch_size": 4},
        {"batch_size": 4, "buckets": 1},
        {"batch_frames": 200, "shuffle": True},
        {"batch_size": 100, "buckets": 50},
    ):
        dataset = store.dataset(**options)
        assert int(dataset.cardinality()) == len(list(dataset))


def batch_of(path, form, labels=False):
    """Returns all utterances of a file as a batch."""
    arrays = BatchArrays(form, labels)
    shard = Shard(0, path.stat().st_size, 0, 0, 0, 0, {}, crc32=checksum_of(path))
    with ShardFiles(path.parent, arrays.names, print).open() as shards:
        found = [Located(shard, row) for row in shards.places(shard).tolist()]
        batch = arrays.gather(found, shards.read_into)
    return arrays.tensors({name: tf.constant(a) for name, a in batch.items()})


@pytest.mark.parametrize(("classes", "top_k"), [(51, None), (201, 20), (3400, 20)])
@pytest.mark.parametrize("options", [{}, {"feature_dtype": "float16"}])
def test_batches_hold_what_the_utterances_hold(tmp_path, classes, top_k, options):
    """Weights, labels and transcripts of some, and longer features than targets."""
    rng = np.random.default_rng(classes)
    form = RecordFormat(classes, top_k, (3, 2), **options)
    given = [
        AlignedUtterance(
            f"u{n}",
            rng.normal(size=(2 * frames, 3, 2)),
            _targets(rng, frames, classes, top_k),
            rng.random(frames, "float32") if n % 2 else None,
            rng.integers(classes, size=frames) if n % 3 else None,
            "one two" if n % 5 else None,
        )
        for n, frames in enumerate((7, 1, 4, 4, 12))
    ]
    write_records(tmp_path / FILE, map(form.encode, given))
    features, y, weights = batch_of(tmp_path / FILE, form, labels=True)
    soft, labels = y["soft"].numpy(), y["labels"].numpy()
    assert soft.dtype == features.dtype == weights.dtype == np.float32
    shapes = features.shape[:2], soft.shape[:2], weights.shape, labels.shape
    assert shapes == ((5, 24), (5, 12), (5, 12), (5, 12))
    for row, utterance in enumerate(given):
        frames = len(utterance.soft)
        half = form.feature_dtype == "float16"
        np.testing.assert_allclose(
            features[row, : 2 * frames], utterance.features, rtol=1e-3 if half else 1e-6
        )
        np.testing.assert_allclose(soft[row, :frames], utterance.soft, rtol=1e-3)
        given_weights = 1 if utterance.weights is None else utterance.weights
        np.testing.assert_array_equal(weights[row, :frames], given_weights)
        given_labels = -1 if utterance.labels is None else utterance.labels
        np.testing.assert_array_equal(labels[row, :frames], given_labels)
        assert not features[row, 2 * frames :].numpy().any()
        assert not weights[row, frames:].numpy().any()
        assert (labels[row, frames:] == -1).all()


def _targets(rng, frames, classes, top_k):
    log_p = log_softmax(rng.normal(size=(frames, classes)))
    return np.asarray(top_k_targets(log_p, top_k)) if top_k else log_p


def test_class_numbers_beyond_16_bits_are_read(tmp_path):
    form = RecordFormat(70000, 2, (1,))
    soft = np.array([[[-0.5, -1.5, -2.0], [69999, 65536, -1]]])
    utterance = AlignedUtterance("u", np.ones((1, 1)), soft)
    write_records(tmp_path / FILE, [form.encode(utterance)])
    _, found, _ = batch_of(tmp_path / FILE, form)
    np.testing.assert_array_equal(found[0], soft)


def test_a_record_without_its_fields_is_named(store):
    path = store.path / "shard-000001.tfrecord"
    records = list(read_records(path))
    example = tf.train.Example.FromString(records[1])
    left = {k: v for k, v in example.features.feature.items() if k != "features"}
    records[1] = tf.train.Example(
        features=tf.train.Features(feature=left)
    ).SerializeToString()
    write_records(path, records)
    dataset = read_batches(store.path, store.manifest, 1, 2, None, True, 0, 0, 0, 0)
    with pytest.raises(Exception, match=f"Record 1 of '{path}' is damaged: 'features'"):
        list(dataset)


def test_many_small_shards_are_read_in_one_order(tmp_path):
    x = padded(np.random.default_rng(0).integers(3, 30, size=60))
    small, large = (
        SoftAlignments.write(tmp_path / f"{n}", teacher(), x, utterances_per_shard=n)
        for n in (1, 60)
    )
    for left, right in zip(small.utterances(), large.utterances(), strict=True):
        assert left.name == right.name
    for left, right in zip(small.dataset(4), large.dataset(4), strict=True):
        for a, b in zip(left, right, strict=True):
            np.testing.assert_array_equal(a, b)
