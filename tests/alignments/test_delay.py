import json

import keras
import numpy as np
import pytest

from keras_rnn2dnn import SoftAlignments, word_error_rate
from keras_rnn2dnn.alignments.delay import DelaySearch, choose_delay
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.util.files import Utterances

WORDS, LAG = 4, 3
LABELS = ("", "one", "two", "six", "ten")


def speech(number, seed):
    """Words that are one frame long, and a silence of two frames after each."""
    rng = np.random.default_rng(seed)
    said = rng.integers(1, WORDS + 1, size=(number, 8))
    x = np.zeros((number, 8, 3, WORDS + 1))
    x[..., 0] = 1
    x[:, :, 0] = np.eye(WORDS + 1)[said]
    x = x.reshape(number, 24, WORDS + 1) + 0.05 * rng.normal(size=(number, 24, 1))
    x = np.concatenate([x, np.tile(np.eye(WORDS + 1)[0], (number, 6, 1))], axis=1)
    return x.astype("float32"), [" ".join(LABELS[k] for k in row) for row in said]


def late_teacher():
    """Gives what it heard `LAG` frames before."""
    layer = keras.layers.Conv1D(
        WORDS + 1, LAG + 1, padding="causal", use_bias=False, name="logits"
    )
    model = keras.Sequential([keras.Input((None, WORDS + 1)), layer])
    kernel = np.zeros((LAG + 1, WORDS + 1, WORDS + 1), "float32")
    kernel[0] = 8 * np.eye(WORDS + 1)
    model.set_weights([kernel])
    return model


def new_student():
    """Sees its own frame alone."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((None, WORDS + 1)), keras.layers.Dense(WORDS + 1, name="logits")]
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    x, _ = speech(40, seed=0)
    path = tmp_path_factory.mktemp("late") / "store"
    return SoftAlignments.write(path, late_teacher(), x)


@pytest.mark.slow  # three trainings
def test_the_lag_of_the_teacher_is_found(store):
    x, texts = speech(10, seed=1)
    shares = []
    found = choose_delay(
        store,
        new_student,
        Utterances(list(x), texts),
        GreedyDecoder(LABELS),
        delays=(0, 3, 5),
        epochs=15,
        learning_rate=0.3,
        on_progress=shares.append,
    )
    assert found.best == LAG
    assert found.words == 80
    assert found.delays == (0, 3, 5)
    assert found.errors[1] == 0 and min(found.errors[0], found.errors[2]) > 40
    np.testing.assert_allclose(shares, [1 / 3, 2 / 3, 1.0])
    assert str(found).startswith("delay 3 of the development errors (80 words) 0: ")


def test_a_search_that_was_stopped_goes_on(store, tmp_path):
    x, texts = speech(4, seed=1)
    decoder, made = GreedyDecoder(LABELS), []

    def search(new_student, **options):
        return choose_delay(
            *(store, new_student, Utterances(list(x), texts), decoder),
            **{"delays": (0, 3), "epochs": 1, "learning_rate": 0.3, **options},
        )

    def stopping():
        if made:
            raise KeyboardInterrupt
        made.append(new_student())
        return made[0]

    backups = tmp_path / "search"
    with pytest.raises(KeyboardInterrupt):
        search(stopping, backups=backups)
    first = backups / "delay-0.backup"
    assert list(backups.iterdir()) == [first]
    inode = first.stat().st_ino
    found = search(new_student, backups=backups)
    assert first.stat().st_ino == inode  # not trained again
    of_first = decoder.words(predict_utterances(made[0], x))
    assert found.errors[0] == word_error_rate(texts, of_first).errors > 0
    with pytest.raises(ValueError, match="delay-0.backup' is of a training with other"):
        search(new_student, backups=backups, epochs=2)


def test_of_equal_delays_the_shortest_is_best():
    assert DelaySearch((0, 2, 4), (5, 3, 3), 10).best == 2


@pytest.mark.parametrize("delays", [(), (2, 1), (-1, 0), (0, 0.5), (1, 1), (0, 30)])
def test_delays_must_ascend(store, delays):
    x, texts = speech(2, seed=1)
    data = Utterances(list(x), texts)
    expected = "ascending integers >= 0, below the 30 output frames of the shortest"
    with pytest.raises(ValueError, match=f"`delays`. Expected {expected}"):
        choose_delay(store, new_student, data, GreedyDecoder(LABELS), delays=delays)
    with pytest.raises(ValueError, match="Expected utterances with transcripts"):
        choose_delay(store, new_student, Utterances(list(x)), GreedyDecoder(LABELS))


@pytest.mark.slow  # eight trainings
def test_the_command_finds_the_delay_and_trains_with_it(store, tmp_path, run):
    x, texts = speech(10, seed=1)
    Utterances(list(x), texts).save(tmp_path / "dev.npz")
    decoder = json.dumps(GreedyDecoder(LABELS).to_dict())
    (tmp_path / "decoder.json").write_text(decoder)
    given = ("--development", tmp_path / "dev.npz", "--decoder")
    given = (*given, tmp_path / "decoder.json")
    student = tmp_path / "student.keras"
    distill = ("distill", store.path, "--units", "16", "--context", "0,0")
    distill = (*distill, "--epochs", "30", "--learning-rate", "0.1")
    code, output, error = run(*distill, "--delay", "auto", *given, "--out", student)
    assert code == 0, error
    assert output.startswith("delay 3 of the development errors (80 words) 0: ")
    assert "[1/2] try delays" in error and "[2/2] distill student.keras" in error
    code, output, _ = run(
        "evaluate", student, "--data", tmp_path / "dev.npz", *given[2:]
    )
    assert code == 0 and output.startswith("0.00 % (0/80 words")


def test_a_delay_that_cannot_be_found_is_refused(store, tmp_path, run):
    out = ("distill", store.path, "--out", tmp_path / "s.keras")
    for arguments, text in (
        (("--delay", "auto"), "Expected a file, as --delay auto needs --development"),
        (("--delay", "-1"), "Expected a whole number >= 0, or auto. Received: '-1'"),
        (("--delay", "2", "--max-bytes", "9k"), "`--delay`. Expected none with a b"),
        (("--stride", "0"), "`stride`. Expected an integer >= 1"),
    ):
        code, output, error = run(*out, *arguments)
        assert (code, output) == (2, ""), arguments
        assert text in error, error
