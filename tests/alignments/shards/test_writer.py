import json
import os
import resource
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers.stores import FEATURES, edit_manifest, files, padded
from helpers.stores import plain_teacher as teacher

from keras_rnn2dnn import SoftAlignments
from keras_rnn2dnn.alignments.shards.manifest import locked
from keras_rnn2dnn.audio.features import FeatureSpec

REMEDY = (
    "Restore the data as they were (a file that could not be read then may be readable "
    "now, or the other way round), give another path, or remove the store and begin "
    "anew"
)


def one_by_one(x, fail_at=None):
    """A data set of one utterance a batch that may raise midway."""
    for number, row in enumerate(x):
        if number == fail_at:
            raise OSError("the disk of the recordings is gone")
        yield row[None]


def write(path, data, **options):
    return SoftAlignments.write(
        path, teacher(), data, **{"utterances_per_shard": 2, **options}
    )


def test_a_data_set_that_raises_leaves_finished_shards_to_go_on_from(tmp_path):
    x = padded()
    whole = files(write(tmp_path / "whole", x).path)
    assert len([name for name in whole if name.startswith("shard-")]) == 4
    with pytest.raises(RuntimeError) as error:
        write(tmp_path / "a", one_by_one(x, fail_at=5))
    assert str(error.value) == (
        "The data set failed after 5 utterances: OSError('the disk of the recordings "
        "is gone'). Finished shards are kept: call again to go on"
    )
    kept = files(tmp_path / "a")
    assert [name for name in kept if name.startswith("shard-")] == [
        "shard-000000.tfrecord",
        "shard-000001.tfrecord",
    ]
    with pytest.raises(ValueError) as error:
        SoftAlignments(tmp_path / "a")
    assert str(error.value) == (
        f"The store {str(tmp_path / 'a')!r} is unfinished. Expected a complete one. "
        "Received: 2 finished shards. Call `SoftAlignments.write` again as before to "
        "go on"
    )
    inode = (tmp_path / "a" / "shard-000001.tfrecord").stat().st_ino
    write(tmp_path / "a", one_by_one(x))
    assert (tmp_path / "a" / "shard-000001.tfrecord").stat().st_ino == inode
    assert files(tmp_path / "a") == whole


@pytest.mark.parametrize("kind", [ValueError, TypeError])
def test_a_resumed_run_whose_first_utterance_fails_tells_that_shards_are_kept(
    tmp_path, kind
):
    def failing():
        raise kind("a bad header")
        yield

    with pytest.raises(kind, match="^a bad header$"):  # nothing was begun
        write(tmp_path / "a", failing())
    with pytest.raises(RuntimeError):
        write(tmp_path / "a", one_by_one(padded(), fail_at=3))
    kept = files(tmp_path / "a")
    with pytest.raises(RuntimeError) as error:
        write(tmp_path / "a", failing())
    assert str(error.value) == (
        f"The data set failed after 0 utterances: {kind.__name__}('a bad header'). "
        "Finished shards are kept: call again to go on"
    )
    assert files(tmp_path / "a") == kept


def test_a_data_set_that_ends_early_is_told(tmp_path):
    x = padded()
    with pytest.raises(ValueError) as error:
        write(tmp_path / "a", one_by_one(x[:5]), num_utterances=7)
    assert str(error.value) == (
        "The data set ended early. Expected 7 utterances. Received: 5. The 3 finished "
        "shards are kept"
    )
    with pytest.raises(RuntimeError):
        write(tmp_path / "b", one_by_one(x, fail_at=6))
    with pytest.raises(ValueError) as error:
        write(tmp_path / "b", one_by_one(x[:4]))
    assert str(error.value) == (
        "The data set ended early. Expected at least 3 shards of utterances, as were "
        f"written of it. Received: 2. {REMEDY}"
    )
    with pytest.raises(ValueError, match="No data. Expected at least one utterance"):
        write(tmp_path / "c", x[:0])


def named(x, names):
    """A data set of one utterance a batch, with ids."""
    for row, name in zip(x, names, strict=True):
        yield row[None], {"ids": [name]}


@pytest.mark.parametrize("part", [(0, 1), (1, 2)])
def test_a_run_that_goes_on_with_other_utterances_is_refused(tmp_path, part):
    x, names = padded(), list("bcdefgh")

    def failing():
        yield from named(x[:6], names[:6])
        raise OSError("the disk of the recordings is gone")

    with pytest.raises(RuntimeError):
        write(tmp_path / "a", failing(), part=part)
    kept = files(tmp_path / "a")
    # A file in front that could not be read is readable now.
    more = named(np.concatenate([x[:1], x]), ["a", *names])
    with pytest.raises(ValueError) as error:
        write(tmp_path / "a", more, part=part)
    number, first, last = (0, "a", "b") if part == (0, 1) else (1, "c", "d")
    assert str(error.value) == (
        f"The data are not those of the first run: {str(tmp_path / 'a')!r}. Expected "
        f"the same 2 utterances as in the finished shard-00000{number}.tfrecord. "
        f"Received: 2, {first!r} to {last!r}, which differ (there against here) in: "
        f"ids; numbers of frames; features. {REMEDY}"
    )
    assert files(tmp_path / "a") == kept
    write(tmp_path / "a", named(x, names), part=part)
    write(tmp_path / "b", named(x, names), part=part)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_a_store_of_an_older_version_goes_on_without_comparing_ids(tmp_path):
    x = padded()
    with pytest.raises(RuntimeError):
        write(tmp_path / "a", one_by_one(x, fail_at=5))

    def older(content):
        checksums = [shard.pop("names") for shard in content["shards"]]
        assert checksums == [zlib.crc32(b'["0", "1"]'), zlib.crc32(b'["2", "3"]')]
        content.pop("utterances")
        for shard in content["shards"]:
            del shard["data"], shard["crc32"]

    edit_manifest(tmp_path / "a", older)
    assert write(tmp_path / "a", named(x, "bcdefgh")).num_utterances == 7


def test_a_finished_store_is_left_alone(tmp_path):
    x = padded()
    spec = FeatureSpec(8000, num_bins=FEATURES, variance=(9.0,) * FEATURES)
    options = {"top_k": np.int64(5), "feature_spec": spec}
    before = files(write(tmp_path / "a", x, **options).path)
    times = [p.stat().st_mtime_ns for p in (tmp_path / "a").glob("shard*")]
    write(tmp_path / "a", x, **options)
    assert files(tmp_path / "a") == before
    assert times == [p.stat().st_mtime_ns for p in (tmp_path / "a").glob("shard*")]


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"top_k": 3}, "top_k 5 against 3"),
        ({"temperature": 2.0}, "temperature 1.0 against 2.0"),
        ({"one_best": True}, "top_k 5 against 1; one_best False against True"),
        ({"feature_dtype": "float16"}, "feature_dtype 'float32' against 'float16'"),
        ({"part": (0, 2)}, "part (0, 1) against (0, 2)"),
        ({"utterances_per_shard": 3}, "utterances_per_shard 2 against 3"),
    ],
)
def test_other_settings_on_an_existing_path_are_refused(tmp_path, change, difference):
    before = files(write(tmp_path / "a", padded(), top_k=5).path)
    with pytest.raises(ValueError) as error:
        write(tmp_path / "a", padded(), **{"top_k": 5, **change})
    assert str(error.value) == (
        f"{str(tmp_path / 'a')!r} holds soft alignments of another kind. Expected the "
        f"same settings. Received (there against here): {difference}. Give another path"
    )
    assert files(tmp_path / "a") == before


def test_another_teacher_or_width_on_an_existing_path_is_refused(tmp_path):
    x = padded()
    write(tmp_path / "a", x)

    def refused(model, data):
        with pytest.raises(ValueError, match="of another kind") as error:
            SoftAlignments.write(tmp_path / "a", model, data, utterances_per_shard=2)
        return str(error.value)

    assert "(there against here): teacher '" in refused(teacher(seed=1), x)
    assert "num_classes 9 against 11" in refused(teacher(classes=11), x)
    narrow = {"teacher": x, "student": x[..., :2]}
    assert "feature_shape (4,) against (2,)" in refused(teacher(), narrow)


def test_a_second_writer_is_refused(tmp_path):
    with locked(tmp_path / "a"), pytest.raises(RuntimeError) as error:
        write(tmp_path / "a", padded())
    assert str(error.value) == (
        f"Another process writes to {str(tmp_path / 'a')!r}. Wait for its end, or give "
        "another path"
    )
    write(tmp_path / "a", padded())


def test_a_path_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        write(tmp_path / "file", padded())
    with pytest.raises(OSError):
        write(tmp_path / "file" / "below", padded())


def test_a_full_disk_leaves_the_finished_shards(tmp_path):
    x = padded((4, 4, 4, 4, 900, 900))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limit[1]))
    try:
        with pytest.raises(OSError, match=r"shard-000002.tfrecord'"):
            write(tmp_path / "a", x)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, previous)
    left = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert left == [
        ".lock",
        "manifest.json",
        "shard-000000.tfrecord",
        "shard-000001.tfrecord",
    ]
    write(tmp_path / "a", x)
    assert files(tmp_path / "a") == files(write(tmp_path / "b", x).path)


def test_parts_of_several_machines_are_the_store_of_one(tmp_path):
    x = padded()
    parts = [tmp_path / f"part-{n}" for n in range(3)]
    for number, part in enumerate(parts):
        assert write(part, x, part=(number, 3)) is None
    whole = files(write(tmp_path / "whole", x).path)
    for given, message in (
        (parts[:2], r"Expected \[\(0, 3\), \(1, 3\), \(2, 3\)\]. Received: \[\(0, 3\)"),
        ([tmp_path / "whole", *parts], "The parts do not make up a store"),
        ([*parts, parts[0]], "The parts do not make up a store"),
    ):
        with pytest.raises(ValueError, match=message):
            SoftAlignments.merge(tmp_path / "merged", given)
    store = SoftAlignments.merge(tmp_path / "merged", reversed(parts))
    assert files(store.path) == whole
    store.verify()
    with pytest.raises(ValueError) as error:
        SoftAlignments.merge(store.path, parts)
    assert str(error.value) == (
        f"{str(store.path)!r} holds a store already. Expected a new directory for the "
        "parts together. Give another path"
    )
    with pytest.raises(ValueError, match="`parts`. Expected at least one directory"):
        SoftAlignments.merge(tmp_path / "nothing", [])
    other = tmp_path / "other"
    write(other, x, part=(0, 2))
    write(tmp_path / "another", x, part=(1, 2), temperature=2.0)
    with pytest.raises(ValueError, match="kinds: temperature 1.0 against 2.0"):
        SoftAlignments.merge(tmp_path / "m", [other, tmp_path / "another"])


SCRIPT = """
import sys
from helpers.stores import padded, plain_teacher as teacher
from keras_rnn2dnn import SoftAlignments
from keras_rnn2dnn.audio.features import FeatureSpec

def announced(shard):
    print(shard.number, flush=True)

print("ready", flush=True)
SoftAlignments.write(
    sys.argv[1], teacher(), padded(range(5, 65)), utterances_per_shard=2,
    on_shard=announced,
)
"""


@pytest.mark.slow
def test_a_store_killed_ten_times_is_the_same_to_the_byte(tmp_path):
    rng = np.random.default_rng(0)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    kills = 0
    for _ in range(40):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "a")],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        with process.stdout as lines:
            assert lines.readline() == b"ready\n"
            if kills < 10:
                lines.readline()  # at least one shard, so that it comes to an end
                time.sleep(rng.uniform(0, 0.02))
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                    kills += 1
            lines.read()
        if process.wait() == 0:
            break
    assert process.returncode == 0 and kills == 10
    whole = SoftAlignments.write(
        tmp_path / "b", teacher(), padded(range(5, 65)), utterances_per_shard=2
    )
    assert files(tmp_path / "a") == files(whole.path)
    assert json.loads((tmp_path / "a" / "manifest.json").read_text())["complete"]
