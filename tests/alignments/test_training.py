import numpy as np
import pytest
from helpers.stores import padded, student
from helpers.stores import plain_teacher as teacher

from keras_rnn2dnn import SoftAlignmentKL, SoftAlignments
from keras_rnn2dnn.alignments.training import train_student
from keras_rnn2dnn.hmm import SequenceKL, Topology

LENGTHS = np.random.default_rng(0).integers(5, 40, size=30)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path, x = tmp_path_factory.mktemp("written") / "store", padded(LENGTHS)
    return SoftAlignments.write(path, teacher(), x, utterances_per_shard=8)


class Stopped(Exception):
    pass


def train(network, store, stop_at=None, **options):
    """Trains; stops in the midst of an epoch where told to."""

    def report(share):
        if stop_at is not None and share > stop_at:
            raise Stopped

    return train_student(
        *(network, store),
        **{"epochs": 4, "batch_size": 5, "on_progress": report, **options},
    )


@pytest.mark.slow  # four trainings
def test_a_stopped_training_goes_on_to_the_same_weights(store, tmp_path):
    whole = student()
    expected = train(whole, store)
    for stop_at in (0.6, 0.9):  # in the third epoch, and in the fourth
        with pytest.raises(Stopped):
            train(student(), store, stop_at, backup=tmp_path / "backup")
    network = student()
    logs = train(network, store, backup=tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    for left, right in zip(whole.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-6)
    assert logs == pytest.approx(expected, abs=1e-6)


def test_what_was_trained_is_told(store):
    shares = []
    loss = SoftAlignmentKL(teacher_temperature=0)
    logs = train(student(), store, loss=loss, epochs=2, on_progress=shares.append)
    assert set(logs) == {"loss", "kl", "agreement"}
    assert shares == sorted(shares) and shares[-1] == 1.0
    steps = int(store.dataset(batch_size=5).cardinality())
    assert len(shares) == 2 * steps


def test_a_backup_of_other_settings_is_refused(store, tmp_path):
    backup = tmp_path / "backup"
    with pytest.raises(Stopped):
        train(student(), store, 0.6, backup=backup)
    with pytest.raises(ValueError) as error:
        train(student(), store, backup=backup, seed=1)
    assert str(error.value) == (
        f"{str(backup)!r} is of a training with other settings. Expected the same. "
        "Received (there against here): seed 0 against 1. Remove it to begin anew"
    )
    assert backup.is_file()


def test_a_backup_of_another_store_or_student_is_refused(store, tmp_path):
    backup = tmp_path / "backup"
    with pytest.raises(Stopped):
        train(student(), store, 0.6, backup=backup)
    x = padded(LENGTHS)
    x[3, 2, 0] += 1
    other = SoftAlignments.write(
        tmp_path / "other", teacher(), x, utterances_per_shard=8
    )
    assert other.num_frames == store.num_frames
    with pytest.raises(ValueError, match=r"there against here\): store '\w+' against"):
        train(student(), other, backup=backup)
    network = student()
    network.set_weights([2 * w for w in network.get_weights()])
    with pytest.raises(ValueError, match=r"there against here\): student \[.* against"):
        train(network, store, backup=backup)
    before = backup.read_bytes()
    backup.write_bytes(before[:-9])
    with pytest.raises(ValueError, match="Remove it to begin anew"):
        train(student(), store, backup=backup)


def test_the_student_is_kept_before_its_backup_goes(store, tmp_path, monkeypatch):
    backup, out = tmp_path / "backup", tmp_path / "full" / "s.keras"
    network = student()

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(network, "save", full)
    with pytest.raises(OSError) as error:
        train(network, store, epochs=2, backup=backup, out=out)
    assert str(error.value) == (
        f"[Errno 28] Cannot write to {str(out)!r}: No space left on device"
    )
    network = student()
    logs = train(network, store, epochs=2, backup=backup, out=out)
    assert set(logs) == {"loss", "kl", "agreement"}
    assert out.is_file() and not backup.exists()


def test_a_backup_with_another_loss_is_refused(store, tmp_path):
    backup = tmp_path / "backup"
    with pytest.raises(Stopped):
        train(student(), store, 0.6, backup=backup, loss=SoftAlignmentKL(2.0))
    with pytest.raises(ValueError, match="loss .* against None"):
        train(student(), store, backup=backup)


def test_a_backup_of_other_targets_is_refused(store, tmp_path):
    backup = tmp_path / "backup"
    with pytest.raises(Stopped):
        train(student(), store, 0.6, backup=backup)
    sure = SoftAlignments.write(
        tmp_path / "sure", teacher(), padded(LENGTHS), one_best=True
    )
    with pytest.raises(ValueError) as error:
        train(student(), sure, backup=backup)
    targets = "[None, False, None, 1.0] against [None, True, 1, 1.0]"
    assert f"Received (there against here): targets {targets}; st" in str(error.value)


@pytest.mark.slow  # three trainings
def test_a_stopped_training_of_paths_goes_on(store, tmp_path):
    loss = SequenceKL.of_words(Topology(("a", "b"), states_per_unit=4))
    expected = train(student(), store, epochs=3, loss=loss)
    backup = tmp_path / "backup"
    with pytest.raises(Stopped):
        train(student(), store, 0.8, epochs=3, backup=backup, loss=loss)
    logs = train(student(), store, epochs=3, backup=backup, loss=loss)
    assert logs == pytest.approx(expected, abs=1e-6)
    assert expected["loss"] != pytest.approx(expected["kl"], rel=0.01)


def test_what_cannot_be_trained_is_refused(store):
    with pytest.raises(ValueError) as error:
        train(student(7), store)
    assert str(error.value) == (
        "Invalid value for `student`. Expected 9 classes, as in the soft alignments. "
        "Received: student='7 classes'"
    )
    with pytest.raises(ValueError, match="`epochs`. Expected an integer >= 1"):
        train(student(), store, epochs=0)
    with pytest.raises(ValueError, match="`learning_rate`. Expected a number > 0"):
        train(student(), store, learning_rate=0.0)
