"""Another data set on the path of a store, and what is written again of it."""

import os
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.stores import FEATURES, edit_manifest, files, padded
from test_writer import REMEDY, one_by_one

from keras_rnn2dnn import SoftAlignments
from keras_rnn2dnn.alignments.shards.data_sums import projections
from keras_rnn2dnn.alignments.shards.manifest import Manifest
from keras_rnn2dnn.alignments.training import train_student
from keras_rnn2dnn.distillation.model_files import load_model

X = padded((12, 8, 30, 5, 17, 8, 40, 11))
TEACHER = keras.Sequential([keras.Input((None, FEATURES)), keras.layers.Dense(5)])
LABELS = np.arange(8)[:, None] * np.ones((8, 40), int)


def write(path, data, **options):
    return SoftAlignments.write(
        path, TEACHER, data, **{"utterances_per_shard": 2, **options}
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write(tmp_path_factory.mktemp("written") / "a", X, utterances_per_shard=4)


@pytest.fixture
def store(written, tmp_path):
    return SoftAlignments(shutil.copytree(written.path, tmp_path / "a"))


def last_changed(x=X):
    x = x.copy()
    x[7, 10, 0] += 0.1
    return x


def weights(x=X):
    return np.any(x, axis=-1).astype("float32")


@pytest.mark.parametrize(
    ("data", "difference"),
    [
        (X + 0.01 * np.any(X, -1, keepdims=True), "features"),
        (last_changed(), "features"),
        (X[[0, 1, 3, 2, *range(4, 8)]], "numbers of frames; features"),
        (X[:7], "number: 4 against 3"),
        ((X, LABELS), "labels: none against some"),
        ((X, {"transcripts": list("abcdefgh")}), "transcripts: none against some"),
        ((X, {"ids": list("abcdefgh")}), "ids"),
        ((X, None, 0.5 * weights()), "frame weights: none against some"),
        (
            {"teacher": -X, "student": X},
            "the teacher's features: the student's against others",
        ),
    ],
)
@pytest.mark.parametrize("once", [False, True])
def test_other_data_on_the_path_of_a_store_are_refused(store, data, difference, once):
    before = files(store.path)
    if once:  # a data set that can be read only once
        arrays = data if isinstance(data, tuple) else (data,)
        data = iter([arrays])
    with pytest.raises(ValueError) as error:
        write(store.path, data, utterances_per_shard=4)
    text = str(error.value)
    assert text.startswith(
        f"The data are not those of the first run: {str(store.path)!r}. Expected the "
        "same 4 utterances as in the finished shard-00000"
    )
    assert text.endswith(
        f", which differ (there against here) in: {difference}. {REMEDY}"
    )
    assert files(store.path) == before


def test_labels_that_change_or_go_are_told(tmp_path):
    write(tmp_path / "a", (X, LABELS))
    with pytest.raises(ValueError, match=r"in: labels\. Restore"):
        write(tmp_path / "a", (X, LABELS + 1))
    with pytest.raises(ValueError, match=r"in: labels: some against none\. Restore"):
        write(tmp_path / "a", X)
    assert write(tmp_path / "a", (X, LABELS)).num_utterances == 8


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([*range(8), 0, 1, 2, 3], "Expected its 8 utterances. Received: at least 12. "),
        (
            range(4),
            "at least 2 shards of utterances, as were written of it. Received: ",
        ),
    ],
)
def test_whole_shards_more_or_fewer_are_refused(store, numbers, text):
    with pytest.raises(ValueError) as error:
        write(store.path, one_by_one(X[list(numbers)]), utterances_per_shard=4)
    assert text in str(error.value) and str(error.value).endswith(REMEDY)


def test_one_part_knows_the_number_of_all_parts(tmp_path):
    parts = [tmp_path / "0", tmp_path / "1"]
    write(parts[0], X, part=(0, 2))
    with pytest.raises(ValueError, match="Expected its 8 utterances. Received: 7"):
        write(parts[0], X[:7], part=(0, 2))
    write(parts[1], X[:7], part=(1, 2))
    with pytest.raises(ValueError, match="utterances of the data 8 against 7"):
        SoftAlignments.merge(tmp_path / "merged", parts)


def test_a_store_begun_with_one_data_set_is_not_ended_with_another(tmp_path):
    with pytest.raises(RuntimeError):
        write(tmp_path / "a", one_by_one(X, fail_at=5))
    with pytest.raises(ValueError, match="differ .* in: features"):
        write(tmp_path / "a", one_by_one(X * 1.01))
    assert write(tmp_path / "a", one_by_one(X)).num_utterances == 8


def test_the_rounding_of_other_kernels_is_no_difference(store):
    noise = np.random.default_rng(0).normal(size=X.shape)
    nearly = (X * (1 + 1e-6 * noise)).astype("float32")
    assert not np.array_equal(X, nearly)
    before = files(store.path)
    write(store.path, nearly, utterances_per_shard=4)
    assert files(store.path) == before


def test_projections_see_values_places_and_borders():
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(n, 40)).astype("float32") - 10 for n in (300, 200))
    base = projections([a, b])
    assert base[0] == pytest.approx(np.sqrt(np.sum(a**2.0) + np.sum(b**2.0)))
    bumped = a.copy()
    bumped[150, 3] += 1
    joined = np.concatenate([a, b])
    for others in ([b, a], [bumped, b], [a[::-1], b], [joined[:299], joined[299:]]):
        change = np.subtract(projections(others), base)
        assert np.abs(change).max() > 1e-5 * base[0]


def test_stores_without_sums_of_their_data_go_on_as_they_did(store):
    def older(content):
        del content["utterances"]
        for shard in content["shards"]:
            del shard["data"], shard["crc32"]

    edit_manifest(store.path, older)
    write(store.path, -X, utterances_per_shard=4)  # ids are all that is known
    with pytest.raises(ValueError, match="number: 4 against 3"):
        write(store.path, X[:7], utterances_per_shard=4)
    store.verify()


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [Path.unlink, cut, flipped])
@pytest.mark.parametrize("old", [False, True])
def test_only_the_shards_at_fault_are_written_anew(store, damage, old, caplog):
    before = files(store.path)
    if old:
        edit_manifest(store.path, lambda m: [s.pop("crc32") for s in m["shards"]])
    damage(store.path / "shard-000001.tfrecord")
    kept = (store.path / "shard-000000.tfrecord").stat()
    made = []
    write(store.path, X, utterances_per_shard=4, on_shard=made.append)
    assert [shard.number for shard in made] == [1]
    assert "1 of 2 shards are missing or damaged" in caplog.text
    again = (store.path / "shard-000000.tfrecord").stat()
    assert (again.st_ino, again.st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns)
    name = "shard-000001.tfrecord"
    assert files(store.path)[name] == before[name]
    if not old:
        assert files(store.path) == before
    store.verify()


def test_shards_at_fault_are_not_made_of_other_data(store):
    (store.path / "shard-000001.tfrecord").unlink()
    with pytest.raises(ValueError, match="in: features"):
        write(store.path, last_changed(), utterances_per_shard=4)


def test_a_whole_store_need_not_be_writable(store, monkeypatch):
    def read_only(*arguments, **options):
        raise OSError(30, "Read-only file system", str(store.path))

    monkeypatch.setattr(os, "replace", read_only)
    monkeypatch.setattr("keras_rnn2dnn.alignments.shards.writer.locked", read_only)
    assert write(store.path, X, utterances_per_shard=4).num_utterances == 8


def test_one_changed_byte_of_a_manifest_is_named_or_no_change(store):
    """At 300 places: another store is never read."""
    path, rng = store.path / "manifest.json", np.random.default_rng(0)
    content = path.read_bytes()
    refused = 0
    for place in rng.integers(len(content), size=300):
        changed = bytearray(content)
        changed[place] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        try:
            assert Manifest.load(store.path) == store.manifest
        except ValueError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused > 200


def test_names_and_words_that_are_no_unicode_are_kept(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.align")
    names = [f"{os.fsdecode(bytes([200]))}{n}" for n in range(8)]
    y = {"ids": names, "transcripts": ["\ud800 yes"] * 8}
    for _ in range(2):
        store = write(path, (X, y))
    store.verify()
    found = list(store.utterances())
    assert [u.name for u in found] == names
    assert {u.transcript for u in found} == {"\ud800 yes"}
    assert sum(len(x) for x, *_ in store.dataset()) == 8
    student = keras.Sequential([keras.Input((None, FEATURES)), keras.layers.Dense(5)])
    out = tmp_path / os.fsdecode(b"\xff") / "s.keras"
    train_student(student, store, epochs=1, backup=out.with_suffix(".backup"), out=out)
    expected = student.get_weights()
    for left, right in zip(load_model(out).get_weights(), expected, strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_shard_of_another_store_with_the_same_counts_is_told(store, tmp_path):
    other = write(tmp_path / "other", 2 * X, utterances_per_shard=4)
    name = "shard-000001.tfrecord"
    shutil.copy(other.path / name, store.path / name)
    with pytest.raises(ValueError) as error:
        store.verify()
    assert str(error.value) == (
        f"{str(store.path / name)!r} is not the file of its manifest, though it has as "
        "many utterances and frames: its checksum differs. Copy or write it again"
    )
