import json
import shutil

import numpy as np
import pytest
from stores import FEATURES, padded, teacher

from keras_rnn2dnn import Distiller, SoftAlignments, dnn_student


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
    text = (store.path / "manifest.json").read_text()
    size = store.manifest.shards[2].num_bytes
    text = text.replace(f'"num_bytes": {size}', f'"num_bytes": {len(content)}')
    (store.path / "manifest.json").write_text(text)
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
    ],
)
def test_a_manifest_of_another_kind_is_refused(store, change, message):
    path = store.path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
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
