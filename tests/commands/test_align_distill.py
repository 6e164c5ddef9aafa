import json
import wave
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from helpers.plain_models import plain_teacher

from keras_rnn2dnn import LogMel, SoftAlignments, cli, dnn_student
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.commands.running import convert as convert_command
from keras_rnn2dnn.commands.running.sources import FeatureSource
from keras_rnn2dnn.util.files import Utterances

FEATURES, CLASSES = 6, 80


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    keras.utils.set_random_seed(0)
    plain_teacher(FEATURES, CLASSES).save(folder / "teacher.keras")
    rng = np.random.default_rng(0)
    lengths = rng.integers(20, 60, size=24)
    features = [rng.normal(size=(n, FEATURES)).astype("float32") for n in lengths]
    transcripts = [f"word{n}" for n in range(24)]
    Utterances(features, transcripts).save(folder / "data.npz")
    (folder / "several").mkdir()
    for part in range(2):
        chosen = slice(12 * part, 12 * part + 12)
        Utterances(features[chosen]).save(folder / "several" / f"part{part}.npz")
    return folder


@pytest.fixture(scope="module")
def store(files):
    """The store of `data.npz`, which no test changes."""
    out = files / "store"
    align = ("align", files / "teacher.keras", files / "data.npz", "--out", out)
    assert cli.main([str(argument) for argument in align]) == 0
    return out


def contents(store):
    return {p.name: p.read_bytes() for p in store.iterdir() if p.name != ".lock"}


def test_the_chain_from_teacher_to_int8(files, tmp_path, run):
    store, student = tmp_path / "train.align", tmp_path / "student.keras"
    align = ("align", files / "teacher.keras", files / "data.npz", "--out", store)
    code, output, error = run(*align, "--top-k", "10")
    assert code == 0
    frames = SoftAlignments(store).num_frames
    assert output.startswith(f"24 utterances, {frames} frames; the best 10 of 80")
    assert "24 of 24 utterances" in error and "frames/s, 0:00 left" in error
    code, output, _ = run("align", "--verify", store)
    assert (code, output.split(".")[0]) == (0, f"{tmp_path / 'train'}")
    assert "train.align: whole. 24 utterances" in output
    distill = ("distill", store, "--units", "8,8", "--context", "2,1", "--epochs", "2")
    code, output, _ = run(*distill, "--out", student)
    assert code == 0 and f"{student}: " in output and "agreement" in output
    assert not (tmp_path / "student.backup").exists()
    code, output, error = run(
        *("convert", student, "--calibration", store),
        *("--out", tmp_path / "bundle"),
    )
    assert (code, error) == (0, "")
    assert (tmp_path / "bundle" / "student.tflite").is_file()


@pytest.mark.parametrize("given", [None, {"bins": 24}, {"sample_rate_hz": -1}])
def test_a_specification_that_is_not_ours_stays_as_it_is(given):
    source = SimpleNamespace(feature_spec=lambda: given)
    assert convert_command._of_source(source) == given


def test_the_specification_in_a_store_is_that_of_the_bundle():
    spec = FeatureSpec(8000, num_bins=24, centering="running")
    source = SimpleNamespace(feature_spec=spec.to_dict)
    assert convert_command._of_source(source) == spec


def test_a_student_is_trained_for_int8_and_converted(files, store, tmp_path, run):
    student, data = tmp_path / "student.keras", files / "data.npz"
    dnn_student(FEATURES, CLASSES, (2, 1), (8,)).save(student)
    distill = ("distill", store, "--student", student, "--epochs", "1")
    aware = tmp_path / "aware.keras"
    code, output, _ = run(*distill, "--learning-rate", "1e-4", "--int8", "--out", aware)
    assert code == 0 and f"{aware}: " in output
    convert = ("--calibration", data, "--out", tmp_path / "bundle")
    code, output, error = run("convert", aware, *convert)
    assert (code, error) == (0, "") and "ranges student" in output
    code, _, error = run("convert", aware, *convert, "--ranges", "mse")
    assert code == 2 and "with ranges of its own" in error


def test_every_source_gives_the_same_features(files, store, tmp_path, run):
    stores = [store]
    for data in (files / "several", store):
        stores.append(tmp_path / data.name)
        align = ("align", files / "teacher.keras", data, "--out", stores[-1])
        assert run(*align)[0] == 0
    assert contents(stores[0]) == contents(stores[2])
    first, second = ([*SoftAlignments(s).utterances()] for s in stores[:2])
    for left, right in zip(first, second, strict=True):
        np.testing.assert_array_equal(left.features, right.features)
    assert [second[n].name for n in (0, 12)] == ["part0-0", "part1-0"]
    assert first[3].transcript == "word3"


def write_wav(path, samples, rate=8000):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def test_audio_is_heard_through_its_specification(files, tmp_path, run, caplog):
    spec = FeatureSpec(8000, num_bins=FEATURES)
    (tmp_path / "spec.json").write_text(json.dumps(spec.to_dict()))
    samples = 0.1 * np.random.default_rng(0).normal(size=4000)
    write_wav(tmp_path / "audio" / "ben" / "two.wav", samples)
    write_wav(tmp_path / "audio" / "anna.wav", samples[:2000])
    write_wav(tmp_path / "audio" / "short.wav", samples[:50])
    align = ("align", files / "teacher.keras", tmp_path / "audio", "--out")
    code, _, error = run(*align, tmp_path / "none")
    assert code == 2 and "holds audio. Expected a specification" in error
    given = ("--features", tmp_path / "spec.json")
    code, _, error = run(*align, tmp_path / "store", *given)
    assert code == 0, error
    store = SoftAlignments(tmp_path / "store")
    assert store.manifest.settings.feature_spec == spec.to_dict()
    anna, ben = store.utterances()
    assert (anna.name, ben.name) == ("anna", "ben/two")
    pcm = (samples * 32767).astype("<i2").astype("float32") / 32768
    expected = LogMel.from_spec(spec)(pcm[None])[0]
    np.testing.assert_allclose(ben.features, expected, atol=1e-5)
    damaged = tmp_path / "audio" / "zoe.wav"
    damaged.write_bytes((tmp_path / "audio" / "anna.wav").read_bytes()[:1000])
    code, _, error = run(*align, tmp_path / "other", *given, "--strict")
    reason = "it is truncated: 956 of 4000 bytes of samples"
    assert code == 2 and f"audio file {str(damaged)!r}: {reason}. Remove it" in error
    code, output, error = run(*align, tmp_path / "other", *given)
    assert (code, output.split(",")[0]) == (0, "2 utterances")
    assert f"Skipped {damaged}: {reason}" in caplog.messages
    assert "Skipped 1 of 4 audio files" in caplog.messages


def test_audio_and_a_store_of_it_calibrate_a_student(files, tmp_path, run):
    spec = FeatureSpec(8000, num_bins=FEATURES)
    (tmp_path / "spec.json").write_text(json.dumps(spec.to_dict()))
    audio, store = tmp_path / "audio", tmp_path / "store"
    for number in range(3):
        samples = 0.1 * np.random.default_rng(number).normal(size=40000)
        write_wav(audio / f"{number}.wav", samples)
    given = ("--features", tmp_path / "spec.json")
    align = ("align", files / "teacher.keras", audio, "--out", store, *given)
    code, _, error = run(*align, "--float16", "--utterances-per-shard", "2")
    assert code == 0, error
    settings = SoftAlignments(store).manifest.settings
    assert (settings.feature_dtype, settings.utterances_per_shard) == ("float16", 2)
    dnn_student(FEATURES, CLASSES, (1, 1), (8,)).save(tmp_path / "student.keras")
    convert = ("convert", tmp_path / "student.keras", "--calibration")
    for data, extra in ((audio, given), (store, ())):
        bundle = tmp_path / f"bundle of {data.name}"
        code, _, error = run(*convert, data, *extra, "--out", bundle)
        assert code == 0, error
        report = json.loads((bundle / "report.json").read_text())
        assert report["feature_spec"] == spec.to_dict()


def test_recordings_that_were_added_make_another_store(files, tmp_path, run):
    data = Utterances.load(files / "data.npz")
    out = tmp_path / "s.align"
    Utterances(data.features[:3]).save(tmp_path / "a.npz")
    code, *_ = run("align", files / "teacher.keras", tmp_path / "a.npz", "--out", out)
    assert code == 0
    Utterances(data.features[:5]).save(tmp_path / "a.npz")
    code, output, error = run(
        "align", files / "teacher.keras", tmp_path / "a.npz", "--out", out
    )
    assert (code, output) == (2, "")
    assert "in: number: 3 against 5. Restore the data as they were" in error


def test_parts_are_written_apart_and_merged(files, store, tmp_path, run):
    align = ("align", files / "teacher.keras", files / "data.npz", "--out")
    for part in range(2):
        name = tmp_path / f"part{part}"
        code, output, _ = run(*align, name, "--shard", f"{part}/2")
        assert (code, output.split(":")[0]) == (0, f"Part ({part}, 2) is written")
    parts = [tmp_path / "part0", tmp_path / "part1"]
    code, output, _ = run("align", "--merge", *parts, "--out", tmp_path / "merged")
    assert (code, output.split(",")[0]) == (0, "24 utterances")
    assert contents(tmp_path / "merged") == contents(store)


def test_bad_arguments_give_one_line_and_exit_code_2(files, store, tmp_path, run):
    teacher, data = files / "teacher.keras", files / "data.npz"
    student = tmp_path / "s.keras"
    (tmp_path / "empty").mkdir()
    (tmp_path / "there.keras").write_text("")
    other = ("--out", tmp_path / "other")
    for arguments, text in (
        (("align", teacher, data), "No store to write to. Expected --out STORE"),
        (("align", teacher, *other), "Expected TEACHER.keras and DATA"),
        (("align", teacher, tmp_path / "none", *other), "No data '"),
        (("align", teacher, tmp_path / "empty", *other), "Nothing to read in '"),
        (("align", data, data, *other), "Cannot use '"),
        (("align", teacher, data, "--out", store, "--top-k", "3"), "of another kind"),
        (("align", "--verify", tmp_path), "No soft alignments in"),
        (("align", "--verify"), "No store to check. Expected --verify STORE"),
        (("align", "--merge", *other), "Expected at least one directory"),
        (("distill", tmp_path / "none", "--out", student), "No soft alignments in"),
        (("distill", store, "--out", "s.h5"), "a name that ends in .keras"),
        (("distill", store, "--out", tmp_path / "there.keras"), "exists. Give another"),
        (
            ("distill", store, "--student", teacher, "--units", "x", "--out", "a"),
            "such as 128,128",
        ),
        (("align", teacher, data, *other, "--shard", "2/2"), "such as 3/16"),
    ):
        code, output, error = run(*arguments)
        assert (code, output) == (2, ""), arguments
        assert text in error, error
        assert "Traceback" not in error
    assert not student.exists()


@pytest.mark.parametrize("command", ["align", "distill"])
def test_help_shows_the_whole_chain(command, run):
    code, output, _ = run(command, "--help")
    assert code == 0
    lines = [line.split()[:2] for line in output.splitlines()]
    chain = [["rnn2dnn", name] for name in ("align", "distill", "convert")]
    assert [line for line in lines if line in chain] == chain


def test_a_source_knows_how_many_utterances_it_has(files):
    for data in ("several", "data.npz"):
        source = FeatureSource(files / data)
        assert len(source) == len(list(source.batches())) == 24
