import json
import re
import shutil

import keras
import numpy as np
import pytest
from helpers import bundles

from keras_rnn2dnn import (
    Distiller,
    SoftAlignments,
    demo,
    dnn_student,
    rnn_teacher,
)
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.hmm import Topology, WordLoopDecoder
from keras_rnn2dnn.scoring.word_errors import word_error_rate
from keras_rnn2dnn.util.files import Audio, Utterances

WORDS = ("no", "yes")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A student that hears perfectly: feature `k` is the score of state `k`."""
    folder = tmp_path_factory.mktemp("files")
    topology = Topology(WORDS, states_per_unit=2)
    states = topology.num_states
    student = keras.Sequential(
        [keras.Input((None, states)), keras.layers.Dense(states, name="logits")],
        name="student",
    )
    student.layers[0].set_weights([np.eye(states), np.zeros(states)])
    student.save(folder / "student.keras")
    rnn_teacher(states, states, units=(3,), stack=2).save(folder / "teacher.keras")
    decoder = WordLoopDecoder(topology)
    (folder / "decoder.json").write_text(json.dumps(decoder.to_dict()))
    rng = np.random.default_rng(0)
    features, transcripts = [], []
    for _ in range(30):
        words = [WORDS[n] for n in rng.integers(2, size=4)]
        path = np.concatenate([np.repeat(topology.states_of(w), 5) for w in words])
        features.append(8.0 * np.eye(states)[path] + rng.normal(size=(40, states)))
        transcripts.append(" ".join(words))
    transcripts[0] += " yes"  # one word that nobody says: one deletion
    Utterances(features, transcripts).save(folder / "test.npz")
    Utterances(features).save(folder / "untranscribed.npz")
    spec = FeatureSpec(8000, frame_step_ms=20.0, num_bins=states)
    (folder / "spec.json").write_text(json.dumps(spec.to_dict()))
    return folder


def test_convert_then_evaluate_both_models(files, tmp_path, run):
    code, output, _ = run(
        "convert",
        files / "student.keras",
        "--calibration",
        files / "test.npz",
        "--decoder",
        files / "decoder.json",
        "--features",
        files / "spec.json",
        "--out",
        tmp_path,
    )
    assert code == 0
    assert "KL(float || int8)" in output
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["feature_spec"]["frame_step_ms"] == 20.0
    assert report["comparison"]["wer_float"] is not None
    for model in (files / "student.keras", tmp_path / "student.tflite"):
        data = ["--data", files / "test.npz", "--decoder", files / "decoder.json"]
        code, output, _ = run("evaluate", model, *data)
        assert code == 0
        assert output.startswith("0.83 % (1/121 words, 95 % interval 0.0-")
        code, output, _ = run("evaluate", model, *data, "--json")
        counts = json.loads(output)
        assert (counts["deletions"], counts["words"]) == (1, 121)


def test_a_bundle_is_made_verified_and_evaluated_in_its_own_arithmetic(
    tmp_path, run, monkeypatch
):
    model, spec = bundles.student(), bundles.SPEC
    model.save(tmp_path / "student.keras")
    (tmp_path / "spec.json").write_text(json.dumps(spec.to_dict()))
    (tmp_path / "decoder.json").write_text(json.dumps(bundles.DECODER.to_dict()))
    pcm = bundles.recordings()
    Utterances(bundles.features(pcm)).save(tmp_path / "calibration.npz")
    Audio(pcm, 8000, ["up", "down"] * 6).save(tmp_path / "audio.npz")
    code, output, _ = run(
        *("convert", tmp_path / "student.keras", "--out", tmp_path / "bundle"),
        *("--calibration", tmp_path / "calibration.npz"),
        *("--features", tmp_path / "spec.json"),
        *("--decoder", tmp_path / "decoder.json"),
        *("--recordings", tmp_path / "audio.npz"),
    )
    assert code == 0
    assert "from PCM to words" in output
    monkeypatch.setattr(shutil, "which", lambda name: None)
    code, output, _ = run(
        "verify",
        tmp_path / "bundle",
        *("--recordings", tmp_path / "audio.npz"),
        *("--minutes", "0.2"),
    )
    assert code == 1
    assert "verdict: not verified" in output
    assert re.search(r"generated anew +passed", output)
    assert re.search(r"words: C on the host +NOT RUN +make, cc missing", output)
    data = ("--data", tmp_path / "audio.npz", "--device-arithmetic")
    code, output, _ = run("evaluate", tmp_path / "bundle", *data, "--json")
    words = (tmp_path / "bundle/golden/test_set.txt").read_text().splitlines()
    expected = word_error_rate(["up", "down"] * 6, words)
    counts = json.loads(output)
    assert (code, counts["words"]) == (0, 12)
    assert counts["substitutions"] == expected.substitutions
    assert counts["insertions"] == expected.insertions
    code, _, _ = run("evaluate", tmp_path / "bundle", "--data", files_of(tmp_path))
    assert code == 0


def files_of(folder):
    """Features with transcripts, which the decoder of the bundle reads too."""
    Utterances(bundles.features(), ["up", "down"] * 6).save(folder / "features.npz")
    return folder / "features.npz"


def test_bundles_and_audio_that_do_not_fit_are_refused(files, tmp_path, run):
    calibration = ["--calibration", files / "test.npz", "--out", tmp_path / "net"]
    run("convert", files / "student.keras", *calibration)
    Audio([np.zeros(8000, np.int16)], 16000, ["up"]).save(tmp_path / "audio.npz")
    (tmp_path / "empty").mkdir()
    audio, spec = tmp_path / "audio.npz", files / "spec.json"
    device = ("evaluate", tmp_path / "net", "--device-arithmetic", "--data")
    convert = ("convert", files / "student.keras", *calibration, "--recordings")
    cases = [
        ((*device, audio), "Expected a bundle whose C code goes from PCM to words"),
        (("evaluate", tmp_path / "net", "--data", files / "test.npz"), "`--decoder`"),
        ((*convert, audio), "Invalid value for `--features`. Expected a feature"),
        ((*convert, audio, "--features", spec), "Expected 8000 Hz, as the features"),
        ((*convert, tmp_path / "empty", "--features", spec), "No audio in"),
        ((*convert, files / "test.npz", "--features", spec), "Expected the arrays `s"),
        (("verify", tmp_path / "empty"), "No bundle in"),
        (
            ("verify", tmp_path / "net", "--recordings", audio),
            "Expected none, as the C code",
        ),
    ]
    for arguments, text in cases:
        code, output, error = run(*arguments)
        assert (code, output) == (2, ""), arguments
        assert text in error, error
        assert error.count("\n") == 1, error


def test_convert_with_other_ranges_and_with_int16(files, tmp_path, run):
    data = files / "test.npz"
    convert = ("convert", files / "student.keras", "--calibration", data)
    for number, option in enumerate((("--ranges", "mse"), ("--activations", "int16"))):
        out = tmp_path / str(number)
        option += ("--no-c",) if number else ()
        code, output, _ = run(*convert, *option, "--out", out)
        assert code == 0 and f"ranges {('mse', 'minmax')[number]}" in output
    given = ("--data", data, "--decoder", files / "decoder.json")
    code, output, _ = run("evaluate", tmp_path / "1" / "student.tflite", *given)
    assert code == 0 and output.startswith("0.83 % (1/121 words")
    code, _, error = run(*convert, "--ranges", "most", "--out", tmp_path / "2")
    assert code == 2 and "invalid choice: 'most'" in error


def test_bad_arguments_give_one_line_and_exit_code_2(files, tmp_path, run):
    student, data = files / "student.keras", files / "test.npz"
    decoder = files / "decoder.json"
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text('{"words": 3}')
    narrow = Utterances([np.ones((30, 3))] * 20, ["no"] * 20)
    narrow.save(tmp_path / "narrow.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK no zip")
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    convert = ("convert", "--calibration", data, "--out", tmp_path / "out")
    evaluate = ("evaluate", student, "--data")
    cases = [
        ((*convert, "missing.keras"), "No file 'missing.keras'. Expected a model"),
        ((*convert, files / "teacher.keras"), "bidirectional_1 (Bidirectional)"),
        ((*evaluate, data, "--decoder", tmp_path / "broken.json"), "as JSON"),
        ((*evaluate, data, "--decoder", tmp_path / "other.json"), "Cannot use '"),
        ((*evaluate, data, "--decoder", data), "as JSON"),
        (
            (*convert, student, "--features", tmp_path / "other.json"),
            "other.json': ",
        ),
        (
            (*evaluate, tmp_path / "narrow.npz", "--decoder", decoder),
            "Different numbers of features. Expected 5 per frame as in the model "
            "'student'. Received: 3 in the data",
        ),
        (
            (*evaluate[:1], data, "--data", data, "--decoder", decoder),
            "Expected a .keras file",
        ),
        ((*evaluate, tmp_path / "broken.npz", "--decoder", decoder), "as .npz"),
        ((*evaluate, tmp_path / "none.npz", "--decoder", decoder), "No such file"),
        (
            (*evaluate, tmp_path / "a.wav", "--decoder", decoder),
            "Invalid value for `--data`. Expected an .npz file of features and "
            "transcripts, as the demo writes. Received: --data='",
        ),
        ((*evaluate, tmp_path, "--decoder", decoder), "bundle and --device-arithmetic"),
        (
            (*evaluate, files / "untranscribed.npz", "--decoder", decoder),
            "Expected the array `transcripts` beside `features`",
        ),
        (("demo", "--data", tmp_path / "none"), "No directory"),
        (("demo", "--data", tmp_path), "No recordings in"),
    ]
    for arguments, text in cases:
        code, output, error = run(*arguments)
        assert (code, output) == (2, ""), arguments
        assert error.startswith(f"rnn2dnn {arguments[0]}: error: "), error
        assert text in error
        assert error.count("\n") == 1, error
    assert not (tmp_path / "out").exists()


def test_posteriors_are_decoded_as_the_logits_they_come_from(files, tmp_path, run):
    logits = keras.saving.load_model(files / "student.keras")
    layers = [keras.Input(logits.input_shape[1:]), *logits.layers]
    softmax = keras.Sequential([*layers, keras.layers.Softmax()])
    softmax.save(tmp_path / "softmax.keras")
    data = ["--data", files / "test.npz", "--decoder", files / "decoder.json"]
    expected = run("evaluate", files / "student.keras", *data)
    assert run("evaluate", tmp_path / "softmax.keras", *data) == expected


def test_a_saved_distiller_stands_for_its_student(files, tmp_path, run):
    student, teacher = (
        keras.saving.load_model(files / f"{name}.keras")
        for name in ("student", "teacher")
    )
    Distiller(teacher, student).save(tmp_path / "distiller.keras")
    data = ["--data", files / "test.npz", "--decoder", files / "decoder.json"]
    expected = run("evaluate", files / "student.keras", *data)
    assert run("evaluate", tmp_path / "distiller.keras", *data) == expected
    calibration = ["--calibration", files / "test.npz", "--out", tmp_path]
    code, _, _ = run("convert", tmp_path / "distiller.keras", *calibration)
    assert (code, (tmp_path / "student.tflite").is_file()) == (0, True)


def test_an_utterance_without_frames_has_no_words(files, tmp_path, run):
    data = Utterances.load(files / "test.npz")
    silent = Utterances(
        [*data.features, data.features[0][:0]], [*data.transcripts, "no yes"]
    )
    silent.save(tmp_path / "silent.npz")
    calibration = ["--calibration", files / "test.npz", "--out", tmp_path]
    run("convert", files / "student.keras", *calibration)
    for model in (files / "student.keras", tmp_path / "student.tflite"):
        code, output, error = run(
            *("evaluate", model, "--data", tmp_path / "silent.npz"),
            *("--decoder", files / "decoder.json", "--json"),
        )
        assert (code, error) == (0, "")
        assert json.loads(output)["deletions"] == 1 + 2


def test_transcripts_are_written_as_the_vocabulary_is(files, tmp_path, run):
    data = Utterances.load(files / "test.npz")
    spoken = [text.upper().replace(" ", ", ") + "." for text in data.transcripts]
    Utterances(data.features, spoken).save(tmp_path / "upper.npz")
    data = ("--data", tmp_path / "upper.npz", "--decoder", files / "decoder.json")
    evaluate = ("evaluate", files / "student.keras", *data)
    code, _, error = run(*evaluate)
    assert code == 2 and "121 of 121 words" in error
    assert "Known with --lowercase --remove-punctuation" in error
    code, output, _ = run(*evaluate, "--lowercase", "--remove-punctuation")
    assert code == 0 and output.startswith("0.83 % (1/121 words")
    convert = (
        *("convert", files / "student.keras", "--out", tmp_path / "bundle"),
        *("--calibration", tmp_path / "upper.npz"),
        *("--decoder", files / "decoder.json"),
    )
    code, _, error = run(*convert)
    assert code == 2 and "`references`. Expected words of the decoder's" in error
    align = (
        *("align", files / "student.keras", tmp_path / "upper.npz"),
        *("--decoder", files / "decoder.json", "--out", tmp_path / "store"),
    )
    code, _, error = run(*align)
    assert code == 2 and "`transcripts`. Expected words of the decoder's" in error
    assert run(*align, "--lowercase", "--remove-punctuation")[0] == 0
    assert next(SoftAlignments(tmp_path / "store").utterances()).transcript.islower()


def test_unknown_commands_and_options_are_usage_errors(run):
    for arguments in (("distill-it",), ("demo", "--protocol", "mine"), ()):
        code, _, error = run(*arguments)
        assert code == 2
        assert error.splitlines()[-1].startswith("rnn2dnn")
        assert "Traceback" not in error


@pytest.mark.parametrize("command", ["demo", "convert", "evaluate"])
def test_help_shows_an_example(command, run):
    code, output, _ = run(command, "--help")
    assert code == 0
    assert f"example:\n  rnn2dnn {command} " in output


def test_verbose_errors_come_with_a_traceback(run):
    with pytest.raises(FileNotFoundError, match="No directory"):
        run("demo", "--data", "nowhere", "--verbose")


def test_an_interrupted_run_says_so(monkeypatch, run):
    def interrupt(*_):
        raise KeyboardInterrupt

    running = "keras_rnn2dnn.commands.running.evaluate"
    monkeypatch.setattr(f"{running}.run", interrupt)
    code, _, error = run("evaluate", "a.keras", "--data", "b.npz")
    assert code == 130
    assert error == (
        "\nrnn2dnn: interrupted; finished files are whole. The same command again "
        "begins anew\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [["align", "a.keras", "b.npz"], ["distill", "a"], ["demo", "--data", "a"]],
)
def test_what_goes_on_after_a_stop_says_so(monkeypatch, run, arguments, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    commands = "keras_rnn2dnn.commands.running"
    monkeypatch.setattr(f"{commands}.align.FeatureSource", interrupt)
    monkeypatch.setattr(f"{commands}.distill.SoftAlignments", interrupt)
    monkeypatch.setattr(demo, "demo_recordings", interrupt)
    code, _, error = run(*arguments, "--out", tmp_path / "a.keras")
    assert code == 130
    assert error.endswith("The same command again goes on from them\n")


def test_a_missing_extra_is_named(monkeypatch, run):
    monkeypatch.setitem(__import__("sys").modules, "espeakng_loader", None)
    code, _, error = run("demo")
    assert code == 2
    assert "pip install espeakng-loader" in error


def test_a_student_of_another_width_is_refused(files, tmp_path, run):
    dnn_student(3, 5, units=(4,)).save(tmp_path / "narrow.keras")
    code, _, error = run(
        "convert",
        tmp_path / "narrow.keras",
        "--calibration",
        files / "test.npz",
        "--out",
        tmp_path,
    )
    assert code == 2
    assert "Expected arrays (batch, frames, 3) or (frames, 3)" in error
