import hashlib
import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_rnn2dnn
from keras_rnn2dnn import Distiller, LogMel, SpliceFrames, dnn_student
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.deploy import Int8Student, convert

L = keras.layers
FEATURES, CLASSES = 4, 3
WEIGHTS = (7 * FEATURES * 8, 8 * 6, 6 * CLASSES)


def features(number=12, frames=70, seed=0):
    shape = (number, frames, FEATURES)
    return np.random.default_rng(seed).uniform(-2, 2, shape).astype("float32")


def student():
    return dnn_student(FEATURES, CLASSES, context=(4, 2), units=(8, 6))


def stack(*layers):
    return keras.Sequential([keras.Input((None, FEATURES)), *layers])


def test_the_numbers_of_the_report_are_those_counted_by_hand(tmp_path):
    x = features()
    report = convert(student(), tmp_path, x, frame_step_ms=12.5)
    content = (tmp_path / "student.tflite").read_bytes()
    assert (report.tflite, report.bytes) == ("student.tflite", len(content))
    assert report.sha256 == hashlib.sha256(content).hexdigest()
    assert report.multiply_accumulates == sum(WEIGHTS)
    assert report.parameters == sum(WEIGHTS) + 8 + 6 + CLASSES
    assert report.context == {"left": 4, "right": 2, "window": 7, "stride": 1}
    assert (report.latency_frames, report.latency_ms) == (2, 25.0)
    assert report.operators == ("FULLY_CONNECTED", "RESHAPE")
    # 12 utterances of 70 frames: 2 held back, 700 windows are all there are.
    calibration = {"utterances": 10, "windows": 700, "ranges": "minmax"}
    assert report.calibration == calibration
    assert (report.comparison["utterances"], report.comparison["frames"]) == (2, 140)
    assert report.comparison["wer_float"] is report.comparison["wer_int8"] is None
    assert report.feature_spec is None
    assert report.versions["keras_rnn2dnn"] == keras_rnn2dnn.__version__
    assert report.versions["tensorflow"] == tf.__version__
    calibrated = np.sort(np.random.default_rng(0).permutation(12)[2:])
    scale = np.ptp(x[calibrated]) / 255
    assert report.quantization["input"]["scale"] == pytest.approx(scale, rel=1e-5)
    assert json.loads((tmp_path / "report.json").read_text()) == report.to_dict()


def test_multiply_accumulates_of_convolutions_count_their_positions(tmp_path):
    model = stack(
        L.Conv1D(8, 3, padding="same"),  # needed on 3 frames
        L.DepthwiseConv1D(3, padding="same"),  # needed on 1 frame
        L.Dense(CLASSES),
    )
    report = convert(model, tmp_path, features())
    expected = 3 * (3 * FEATURES * 8) + 3 * 8 + 8 * CLASSES
    assert report.multiply_accumulates == expected


def test_float_and_int8_agree_on_the_utterances_held_back(tmp_path):
    x, model = features(), student()
    report = convert(model, tmp_path, x, seed=5)
    held = np.random.default_rng(5).permutation(12)[:2]
    p = tf.nn.log_softmax(model(x[np.sort(held)]), axis=-1).numpy().astype(np.float64)
    z = Int8Student.load(tmp_path).predict(x[np.sort(held)]).astype(np.float64)
    q = z - np.log(np.exp(z).sum(-1, keepdims=True))
    kl = (np.exp(p) * (p - q)).sum(-1).mean()
    assert report.comparison["kl"] == pytest.approx(kl, rel=1e-3)
    assert report.comparison["agreement"] == (p.argmax(-1) == q.argmax(-1)).mean()
    assert 0 < report.comparison["kl"] < 2e-3
    assert report.comparison["agreement"] > 0.95


def test_int16_is_finer_than_int8(tmp_path):
    x, model = features(), student()
    reports = {}
    for activations in ("int8", "int16"):
        out = tmp_path / activations
        reports[activations] = convert(model, out, x, activations=activations)
        dtypes = {v["dtype"] for v in reports[activations].quantization.values()}
        assert dtypes == {activations}
    assert reports["int16"].comparison["kl"] < reports["int8"].comparison["kl"] / 3
    assert "KL(float || int16)" in str(reports["int16"])
    assert reports["int16"].bytes < reports["int8"].bytes + 1500
    assert Int8Student.load(tmp_path / "int16").predict(x).shape == (12, 70, CLASSES)


def residual():
    inputs = keras.Input((None, FEATURES))
    x = L.Dense(6)(inputs)
    y = keras.Sequential([L.Conv1D(6, 3, padding="same"), L.ReLU()])(x)
    return keras.Model(inputs, L.Dense(CLASSES)(L.Add()([x, y])))


@pytest.mark.parametrize(
    "build",
    [
        lambda: stack(SpliceFrames(2, 1), L.Dense(6, "relu"), L.Dense(CLASSES)),
        lambda: stack(
            L.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="relu"),
            L.Conv1D(CLASSES, 3, padding="causal"),
        ),
        residual,
        lambda: stack(L.Conv1D(6, 3, strides=2), L.Conv1D(CLASSES, 2)),
    ],
    ids=["spliced", "causal tdnn", "residual", "valid with stride"],
)
def test_students_of_every_build_convert(build, tmp_path):
    x = features(number=20)
    model = build()
    report = convert(model, tmp_path, x)
    field = report.context
    logits, received = model(x).numpy(), Int8Student.load(tmp_path).predict(x)
    start = -(-field["left"] // field["stride"])
    stop = (len(x[0]) - 1 - field["right"]) // field["stride"] + 1
    difference = np.abs(logits[:, start:stop] - received[:, start:stop])
    # The largest logits saturate where the calibration has not seen as large ones.
    assert 0 < np.percentile(difference, 98) < 0.02 * np.abs(logits).max()


def test_a_student_of_mixed_precision_converts(tmp_path):
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        report = convert(student(), tmp_path, features())
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert report.operators == ("FULLY_CONNECTED", "RESHAPE")
    assert report.comparison["kl"] < 2e-3


def test_a_student_built_anew_with_the_same_weights_gives_the_same_bytes(tmp_path):
    model = residual()
    rebuilt = residual()  # other automatic names
    rebuilt.set_weights(model.get_weights())
    shas = [
        convert(m, tmp_path / str(k), features()).sha256
        for k, m in enumerate((model, rebuilt))
    ]
    assert shas[0] == shas[1]


def test_the_calibration_may_come_in_every_form(tmp_path):
    x, model = features(), student()
    x[3, 50:] = 0  # padding
    lists = [row[:50] if k == 3 else row for k, row in enumerate(x)]
    dataset = tf.data.Dataset.from_tensor_slices((x, np.zeros(12))).batch(5)
    forms = [x, lists, dataset, ([x[:7], x[7:]])]
    reports = [convert(model, tmp_path / str(k), f) for k, f in enumerate(forms)]
    assert len({report.sha256 for report in reports}) == 1
    frames = [
        report.calibration["windows"] + report.comparison["frames"]
        for report in reports
    ]
    assert frames == [12 * 70 - 20] * 4


def test_the_same_call_writes_the_same_bytes(tmp_path):
    shas = []
    for name in ("one", "two"):
        keras.utils.set_random_seed(7)
        shas.append(convert(student(), tmp_path / name, features()).sha256)
    assert shas[0] == shas[1]


def test_the_conversion_is_quiet(tmp_path, capfd, caplog):
    model = student()
    model(features())
    capfd.readouterr()  # TensorFlow's own start
    convert(model, tmp_path, features())
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_the_report_holds_the_word_error_rates_of_the_utterances_held_back(tmp_path):
    x, model = features(), student()
    held = np.sort(np.random.default_rng(0).permutation(12)[:2])
    words = [" ".join("abc"[k] for k in row) for row in model(x).numpy().argmax(-1)]
    words = [text.replace("a", "x", 3) for text in words]  # three errors in each

    def decode(logits):
        assert [z.shape for z in logits] == [(70, CLASSES)] * 2
        return [" ".join("abc"[k] for k in z.argmax(-1)) for z in logits]

    report = convert(model, tmp_path, x, decode=decode, references=words)
    assert report.comparison["wer_float"] == pytest.approx(3 / 70)
    int8 = decode(Int8Student.load(tmp_path).predict(list(x[held])))
    wrong = sum(
        a != b
        for k, text in zip(held, int8, strict=True)
        for a, b in zip(words[k].split(), text.split(), strict=True)
    )
    assert abs(report.comparison["wer_int8"] - wrong / 140) < 0.02


def test_too_little_calibration_data_is_refused_with_both_counts(tmp_path):
    with pytest.raises(ValueError) as error:
        convert(student(), tmp_path / "out", features(number=5, frames=100))
    assert str(error.value) == (
        "Invalid value for `calibration`. Expected at least 500 context windows. "
        "Received: calibration=400. That is what 4 utterances give, the others being "
        "held back for the comparison: give more real utterances"
    )
    with pytest.raises(ValueError, match="Expected at least 2 utterances"):
        convert(student(), tmp_path / "out", features(number=1, frames=900))
    assert not (tmp_path / "out").exists()


def test_a_feature_spec_gives_the_frame_step_and_goes_into_the_report(tmp_path):
    spec = SimpleNamespace(frame_step_ms=20.0, to_dict=lambda: {"bins": 24})
    report = convert(student(), tmp_path, features(), feature_spec=spec)
    assert (report.latency_ms, report.feature_spec) == (40.0, {"bins": 24})
    report = convert(student(), tmp_path, features(), feature_spec={"frame_step_ms": 5})
    assert (report.latency_ms, report.feature_spec) == (10.0, {"frame_step_ms": 5})
    layer = LogMel(8000, num_bins=FEATURES, frame_step_ms=8.0)
    report = convert(student(), tmp_path, features(), feature_spec=layer)
    assert (report.latency_ms, report.feature_spec) == (16.0, layer.spec.to_dict())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"frame_step_ms": 0},
            "Invalid value for `frame_step_ms`. Expected a number > 0. Received: "
            "frame_step_ms=0",
        ),
        (
            {"num_calibration_windows": 0},
            "Invalid value for `num_calibration_windows`. Expected an integer >= 1. "
            "Received: num_calibration_windows=0",
        ),
        (
            {"references": ["one"] * 12},
            "Invalid value for `decode`. Expected a value, since `references` is "
            "given. Received: decode=None",
        ),
        (
            {"references": ["one"], "decode": list},
            "Invalid value for `references`. Expected 12 references, one per "
            "utterance. Received: references=1",
        ),
        (
            {"feature_spec": 3},
            "Invalid value for `feature_spec`. Expected a dict or an object with "
            "`to_dict()`. Received: feature_spec=3",
        ),
        (
            {"feature_spec": FeatureSpec(8000, num_bins=24)},
            "Invalid value for `feature_spec`. Expected features of 4 bins, as the "
            "student takes. Received: feature_spec='24 bins'. Is it the specification "
            "of this student's features?",
        ),
        (
            {"feature_spec": FeatureSpec(8000, num_bins=4, num_cepstra=3)},
            "Invalid value for `feature_spec`. Expected features of 4 cepstra, as the "
            "student takes. Received: feature_spec='3 cepstra'. Is it the "
            "specification of this student's features?",
        ),
    ],
)
def test_an_invalid_option_is_refused_before_any_work(options, message, tmp_path):
    with pytest.raises(ValueError) as error:
        convert(student(), tmp_path / "out", features(), **options)
    assert str(error.value) == message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((3, 4, 5)), r"arrays \(batch, frames, 4\) or \(frames, 4\).*5\)"),
        (3, r"arrays \(batch, frames, 4\).*calibration='int'"),
        ([{"student": np.zeros((3, 4, 4))}], "Give the student's features alone"),
        (np.full((3, 4, 4), np.nan), "finite features"),
    ],
)
def test_calibration_data_of_another_form_is_refused(given, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        convert(student(), tmp_path, given)


def test_a_file_in_place_of_the_directory_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(ValueError, match="Expected a directory, or none"):
        convert(student(), tmp_path / "out", features())


def test_a_distiller_in_place_of_its_student_is_refused(tmp_path):
    with pytest.raises(ValueError) as error:
        convert(Distiller(None, student()), tmp_path, features())
    assert str(error.value) == (
        "Invalid value for `student`. Expected a Functional or Sequential Keras model "
        "of (batch, frames, features). Received: student='distiller'. It holds teacher "
        "and student: give its `.student`"
    )


def test_a_student_with_its_features_inside_is_refused(tmp_path):
    layer = LogMel(8000, num_bins=FEATURES)
    whole = keras.Sequential([keras.Input((None,)), layer, student()])
    with pytest.raises(ValueError, match="features are computed outside of it"):
        convert(whole, tmp_path, features())


class Backwards(keras.Sequential):
    """Looks at frames of which its layers say nothing."""

    def call(self, inputs, training=None, mask=None):
        return super().call(inputs[:, ::-1])


def test_a_student_that_is_not_what_its_layers_say_is_refused(tmp_path):
    model = Backwards([keras.Input((None, FEATURES)), L.Dense(CLASSES)], name="odd")
    with pytest.raises(ValueError) as error:
        convert(model, tmp_path / "out", features())
    text = str(error.value)
    assert text.startswith(
        "Invalid value for `student`. Expected a student whose frames depend on their "
        "context window alone. Received: student='odd'. Its logits differ by "
    )
    assert text.endswith(
        "Does it override `call`, or look at more than its layers say?"
    )


def contents(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_failed_conversion_leaves_the_files_of_the_last_good_one(
    tmp_path, monkeypatch
):
    convert(student(), tmp_path, features())
    before = contents(tmp_path)

    def fail(tflite, activations):
        raise RuntimeError("no")

    module = convert.__globals__
    monkeypatch.setitem(module, "check_runs_on_device", fail)
    with pytest.raises(RuntimeError, match="no"):
        convert(student(), tmp_path, features(seed=1))
    monkeypatch.undo()

    real = module["Path"].write_bytes

    def full(path, content):
        real(path, content[:10])
        raise OSError("disk full")

    monkeypatch.setattr(module["Path"], "write_bytes", full)
    with pytest.raises(OSError, match="disk full"):
        convert(student(), tmp_path, features(seed=1))
    monkeypatch.undo()
    assert contents(tmp_path) == before


@pytest.mark.parametrize("merge", [L.Add, L.Subtract, L.Average, L.Multiply])
def test_a_dense_layer_on_merged_branches_keeps_a_bias_of_its_own(merge, tmp_path):
    """TensorFlow 2.17 folded one branch into the bias: no runtime loaded the file."""
    inputs = keras.Input((None, FEATURES))
    x = L.Dense(6, "relu")(inputs)
    merged = merge()([x, L.Dense(6, "relu")(x)])
    model = keras.Model(inputs, L.Dense(CLASSES)(merged))
    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(rng.uniform(-0.7, 0.9, weight.shape))
    report = convert(model, tmp_path, features())
    assert report.comparison["kl"] < 2e-3
    assert report.comparison["agreement"] > 0.95
