import json
import xml.dom.minidom

import keras
import numpy as np
import pytest
from helpers.plain_models import plain_teacher

from keras_rnn2dnn import SoftAlignments, dnn_student
from keras_rnn2dnn.alignments.training import train_student
from keras_rnn2dnn.budget.plot import to_svg
from keras_rnn2dnn.budget.result import Candidate, SearchResult, to_markdown
from keras_rnn2dnn.budget.search import search_student
from keras_rnn2dnn.commands.running import distill
from keras_rnn2dnn.hmm import SequenceKL, Topology, WordLoopDecoder
from keras_rnn2dnn.util.epoch_backup import remove_backups
from keras_rnn2dnn.util.files import Utterances

TOPOLOGY = Topology(("no", "yes"), states_per_unit=2)
STATES = TOPOLOGY.num_states
DECODER = WordLoopDecoder(TOPOLOGY)


def spoken(count, seed):
    """Utterances whose feature `k` is the score of state `k`, with noise."""
    rng = np.random.default_rng(seed)
    features, transcripts = [], []
    for _ in range(count):
        words = [TOPOLOGY.words[n] for n in rng.integers(2, size=3)]
        path = np.concatenate([np.repeat(TOPOLOGY.states_of(w), 5) for w in words])
        clean = 6.0 * np.eye(STATES)[path]
        features.append((clean + rng.normal(size=clean.shape)).astype("float32"))
        transcripts.append(" ".join(words))
    return Utterances(features, transcripts)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    teacher = keras.Sequential(
        [keras.Input((None, STATES)), keras.layers.Dense(STATES)], name="teacher"
    )
    teacher.layers[0].set_weights([np.eye(STATES), np.zeros(STATES)])
    path = tmp_path_factory.mktemp("store") / "train.align"
    batches = [x[None] for x in spoken(60, seed=0).features]
    return SoftAlignments.write(path, teacher, iter(batches))


GRID = {
    "widths": (4, 12, 64),
    "depths": (1, 2),
    "steps": (1,),
    "context": (2, 2),
    "tdnn": False,
}


@pytest.fixture(scope="module")
def found(store):
    return search_student(
        store,
        spoken(20, seed=1),
        DECODER,
        max_bytes=4000,
        max_instructions=5000,
        epochs=4,
        learning_rate=0.02,
        **GRID,
    )


@pytest.mark.slow  # trains several students
def test_the_best_student_within_the_budget_is_found(found):
    assert len(found.candidates) == 6
    trained = [c for c in found.candidates if c.errors is not None]
    assert {c.units for c in trained} == {(4,), (12,), (4, 4), (12, 12)}
    beyond = [c for c in found.candidates if not c.fits]
    assert {c.units for c in beyond} == {(64,), (64, 64)}
    assert found.best.errors == min(c.errors for c in trained)
    assert found.best.num_bytes <= 4000
    assert found.student.count_params() == sum(
        w.size for w in found.student.get_weights()
    )
    assert found.student.layers[2].units == found.best.units[0]
    assert found.best.words == 60
    assert found.best.wer == found.best.errors / 60 < 0.2


@pytest.mark.slow
def test_sizes_follow_the_number_of_weights(found):
    sizes = {c.units: c for c in found.candidates}
    assert sizes[(64,)].num_bytes - sizes[(4,)].num_bytes > 60 * (5 * 5 + 5)
    products = 5 * 5 * 12 + 12 * 5  # of (12,)
    expected = products * 27 / 16 + (12 + 5) * 110
    assert sizes[(12,)].instructions == round(expected)


@pytest.mark.slow
def test_the_search_repeats(found, store):
    again = search_student(
        store,
        spoken(20, seed=1),
        DECODER,
        max_bytes=4000,
        epochs=4,
        learning_rate=0.02,
        **{**GRID, "widths": (12,), "depths": (1,)},
    )
    errors = {c.units: c.errors for c in found.candidates}
    assert again.best.errors == errors[(12,)]


@pytest.mark.slow  # trains several students
def test_a_search_that_was_stopped_goes_on(found, store, tmp_path):
    options = {**GRID, "widths": (4, 12), "depths": (1,), "max_bytes": 4000}
    training = {"epochs": 4, "learning_rate": 0.02, "backups": tmp_path / "search"}
    shares = []

    def stopping(stage, share):
        if stage == "train" and share > 0.8:  # in the third epoch of the second student
            raise KeyboardInterrupt

    def search(on_progress):
        data = spoken(20, seed=1)
        both = {**options, **training, "on_progress": on_progress}
        return search_student(store, data, DECODER, **both)

    with pytest.raises(KeyboardInterrupt):
        search(stopping)
    names = ["12.backup", "4.backup"]
    assert sorted(p.name for p in (tmp_path / "search").iterdir()) == names
    result = search(lambda stage, share: stage == "train" and shares.append(share))
    assert (shares[0], shares[-1]) == (0.8125, 1)  # of two batches in an epoch
    errors = {c.units: c.errors for c in found.candidates}
    assert {c.units: c.errors for c in result.candidates} == {
        units: errors[units] for units in ((4,), (12,))
    }
    training["epochs"] = 5
    with pytest.raises(ValueError, match=r"4.backup' is of a training with other set"):
        search(None)
    remove_backups(tmp_path / "search")
    assert not (tmp_path / "search").exists()


@pytest.mark.slow  # trains several students
def test_time_delay_students_are_in_the_grid(store):
    result = search_student(
        store,
        spoken(6, seed=1),
        DECODER,
        max_bytes=4000,
        context=(12, 10),
        widths=(4, 8),
        depths=(1,),
        steps=(2,),
        epochs=1,
    )
    names = {c.name for c in result.candidates}
    assert names == {
        *("4 step 2", "8 step 2"),
        *("tdnn 6,4,4 steps 1,3,6", "tdnn 12,8,8 steps 1,3,6"),
        "tdnn 12,8,4 steps 1,3,6",  # a finer grid in bytes
    }
    sizes = {c.name: c for c in result.candidates}
    small = sizes["tdnn 6,4,4 steps 1,3,6"]
    products = 3 * (5 * 6 + 6 * 4 + 4 * 4) + 4 * 5  # of the newest frame alone
    assert small.instructions == round(products * 27 / 16 + (6 + 4 + 4 + 5) * 110)


@pytest.mark.slow
def test_the_students_learn_by_the_loss_that_is_given(store):
    training = {"epochs": 1, "learning_rate": 0.02}
    grid = {**GRID, "widths": (8,), "depths": (1,)}
    paths = SequenceKL.of_words(TOPOLOGY)
    data = spoken(20, seed=1)
    result = search_student(
        store, data, DECODER, max_bytes=4000, loss=paths, **training, **grid
    )
    keras.utils.set_random_seed(0)
    alone, frames = (dnn_student(STATES, STATES, (2, 2), (8,)) for _ in range(2))
    frames.set_weights(alone.get_weights())
    train_student(alone, store, loss=paths, **training)
    train_student(frames, store, **training)
    found = result.student.get_weights()[0]
    assert found == pytest.approx(alone.get_weights()[0], abs=1e-5)
    assert np.abs(found - frames.get_weights()[0]).max() > 1e-3


def candidate(num_bytes, instructions, errors, units=(8,)):
    return Candidate(units, (1,), num_bytes, instructions, True, True, errors, 100)


def test_the_front_holds_what_no_other_one_beats():
    small, worse = candidate(10, 10, 9), candidate(12, 10, 9)
    better, fast = candidate(20, 20, 5), candidate(21, 15, 6)
    large, untrained = candidate(30, 30, 5), candidate(5, 5, None)
    everything = (untrained, small, worse, better, fast, large)
    result = SearchResult(everything, better, None, None)
    assert result.pareto == (small, better, fast)
    text = to_markdown(result)
    lines = text.splitlines()
    assert lines[2] == "| 8 | 10 | 10 | 9.00 (9/100) | Pareto |"
    assert lines[3] == "| 8 | 20 | 20 | 5.00 (5/100) | best, Pareto |"
    assert lines[-1] == "5 trained, 1 too large or too narrow."


def test_the_plot_is_well_formed_and_shows_each_trained_candidate():
    some = tuple(candidate(1000 * k, k, 30 - k, units=(k, k)) for k in range(10, 20, 3))
    picture = to_svg(SearchResult((*some, candidate(9, 9, None)), some[-1], None, None))
    document = xml.dom.minidom.parseString(picture)
    circles = document.getElementsByTagName("circle")
    assert len(circles) == 4
    across = [float(c.getAttribute("cx")) for c in circles]
    down = [float(c.getAttribute("cy")) for c in circles]
    assert across == sorted(across) and down == sorted(down)  # fewer errors lie lower
    assert all(70 <= x <= 620 for x in across) and all(30 <= y <= 340 for y in down)
    texts = [t.firstChild.data for t in document.getElementsByTagName("text")]
    assert "10,10" in texts and "kB" in texts
    assert to_svg(SearchResult(some[:1], some[0], None, None)).endswith("</svg>\n")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "Expected a budget, or `max_instructions`. Received: max_bytes=None"),
        ({"max_bytes": 0}, "Invalid value for `max_bytes`. Expected an integer >= 1"),
        (
            {"max_bytes": 100},
            "Invalid value for `max_bytes`. Expected a budget that a student of the "
            "grid fits. Received: max_bytes=100. The smallest one, 4, has ",
        ),
        ({"max_instructions": 9}, "Invalid value for `max_instructions`. Expected a"),
    ],
)
def test_a_budget_that_cannot_be_met_is_refused(options, text, store):
    with pytest.raises(ValueError) as error:
        search_student(store, spoken(3, seed=1), DECODER, **options, **GRID)
    assert text in str(error.value)


def test_development_data_must_fit_the_store(store):
    silent = Utterances(spoken(3, seed=1).features)
    with pytest.raises(ValueError, match="Expected utterances with transcripts"):
        search_student(store, silent, DECODER, max_bytes=9000)
    narrow = Utterances([np.zeros((9, 3), np.float32)], ["no"])
    with pytest.raises(ValueError, match=r"Expected features of shape \(5,\)"):
        search_student(store, narrow, DECODER, max_bytes=9000)


@pytest.mark.slow  # trains several students
def test_the_command_writes_student_decoder_and_plot(store, tmp_path, run):
    spoken(10, seed=1).save(tmp_path / "development.npz")
    (tmp_path / "decoder.json").write_text(json.dumps(DECODER.to_dict()))
    arguments = ("distill", store.path, "--out", tmp_path / "best.keras")
    search = ("--max-bytes", "3k", "--context", "2,2", "--epochs", "1")
    code, _, error = run(*arguments, *search)
    assert (code, error.count("\n")) == (2, 1)
    assert "Invalid value for `--development`. Expected a file" in error
    code, output, _ = run(
        *(*arguments, *search),
        *("--development", tmp_path / "development.npz"),
        *("--decoder", tmp_path / "decoder.json"),
    )
    assert code == 0
    assert "| best" in output and "learnt frames" in output
    assert sorted(p.name for p in tmp_path.glob("best*")) == [
        "best.decoder.json",
        "best.keras",
        "best.pareto.svg",
    ]
    student = keras.saving.load_model(tmp_path / "best.keras", compile=False)
    assert student.output_shape[-1] == STATES
    code, _, error = run(*arguments, "--max-bytes", "many")
    assert (code, "such as 32000 or 32k" in error) == (2, True)


@pytest.mark.parametrize("told", [(), ("--no-sequence",)])
def test_the_command_learns_paths_of_targets_that_are_such(
    tmp_path, run, monkeypatch, told
):
    spoken(4, seed=1).save(tmp_path / "data.npz")
    (tmp_path / "decoder.json").write_text(json.dumps(DECODER.to_dict()))
    plain_teacher(STATES, STATES).save(tmp_path / "teacher.keras")
    decoder = ("--decoder", tmp_path / "decoder.json")
    align = ("align", tmp_path / "teacher.keras", tmp_path / "data.npz")
    assert run(*align, "--out", tmp_path / "store", *decoder)[0] == 0
    losses = []

    def search(*arguments, loss, **options):
        losses.append(loss)
        raise ValueError("that is enough")

    monkeypatch.setattr(distill, "search_student", search)
    arguments = ("distill", tmp_path / "store", "--out", tmp_path / "best.keras")
    budget = ("--max-bytes", "9k", "--development", tmp_path / "data.npz")
    code, _, error = run(*arguments, *budget, *decoder, *told)
    assert code == 2 and "that is enough" in error
    assert isinstance(losses[0], SequenceKL) == (not told)
