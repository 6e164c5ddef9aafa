import dataclasses
import functools
import json
import re
import runpy
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.event_files import scalars
from helpers.tone_words import TINY, tone_words

from keras_rnn2dnn import deploy
from keras_rnn2dnn.alignments import SoftAlignments
from keras_rnn2dnn.alignments.teacher_pass import fingerprint
from keras_rnn2dnn.audio.corpora.recordings import read_wav
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.audio.streams import StreamOptions
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.demo import DEFAULT, FULL, run_demo
from keras_rnn2dnn.demo import run as demo_run
from keras_rnn2dnn.demo.left_on import read_markdown
from keras_rnn2dnn.demo.run import _fold_name
from keras_rnn2dnn.deploy import Int8Student, load_bundle
from keras_rnn2dnn.distillation.frozen_teacher import as_list
from keras_rnn2dnn.hmm import SequenceKL, WordLoopDecoder
from keras_rnn2dnn.quantization.comparison import compare_logits
from keras_rnn2dnn.recipe import bundle, run, student
from keras_rnn2dnn.recipe.material import feature_layer
from keras_rnn2dnn.report import write_report
from keras_rnn2dnn.scoring.word_errors import word_error_rate
from keras_rnn2dnn.util.epoch_backup import EpochBackup
from keras_rnn2dnn.util.files import Audio, Utterances

FILES = {  # of the systems that are trained
    "RNN teacher": "teacher",
    "student, hard labels": "student_hard",
    "student, hard + self-labelled": "student_self",
    "student, soft, transcribed audio": "student_soft",
    "student, distilled without the RNN": "student_alone",
    "student, distilled": "student",
}
BUNDLED = ["student, distilled, int8", "student, distilled, device arithmetic"]
SYSTEMS = {
    "full": [*FILES, *BUNDLED],
    "default": [*list(FILES)[:2], *list(FILES)[4:], *BUNDLED],
}
RECIPES = {
    "full": TINY,
    "default": dataclasses.replace(TINY, rounds=1, agreed_by="itself"),
}
BLOCK_S = 6.0  # of each background, when it is left switched on
PLANS = {
    "full": dataclasses.replace(FULL, block_s=BLOCK_S),
    "default": dataclasses.replace(DEFAULT, block_s=BLOCK_S),
}
BOTH = [pytest.param("full", marks=pytest.mark.slow), "default"]


def run_watched(*args, **options):
    """Returns the rows of a demo, and of each distillation teachers and loss."""
    learnt, distil = [], student.distil

    def watched(teacher, *args, paths=None, **options):
        learnt.append(([m.count_params() for m in as_list(teacher)], paths))
        return distil(teacher, *args, paths=paths, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(student, "distil", watched)
        return run_demo(*args, **options), learnt


class Finished:
    """A finished demo.

    Attributes:
        out: its directory.
        rows: of the table.
        learnt: its distillations.
        told: name of the fold and row of each system, as they came.
    """

    def __init__(self, kind, out):
        self.kind, self.out, self.told = kind, out, []
        self.options = {
            "plan": PLANS[kind],
            "recipe": RECIPES[kind],
            "speaker": "bob",
            "seed": 3,
            "keep_alignments": True,
        }
        self.rows, self.learnt = run_watched(
            tone_words(), out, on_row=self._tell, **self.options
        )

    def _tell(self, fold, row, progress):
        self.told.append((fold, row))
        self.progress = progress

    @property
    def fold(self):
        return self.out / "bob"

    @property
    def trained(self):
        """The files of the systems that are trained, in the order of the table."""
        return {name: FILES[name] for name in SYSTEMS[self.kind] if name in FILES}


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A demo of all systems."""
    return Finished("full", tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="module", params=BOTH)
def finished(request, tmp_path_factory):
    """A demo of all systems, and of those that are trained by default."""
    if request.param == "full":
        return request.getfixturevalue("full")
    return Finished(request.param, tmp_path_factory.mktemp(request.param))


def test_the_demo_measures_every_system_and_keeps_its_files(finished):
    out, rows = finished.out, finished.rows
    assert [row["system"] for row in rows] == SYSTEMS[finished.kind]
    assert json.loads((out / "table.json").read_text()) == rows
    text = (out / "table.md").read_text()
    assert "real recordings" in text and "24 of 1,000 transcribed strings" in text
    assert ("4 of 6 trained systems" in text) == (finished.kind == "default")
    hard = rows[1]
    for row in rows:
        assert row["wer"] == row["errors"] / row["words"]
        assert row["ci95"][0] <= row["wer"] <= row["ci95"][1]
        assert row["relative_to_hard"] == row["wer"] / hard["wer"] - 1
    assert (rows[0]["kl"], rows[0]["agreement"]) == (0.0, 1.0)
    assert all(row["kl"] > 0 for row in rows[1:])
    tflite = out / "bob" / "bundle" / "student.tflite"
    assert rows[-2]["bytes"] == rows[-1]["bytes"] == tflite.stat().st_size
    files = "calibration.npz development.npz features.json history.json hypotheses.json"
    files += " table.json table.md test.npz test_audio.npz example.wav left_on.json"
    expected = {"bundle", "steps", "student.align", "tensorboard", *files.split()}
    for name in finished.trained.values():
        expected |= {f"{name}.keras", f"{name}.decoder.json"}
    assert {path.name for path in finished.fold.iterdir()} == expected


def test_what_is_found_when_it_is_left_switched_on_is_kept_and_shown(finished):
    kept = json.loads((finished.out / "left_on.json").read_text())
    assert kept == json.loads((finished.fold / "left_on.json").read_text())
    every, above = kept
    assert (every["threshold"], above["threshold"]) == (False, True)
    for row in kept:
        assert row["minutes"] == pytest.approx(7 * BLOCK_S / 60)
        counts = row["hits"] + row["substitutions"] + row["misses"]
        assert row["words"] == counts > 0
    assert above["false_words"] <= every["false_words"]
    assert read_markdown(finished.out) in (finished.out / "table.md").read_text()


def test_rows_are_told_as_soon_as_they_are_measured(finished):
    folds, told = zip(*finished.told, strict=True)
    assert set(folds) == {""}
    trained = list(PLANS[finished.kind].trained)
    assert [row["system"] for row in told] == [*trained, *BUNDLED]
    waiting = {"kl", "agreement"} if trained[0] == "student, hard labels" else set()
    for number, row in enumerate(told):
        (last,) = (r for r in finished.rows if r["system"] == row["system"])
        later = {"relative_to_hard"} | (set() if number else waiting)
        changed = {key for key in row if row[key] != last[key]}
        assert changed <= later and all(row[key] is None for key in changed)
    assert (told[0]["kl"] is None) == bool(waiting)


def test_the_stages_are_those_that_were_planned(finished):
    progress = finished.progress
    assert progress._number == progress.num_stages
    assert progress.seconds_left() is None  # none that has a time is still to come


def test_the_example_is_the_first_string_of_the_test(finished):
    samples, rate = read_wav(finished.fold / "example.wav")
    audio = Audio.load(finished.fold / "test_audio.npz")
    np.testing.assert_array_equal(samples * 32768, audio.samples[0])
    assert rate == audio.sample_rate_hz


def test_the_best_recipe_learns_paths_of_transcripts_and_of_what_it_recognises(
    finished,
):
    """By the store that the last round has learned from."""
    folder = finished.fold
    utterances = list(SoftAlignments(folder / "student.align").utterances())
    known = [u for u in utterances if u.transcript is not None]
    unknown = [u for u in utterances if u.transcript is None]
    assert (len(known), len(unknown)) == (24, 8)
    config = json.loads((folder / "student.decoder.json").read_text())
    topology = WordLoopDecoder.from_dict(config).topology
    for utterance in known:
        assert np.unique(utterance.weights).tolist() == pytest.approx([0.3])
        words = utterance.transcript.split()
        allowed = {topology.silence_state}.union(*map(topology.states_of, words))
        assert set(utterance.soft[:, 1, 0].astype(int)) <= allowed
    assert all((utterance.weights == 1).all() for utterance in unknown)
    settings = SoftAlignments(folder / "student.align").manifest.settings
    assert settings.one_best
    assert "chained(match_priors(11 classes" in settings.transform
    assert "decoded(11 states" in settings.transform
    assert settings.teacher != fingerprint(
        [keras.saving.load_model(folder / "teacher.keras")], [1.0]
    )


def test_the_default_learns_paths_in_one_round(finished):
    if finished.kind == "full":
        pytest.skip("two rounds")
    teacher, hard = (row["parameters"] for row in finished.rows[:2])
    assert [models for models, _ in finished.learnt] == [[teacher, hard], [hard]]
    for _, paths in finished.learnt:
        assert isinstance(paths, SequenceKL) and paths.boost == 1


@pytest.mark.slow
def test_both_rounds_of_the_recipe_learn_paths(full):
    rows, learnt = full.rows, full.learnt
    teacher, hard = (row["parameters"] for row in rows[:2])
    alone, taught = [[hard], [hard]], [[teacher, hard], [hard]]
    assert [models for models, _ in learnt] == [[teacher], *alone, *taught]
    first, *rounds = (paths for _, paths in learnt)
    assert first is None and len(rounds) == 4
    assert all(isinstance(p, SequenceKL) and p.boost == 1 for p in rounds)


def test_the_course_of_the_training_is_kept(finished):
    folder = finished.fold
    history = json.loads((folder / "history.json").read_text())
    found = {found["system"]: file for file, found in history.items()}
    assert found == finished.trained
    data = Utterances.load(folder / "development.npz")
    teacher = keras.saving.load_model(folder / "teacher.keras")
    expected = predict_utterances(teacher, data.features)
    for file, found in history.items():
        assert len(found["loss"]) == len(found["wer"]) == TINY.student_epochs
        model = keras.saving.load_model(folder / f"{file}.keras")
        logits = predict_utterances(model, data.features)
        config = json.loads((folder / f"{file}.decoder.json").read_text())
        words = WordLoopDecoder.from_dict(config)(logits)
        assert found["wer"][-1] == word_error_rate(data.transcripts, words).wer
        # The default tunes the student of hard labels before there is a teacher.
        early = file == "student_hard" and finished.kind == "default"
        assert ("kl" in found) == (file != "teacher" and not early)
        if "kl" in found:
            compared = compare_logits(expected, logits)
            assert found["kl"][-1] == pytest.approx(compared["kl"], rel=1e-5)
            assert found["agreement"][-1] == compared["agreement"]
        written = scalars(folder / "tensorboard" / file)
        losses = [value for name, _, value in written if name == "loss"]
        assert losses == pytest.approx(found["loss"], rel=1e-6)


def test_what_was_recognised_is_kept(finished):
    folder, rows = finished.fold, finished.rows
    kept = json.loads((folder / "hypotheses.json").read_text())
    for row in rows:
        rate = word_error_rate(kept["references"], kept["systems"][row["system"]])
        kinds = ("substitutions", "deletions", "insertions", "wer")
        assert [getattr(rate, k) for k in kinds] == [row[k] for k in kinds]


def test_the_page_about_a_demo_leaves_out_what_no_core_counted(finished, tmp_path):
    text = write_report(finished.out, tmp_path / "page.html").read_text()
    assert re.findall("Left out: ([^<]*)", text) == [
        "flash, stack and instructions: the demo had no cross compiler or emulator."
    ]


def test_the_report_has_the_features_with_mean_and_variance(finished):
    report = json.loads((finished.fold / "bundle" / "report.json").read_text())
    train = [r for r in tone_words() if r.speaker != "bob" and r.index >= 5]
    spec = FeatureSpec.from_dict(report["feature_spec"])
    assert spec == feature_layer(train, seed=3).spec
    assert (spec.centering, spec.memory_frames, spec.prior_frames) == (
        "running",
        300,
        30,
    )
    assert len(spec.mean) == len(spec.variance) == 24


def test_the_files_of_the_demo_give_its_numbers_again(finished):
    data = Utterances.load(finished.fold / "test.npz")
    for row in finished.rows[:-1]:
        rate = word_error_rate(data.transcripts, _words(finished, row, data.features))
        assert (rate.errors, rate.words) == (row["errors"], row["words"])


def _words(finished, row, features):
    """Returns what the files of a system give."""
    folder, file = finished.fold, FILES.get(row["system"], "student")
    decoder = WordLoopDecoder.from_dict(
        json.loads((folder / f"{file}.decoder.json").read_text())
    )
    if "int8" in row["system"]:
        return decoder(Int8Student.load(folder / "bundle").predict(features))
    model = keras.saving.load_model(folder / f"{file}.keras")
    assert model.count_params() == row["parameters"]
    return decoder(predict_utterances(model, features))


def test_the_bundle_of_the_demo_gives_the_row_of_the_device_again(finished):
    folder, row = finished.fold, finished.rows[-1]
    audio = Audio.load(folder / "test_audio.npz")
    recognizer = load_bundle(folder / "bundle").recognizer
    words = [[w.text for w in found] for found in recognizer.recognize(audio.samples)]
    rate = word_error_rate(audio.transcripts, words)
    assert (rate.errors, rate.words) == (row["errors"], row["words"])
    spec = FeatureSpec.from_dict(json.loads((folder / "features.json").read_text()))
    assert spec == recognizer.spec
    listed = (folder / "bundle" / "golden" / "test_set.txt").read_text().splitlines()
    assert listed == [" ".join(found) for found in words]


@pytest.mark.slow
def test_the_example_makes_the_bundle_of_the_demo_again(
    full, tmp_path, capsys, monkeypatch
):
    short = functools.partial(deploy.verify, stream_s=5.0)
    monkeypatch.setattr(deploy, "verify", short)
    example = Path(__file__).parents[2] / "examples" / "firmware_bundle.py"
    fold = full.fold
    runpy.run_path(str(example))["main"](str(fold), str(tmp_path))
    assert "verdict: " in capsys.readouterr().out
    for name in ("student.tflite", "c/model.h", "golden/test_set.u32"):
        assert (tmp_path / name).read_bytes() == (fold / "bundle" / name).read_bytes()


FULL_AGAIN = {"speaker": "bob", "recipe": TINY, "seed": 3, "plan": PLANS["full"]}


@pytest.mark.slow
def test_the_demo_repeats_to_the_last_digit(full, tmp_path):
    again = run_demo(tone_words(), tmp_path, **FULL_AGAIN)
    assert again == full.rows


def test_a_finished_demo_is_not_computed_again(finished, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("something is computed again")

    for module, name in ((bundle, "convert"), (run, "make_material")):
        monkeypatch.setattr(module, name, refuse)
    told = []
    again = run_demo(
        tone_words(),
        finished.out,
        on_row=lambda fold, row, progress: told.append(row["system"]),
        **finished.options,
    )
    assert again == finished.rows
    assert told == [row["system"] for _, row in finished.told]


@pytest.mark.slow
def test_a_demo_that_is_stopped_again_and_again_gives_the_same_files(
    full, tmp_path, monkeypatch
):
    epochs, keep = [], EpochBackup.on_epoch_end

    def stop(backup, epoch, logs=None):
        keep(backup, epoch, logs)
        epochs.append(epoch)
        if len(epochs) % 3 == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(EpochBackup, "on_epoch_end", stop)
    stops, rows = 0, None
    while rows is None:
        try:
            rows = run_demo(tone_words(), tmp_path, **FULL_AGAIN)
        except KeyboardInterrupt:
            stops += 1
    assert (stops, len(epochs)) == (5, 8 * TINY.student_epochs)  # none of them twice
    assert rows == full.rows
    whole, again = full.fold, tmp_path / "bob"
    for path in (*whole.glob("*.json"), *whole.glob("*.npz"), *whole.rglob("bundle/*")):
        if path.is_file():
            other = again / path.relative_to(whole)
            assert other.read_bytes() == path.read_bytes(), path.name
    left = {path.name for path in (again / "steps").iterdir()}
    assert not [name for name in left if name.endswith((".backup", ".align"))]


@pytest.mark.slow
def test_a_demo_of_streams_trains_on_other_speech_and_hears_other(
    tmp_path, monkeypatch
):
    heard = []

    def spoken(vocabulary, voices, count, seed, use):
        heard.append((use, *voices))
        return [dataclasses.replace(r, words=()) for r in tone_words(("zoe",), 5)]

    monkeypatch.setattr(demo_run, "other_speech", spoken)
    streams = StreamOptions(pause_s=(0.1, 0.5), other_s=(0.5, 1.0))
    less = {"transcribed_strings": 8, "unlabelled_strings": 4}
    less |= {"teacher_epochs": 1, "student_epochs": 1}
    recipe = dataclasses.replace(
        RECIPES["default"], features="pcen", streams=streams, **less
    )
    plan = dataclasses.replace(DEFAULT, block_s=2.0)
    given = {"plan": plan, "recipe": recipe, "speaker": "bob"}
    run_demo(tone_words(), tmp_path, synthetic=True, **given)
    assert heard == [
        ("train", "ada", "eve"),
        ("development", "ada", "eve"),
        ("test", "bob"),
    ]
    (fold,) = json.loads((tmp_path / "run.json").read_text())["folds"]
    recognizer = load_bundle(tmp_path / fold / "bundle").recognizer
    assert recognizer.spec.compression == "pcen"
    assert recognizer.decoder.topology.other > 0
    assert read_markdown(tmp_path).count("\n") == 4


@pytest.mark.slow
def test_all_speakers_in_turn_are_put_together(tmp_path):
    recordings = tone_words(speakers=("ada", "bob"))
    recipe = dataclasses.replace(TINY, rounds=1)
    rows = run_demo(recordings, tmp_path, speaker="all", recipe=recipe)
    folds = [
        json.loads((tmp_path / name / "table.json").read_text())
        for name in ("ada", "bob")
    ]
    for row, *parts in zip(rows, *folds, strict=True):
        assert row["errors"] == sum(part["errors"] for part in parts)
        assert row["words"] == sum(part["words"] for part in parts)


@pytest.mark.slow
def test_the_official_protocol_has_no_new_speaker(tmp_path):
    rows, learnt = run_watched(tone_words(), tmp_path, protocol="official", recipe=TINY)
    assert [row["system"] for row in rows] == SYSTEMS["full"]
    teacher, hard = (row["parameters"] for row in rows[:2])
    assert [models for models, _ in learnt] == [
        *([teacher], [hard], [hard]),  # soft, and two rounds without the RNN
        *([teacher], [hard]),
    ]
    first, *rounds = (paths for _, paths in learnt)
    assert first is None and all(isinstance(p, SequenceKL) for p in rounds)
    assert (tmp_path / "official" / "bundle" / "student.tflite").is_file()


def test_nothing_is_written_when_there_are_too_few_recordings(tmp_path):
    recordings = tone_words(per_word=10)
    with pytest.raises(ValueError, match="No recordings for unlabelled"):
        run_demo(recordings, tmp_path / "out", speaker="ada", recipe=TINY)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("held", "name"),
    [
        (("ann",), "ann"),
        (("Jürgen.2",), "Jürgen.2"),
        (("en-us+f3", "en-gb+m1"), "new-voices"),
        (("../../x",), "..%2F..%2Fx"),
        (("..",), "%2E%2E"),
        (("a\0b%",), "a%00b%25"),
        ((), "official"),
    ],
)
def test_the_directory_of_a_speaker_lies_in_that_of_the_results(held, name):
    assert _fold_name(held) == name
