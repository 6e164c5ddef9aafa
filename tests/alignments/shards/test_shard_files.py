import os

import numpy as np
import pytest
import tensorflow as tf
from helpers.stores import edit_manifest, padded, plain_teacher

from keras_rnn2dnn import SoftAlignments
from keras_rnn2dnn.alignments.shards import files as shard_files
from keras_rnn2dnn.alignments.shards.index import index_shard


@pytest.fixture
def store(tmp_path):
    x = padded(np.random.default_rng(0).integers(3, 30, size=24))
    return SoftAlignments.write(
        tmp_path / "store", plain_teacher(), x, utterances_per_shard=4
    )


def first_frames(dataset):
    return [row[0, 0] for x, _, _ in dataset for row in x.numpy()]


def damage(path):
    """Turns a bit in the middle of a file; its size stays."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_the_places_are_those_of_the_fields(store):
    path = store.path / store.manifest.shards[1].file
    content, names = path.read_bytes(), ("log_posteriors", "id", "other")
    with open(path, "rb") as file:
        places, _ = index_shard(file, names)
    records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    for row, record in zip(places, records, strict=True):
        fields = tf.train.Example.FromString(record).features.feature
        for name, (start, size) in zip(names[:2], row, strict=False):
            (value,) = fields[name].bytes_list.value
            assert content[start : start + size] == value
        assert row[2, 1] == 0


@pytest.mark.parametrize("end", [5, 11, 30, -3])
def test_a_file_that_ends_early_is_told(store, tmp_path, end):
    content = (store.path / store.manifest.shards[0].file).read_bytes()
    (tmp_path / "cut").write_bytes(content[:end])
    match = "record [0-3] has no end"
    with open(tmp_path / "cut", "rb") as file, pytest.raises(ValueError, match=match):
        index_shard(file, ["features"])


@pytest.mark.parametrize("place", range(8))
def test_a_length_beyond_the_file_takes_no_memory(store, tmp_path, place):
    content = bytearray((store.path / store.manifest.shards[0].file).read_bytes())
    content[place] = 0x7F
    (tmp_path / "damaged").write_bytes(content)
    with open(tmp_path / "damaged", "rb") as file, pytest.raises(ValueError) as error:
        index_shard(file, ["features"])
    if place > 1:  # else it may end within the file
        size = int.from_bytes(content[:8], "little")
        assert str(error.value) == (
            f"record 0 has no end. Expected {size} bytes of it. Received: "
            f"{len(content) - 12} bytes to the end of the file"
        )


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"\x12\x00", "it is no tf.train.Example of ours"),
        (b"\x0a", "it is no tf.train.Example of ours"),
        (b"\x0a" + b"\xff" * 40, "a length has no end"),
        (bytes((10, 9, 10, 99, 10, 1, 97, 18, 94, 10, 92, 10, 90)), "a field is not"),
    ],
)
def test_records_of_others_are_told(tmp_path, record, reason):
    size = len(record).to_bytes(8, "little")
    (tmp_path / "other").write_bytes(size + bytes(4) + record + bytes(4))
    with open(tmp_path / "other", "rb") as file, pytest.raises(ValueError) as error:
        index_shard(file, ["features"])
    assert str(error.value).startswith(f"record 0: {reason}")


@pytest.mark.parametrize("cache", [False, True])
def test_a_shard_is_checked_when_it_is_first_read(store, cache):
    dataset = store.dataset(4, cache=cache)
    path = store.path / store.manifest.shards[2].file
    damage(path)
    for _ in range(2):
        with pytest.raises(Exception, match=f"of '{path}' is damaged: corrupted"):
            list(dataset)


def test_a_file_that_has_changed_since_is_checked_again(store):
    dataset = store.dataset(4)
    before = first_frames(dataset)
    path = store.path / store.manifest.shards[2].file
    path.write_bytes(path.read_bytes())  # the same, at another time
    assert first_frames(dataset) == before
    damage(path)
    with pytest.raises(Exception, match=f"of '{path}' is damaged: corrupted"):
        list(dataset)


def test_shards_of_older_versions_are_checked_record_by_record(store):
    def without_sums(manifest):
        for shard in manifest["shards"]:
            del shard["crc32"]

    new = first_frames(store.dataset(4))
    edit_manifest(store.path, without_sums)
    old = SoftAlignments(store.path)
    assert first_frames(old.dataset(4)) == new
    path = store.path / store.manifest.shards[5].file
    damage(path)
    with pytest.raises(Exception, match=f"of '{path}' is damaged: corrupted"):
        list(old.dataset(4))


def test_few_files_are_open_at_once(store, monkeypatch):
    expected = first_frames(store.dataset(4, shuffle=True, seed=0))
    opened, closed = [], []
    plain_open, plain_close = os.open, os.close

    def counted_open(path, flags, *arguments):
        file = plain_open(path, flags, *arguments)
        if os.fsencode(store.path) in os.fsencode(path):
            opened.append(file)
            assert len(opened) - len(closed) <= 3
        return file

    def counted_close(file):
        plain_close(file)
        if len(opened) > len(closed):
            closed.append(file)

    monkeypatch.setattr(shard_files, "_OPEN_FILES", 2)
    monkeypatch.setattr(os, "open", counted_open)
    monkeypatch.setattr(os, "close", counted_close)
    assert first_frames(store.dataset(4, shuffle=True, seed=0)) == expected
    assert len(opened) == len(closed) > 6


def test_several_readings_at_once_do_not_disturb_each_other(store):
    dataset = store.dataset(4, buckets=1)
    for left, right in zip(dataset, dataset, strict=True):
        np.testing.assert_array_equal(left[0], right[0])


def test_a_file_that_is_cut_while_it_is_read_is_told(store, monkeypatch):
    shard = store.manifest.shards[0]
    files = shard_files.ShardFiles(store.path, ["features"], print)
    with files.open() as shards:
        (offset, size), *_ = shards.places(shard)[-1].tolist()
        path = store.path / shard.file
        os.truncate(path, offset + size - 1)
        with pytest.raises(ValueError) as error:
            shards.read_into(np.zeros(size, np.uint8), shard, offset)
    assert str(error.value) == (
        f"{str(path)!r} was cut while it was read. Expected 1 bytes from byte "
        f"{offset + size - 1} on. Received: none. Copy it again"
    )


def test_a_read_that_gives_less_than_is_there_goes_on(store, monkeypatch):
    expected = first_frames(store.dataset(4))
    whole, reads = os.preadv, []

    def some(file, arrays, offset):
        reads.append(offset)
        return whole(file, [arrays[0][:7]], offset)

    monkeypatch.setattr(os, "preadv", some)
    assert first_frames(store.dataset(4)) == expected
    assert len(reads) > 1000
