import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_rnn2dnn import rnn_teacher
from keras_rnn2dnn.alignments.on_ray import _Source, align_on_ray

X = np.random.default_rng(0).normal(size=(7, 5, 3)).astype("float32")


@pytest.mark.parametrize(
    "dataset",
    [X, (X, {"ids": np.arange(7).astype(str)}), [X[:3], X[3:6], X[6:]], [X]],
)
def test_any_place_of_the_data_is_read_alone(dataset):
    source = _Source.of(dataset)
    assert len(source) == 7
    for first, number in ((0, 1), (2, 3), (5, 9), (6, 1)):
        found = list(source.utterances(first, number))
        assert [u.name for u in found] == list(map(str, range(7)))[first:][:number]
        for utterance, expected in zip(found, X[first:], strict=False):
            np.testing.assert_array_equal(utterance.student, expected)


def test_batches_of_different_sizes_are_refused():
    source = _Source.of([X[:3], X[3:4], X[4:]])
    assert [u.name for u in source.utterances(0, 3)] == ["0", "1", "2"]
    with pytest.raises(ValueError) as error:
        list(source.utterances(3, 2))
    assert str(error.value) == (
        "Batch 1 has another size than the first. Expected 3 utterances. Received: 1. "
        "Make all batches but the last equal"
    )


def test_what_cannot_be_read_at_any_place_is_refused(tmp_path):
    teacher = rnn_teacher(3, 4, units=(2,))

    def refused(dataset, **options):
        with pytest.raises(ValueError) as error:
            align_on_ray(tmp_path / "a", teacher, dataset, **options)
        assert not (tmp_path / "a" / "manifest.json").exists()
        return str(error.value)

    assert refused(iter([X])) == (
        "Invalid value for `dataset`. Expected arrays, a PyDataset or a list of "
        "batches. Received: dataset='list_iterator'. A stream is for "
        "`SoftAlignments.write`, in parts: `part=(i, n)`"
    )
    assert refused([]) == "No data. Expected at least one utterance with frames"
    assert refused(X, num_actors=0) == (
        "Invalid value for `num_actors`. Expected an integer >= 1. "
        "Received: num_actors=0"
    )
    assert "`feature_dtype`" in refused(X, feature_dtype="int8")
    if importlib.util.find_spec("ray"):
        message = "The utterance '0' has no frames. Leave it out"
        assert refused(np.zeros_like(X)) == message
    else:
        with pytest.raises(ImportError, match=r"pip install 'ray\[data\]' 'pyarr"):
            align_on_ray(tmp_path / "a", teacher, X)


SCRIPT = """
import os, pathlib, signal, sys
import keras, ray
from helpers.stores import padded, teacher
from keras_rnn2dnn import SoftAlignments
from keras_rnn2dnn.alignments.on_ray import align_on_ray

folder = pathlib.Path(sys.argv[1])
x = padded(range(5, 29))


class Batches(keras.utils.PyDataset):
    @property
    def num_batches(self):
        return 8

    def __getitem__(self, number):
        killed = folder / "killed"
        if number == 5 and not killed.exists():
            killed.write_text(str(os.getpid()))
            (folder / "ray" / ".writing-left").mkdir()
            os.kill(os.getpid(), signal.SIGKILL)
        return x[3 * number : 3 * number + 3]


def failing():
    for number, row in enumerate(x):
        if number == 9:
            raise OSError("the disk is gone")
        yield row[None]


ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
options = {"utterances_per_shard": 2}
try:
    SoftAlignments.write(folder / "ray", teacher(), failing(), **options)
except RuntimeError:
    pass
written = []
align_on_ray(
    folder / "ray", teacher(), Batches(), on_shard=written.append, **options
)
assert sorted(s.number for s in written) == list(range(4, 12)), written
assert int((folder / "killed").read_text()) != os.getpid()
SoftAlignments.write(folder / "one", teacher(), x, **options)
align_on_ray(folder / "ray", teacher(), x, **options)  # is complete already
try:
    SoftAlignments.write(folder / "part", teacher(), failing(), **options)
except RuntimeError:
    pass
try:
    align_on_ray(folder / "part", teacher(), x[:6], **options)
except ValueError as error:
    (folder / "short").write_text(str(error))
empty = x.copy()
empty[7] = 0
try:
    align_on_ray(folder / "empty", teacher(), empty, **options)
except RuntimeError as error:
    (folder / "refused").write_text(str(error))
"""


@pytest.mark.slow
def test_a_killed_actor_costs_nothing_and_repeats_nothing(tmp_path):
    pytest.importorskip("ray", reason="needs the extra `ray`")
    here = Path(__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(here)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "refused").read_text() == (
        "Shard 3 failed: ValueError(\"The utterance '7' has no frames. Leave it "
        'out"). Finished shards are kept: call again to go on'
    )
    assert (tmp_path / "short").read_text() == (
        "The data set is too short. Expected at least 4 shards of utterances, as were "
        "written of it. Received: 3. Give the same data, or another path"
    )
    one, ray = (
        {p.name: p.read_bytes() for p in (tmp_path / name).iterdir()}
        for name in ("one", "ray")
    )
    assert len(one) == 12 + 2
    assert one == ray
