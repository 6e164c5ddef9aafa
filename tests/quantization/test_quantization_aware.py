import keras
import numpy as np
import pytest
from tensorflow.lite.python import schema_py_generated as schema

from keras_rnn2dnn import (
    Distiller,
    KLCallback,
    SoftAlignments,
    SpliceFrames,
    dnn_student,
    rnn_teacher,
)
from keras_rnn2dnn.deploy import Int8Student, convert
from keras_rnn2dnn.models.spliced_dense import SplicedDense
from keras_rnn2dnn.quantization import quantization_aware
from keras_rnn2dnn.quantization.fake_quant import FakeQuant, quantized_kernel
from keras_rnn2dnn.quantization.folding.affine import Affine
from keras_rnn2dnn.quantization.folding.affine_folding import fold_affine
from keras_rnn2dnn.quantization.folding.graph import student_graph
from keras_rnn2dnn.quantization.folding.rebuild import rebuild
from keras_rnn2dnn.quantization.ranges import calibrated_range, scale_and_zero_point

L = keras.layers
FEATURES, CLASSES = 6, 5


def speech_like(number=20, frames=150, seed=0):
    """Features that change slowly, as those of speech do."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(number, frames, FEATURES))
    for t in range(1, frames):
        x[:, t] = 0.8 * x[:, t - 1] + 0.6 * x[:, t]
    return x.astype("float32")


def stack(*layers):
    return keras.Sequential([keras.Input((None, FEATURES)), *layers])


def nested():
    inputs = keras.Input((None, FEATURES))
    layers = (L.Dropout(0.5), L.Dense(FEATURES, name="same"), L.ReLU())
    block = stack(SpliceFrames(1, 2, step=2), *layers)
    last = stack(L.Dense(CLASSES, name="same"))  # names are unique in one model only
    return keras.Model(inputs, last(block(inputs)))


def shared():
    inputs = keras.Input((None, FEATURES))
    layer = L.Dense(FEATURES, "relu")
    return keras.Model(
        inputs, L.Dense(CLASSES)(layer(L.Dense(FEATURES)(layer(inputs))))
    )


STUDENTS = {
    "dnn": lambda: dnn_student(FEATURES, CLASSES, (3, 2), (24, 16)),
    "tdnn": lambda: stack(
        L.Conv1D(16, 3, padding="same", activation="relu"),
        L.Conv1D(16, 3, padding="causal", dilation_rate=2),
        L.ReLU(max_value=6),
        L.Conv1D(16, 2, dilation_rate=3, activation="relu6", use_bias=False),
        L.Dense(CLASSES),
    ),
    "strided": lambda: stack(
        L.ReLU(), L.Conv1D(16, 5, strides=2, padding="causal"), L.Dense(CLASSES)
    ),
    "depthwise": lambda: stack(
        L.DepthwiseConv1D(3, strides=2, depth_multiplier=2, activation="relu6"),
        L.Dense(CLASSES),
    ),
    "separable": lambda: stack(
        L.SeparableConv1D(16, 3, padding="same", depth_multiplier=2, dilation_rate=2),
        L.BatchNormalization(),
        L.ReLU(),
        L.Dense(CLASSES),
    ),
    "nested": nested,
    "shared": shared,
    "normalised": lambda: stack(
        L.Normalization(mean=[0.5] * FEATURES, variance=[2.0] * FEATURES),
        L.Conv1D(16, 3),
        L.BatchNormalization(),
        L.ReLU(),
        L.BatchNormalization(),
        L.Dense(CLASSES),
    ),
    "activation layer": lambda: stack(
        L.Dense(16), L.Activation("relu"), L.Dense(CLASSES, "relu")
    ),
}


def inner(logits, field, frames):
    """Cuts off the frames near the ends, where only devices repeat edge frames."""
    start = -(-field.left // field.stride)
    return logits[:, start : (frames - 1 - field.right) // field.stride + 1]


@pytest.mark.parametrize("name", STUDENTS)
def test_the_student_and_its_int8_file_take_the_same_decisions(name, tmp_path):
    student, x = STUDENTS[name](), speech_like()
    aware = quantization_aware(student, x[:10])
    report = convert(aware, tmp_path, x)
    assert report.calibration["ranges"] == "student"
    folded = {"normalised": 4 * (16 + 16), "separable": 4 * 16}.get(name, 0)
    assert report.parameters == student.count_params() - folded
    device = Int8Student.load(tmp_path)
    other = speech_like(40, seed=1)
    logits, received = aware(other).numpy(), device.predict(other)
    if name != "dnn":  # whose edges are those of the device
        field, frames = device.receptive_field, other.shape[1]
        logits, received = (inner(z, field, frames) for z in (logits, received))
    assert received.shape == logits.shape
    same = logits.argmax(-1) == received.argmax(-1)
    assert same.size > 2000 and same.mean() >= (0.999 if name == "dnn" else 0.995)
    # They differ by the rounding of sums on the edge between two steps, which runtimes
    # do in different ways.
    scale, _ = device.output_quantization
    steps = np.abs(logits - received) / scale
    assert steps.max() < 2.5 and (steps > 0.5).mean() < 0.06
    best = np.sort(logits, axis=-1)
    assert np.all((best[..., -1] - best[..., -2])[~same] < 2.5 * scale)


def test_the_file_has_the_ranges_of_the_student(tmp_path):
    student, x = STUDENTS["dnn"](), speech_like()
    aware = quantization_aware(student, x, ranges="mse")
    report = convert(aware, tmp_path, 3 * x)  # other ranges, if these set them
    layers = [layer for layer in aware.layers if isinstance(layer, FakeQuant)]
    assert [layer.name for layer in layers] == [
        "mask_int8",
        "dense_1_int8",
        "dense_2_int8",
        "logits_int8",
    ]
    assert (layers[0].low, layers[0].high) == calibrated_range(x, "mse")
    content = (tmp_path / "student.tflite").read_bytes()
    graph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
    tensors = [graph.Tensors(k) for k in range(graph.TensorsLength())]
    received = {
        (q.Scale(0), q.ZeroPoint(0))
        for q in (t.Quantization() for t in tensors if t.Shape(0) == 1)
    }
    expected = [scale_and_zero_point(layer.low, layer.high) for layer in layers]
    np.testing.assert_allclose(sorted(received), sorted(expected), rtol=1e-6)
    assert report.operators == ("FULLY_CONNECTED", "RESHAPE")


def test_it_computes_what_numpy_computes():
    student, x = dnn_student(FEATURES, CLASSES, (0, 0), (8,)), speech_like()
    aware = quantization_aware(student, x, ranges="minmax")
    kernel, bias, last, last_bias = map(np.float64, student.get_weights())

    def rounded(values):
        scale, zero_point = scale_and_zero_point(min(values.min(), 0), values.max())
        steps = np.clip(np.rint(values / scale) + zero_point, -128, 127)
        return (
            lambda v: (
                scale
                * (np.clip(np.rint(v / scale) + zero_point, -128, 127) - zero_point)
            ),
            scale * (steps - zero_point),
        )

    hidden = np.maximum(x @ kernel + bias, 0)
    logits = hidden @ last + last_bias
    of_x, of_hidden, of_logits = (rounded(v)[0] for v in (x, hidden, logits))
    kernel, last = (quantized_kernel(k).numpy() for k in (kernel, last))
    expected = of_hidden(np.maximum(of_x(x) @ kernel + bias, 0))
    expected = of_logits(expected @ last + last_bias)
    difference = np.abs(aware(x).numpy() - expected)
    assert (difference > 1e-4).mean() < 1e-3  # on the edge between two steps


def test_padding_does_not_change_what_counts():
    aware = quantization_aware(STUDENTS["dnn"](), speech_like())
    (x,) = speech_like(1, 40)
    padded = np.zeros((2, 60, FEATURES), "float32")
    padded[0, :40], padded[1] = x, speech_like(1, 60)[0]
    received = aware(padded)
    assert received._keras_mask.numpy().sum(1).tolist() == [40, 60]
    np.testing.assert_allclose(received[0, :40], aware(x[None])[0], atol=1e-5)


@pytest.mark.slow
def test_an_epoch_on_soft_alignments_brings_it_closer_to_the_teacher(tmp_path):
    x = speech_like(40, 60)
    x[0, 40:] = 0  # padding
    teacher = rnn_teacher(FEATURES, CLASSES, units=(8,))
    teacher.layers[-1].set_weights([5 * w for w in teacher.layers[-1].get_weights()])
    store = SoftAlignments.write(tmp_path / "store", teacher, x)
    student = STUDENTS["dnn"]()
    aware = quantization_aware(student, x)
    before = [w.copy() for w in student.get_weights()]
    distiller = Distiller(None, aware)
    distiller.compile(keras.optimizers.Adam(0.01))
    watch = KLCallback((x, teacher(x).numpy()))
    history = distiller.fit(
        store.dataset(8), epochs=3, verbose=0, callbacks=[watch]
    ).history
    assert history["kl"][2] < 0.8 * history["kl"][0]
    assert history["val_kl"][2] < history["val_kl"][0]
    for old, kept, new in zip(
        before, student.get_weights(), aware.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(old, kept)  # a copy was trained
        assert np.abs(new - old).max() > 1e-3
    report = convert(aware, tmp_path / "device", x)
    assert report.comparison["agreement"] >= 0.995
    Distiller(teacher, aware).compile("adam")


def test_it_is_saved_and_loaded(tmp_path):
    x = speech_like()
    for name in ("dnn", "tdnn"):
        aware = quantization_aware(STUDENTS[name](), x)
        aware.save(tmp_path / "aware.keras")
        loaded = keras.saving.load_model(tmp_path / "aware.keras")
        np.testing.assert_array_equal(aware(x), loaded(x))
        assert [type(layer) for layer in loaded.layers] == [
            type(layer) for layer in aware.layers
        ]


def test_a_student_of_mixed_precision_is_rebuilt_in_float32():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        aware = quantization_aware(STUDENTS["dnn"](), speech_like())
        assert aware(speech_like(1)).dtype == "float32"
    finally:
        keras.mixed_precision.set_global_policy("float32")


def test_a_layer_whose_outputs_are_all_zero_can_be_revived():
    student = stack(L.Dense(8, "relu", name="dead"), L.Dense(CLASSES))
    student.layers[0].set_weights([np.zeros((FEATURES, 8)), -np.ones(8)])
    aware = quantization_aware(student, speech_like())
    (layer,) = (layer for layer in aware.layers if layer.name == "dead_int8")
    assert (layer.low, layer.high) == (0.0, 1.0)
    assert np.isfinite(aware(speech_like(1))).all()


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (L.AveragePooling1D(2, name="mean"), r"mean \(AveragePooling1D\)"),
        (L.Dense(4, "silu", name="smooth"), r"smooth \(Dense\)'. .*relu, relu6 and no"),
        (L.LeakyReLU(name="leak"), r"leak \(LeakyReLU\)"),
        (L.LSTM(4, return_sequences=True, name="loop"), r"loop \(LSTM\)"),
        (L.Activation("tanh", name="bend"), r"bend \(Activation\)"),
        (FakeQuant(-1, 1, name="again"), r"again \(FakeQuant\)"),
    ],
)
def test_other_layers_are_refused_by_name(layer, named):
    with pytest.raises(ValueError, match=named):
        quantization_aware(stack(layer, L.Dense(CLASSES)), speech_like())


def padded(*padding):
    return stack(
        L.BatchNormalization(name="norm"),
        *padding,
        L.Conv1D(4, 3, padding="valid" if padding else "same"),
    )


@pytest.mark.parametrize("padding", [(), (L.ZeroPadding1D(1),)])
def test_a_shift_before_zeros_of_padding_is_refused_with_the_remedy(padding):
    student = padded(*padding)
    student.layers[0].set_weights([np.full(FEATURES, 0.5)] * 4)
    with pytest.raises(ValueError) as error:
        quantization_aware(student, speech_like())
    assert str(error.value).endswith(
        "Received: student='norm (BatchNormalization)'. quantization_aware folds it "
        "into a layer with weights: put it directly after one without activation, or "
        "before one that pads with no zeros (Dense, SplicedDense, Conv1D with "
        'padding="valid")'
    )


def test_what_is_folded_is_the_same_up_to_the_edges():
    student = stack(
        L.Rescaling(2.0),  # no shift: zeros stay zeros
        L.Conv1D(8, 3, padding="causal"),
        L.BatchNormalization(),
        L.ReLU(),
        L.BatchNormalization(),
        SplicedDense(CLASSES, 2, 1),
    )
    rng = np.random.default_rng(0)
    for weight in student.weights:
        weight.assign(rng.uniform(0.1, 2.0, weight.shape))
    graph = student_graph(student)
    fold_affine(graph.steps, padded=True)
    inputs, outputs = rebuild(student, graph.steps)
    folded = keras.Model(inputs, outputs[-1])
    assert not any(isinstance(layer, Affine) for layer in folded.layers)
    x = speech_like(3, 20)
    np.testing.assert_allclose(folded(x), student(x), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("last", ["layer", "activation"])
def test_a_softmax_at_the_end_stays_and_is_left_out_of_the_file(last, tmp_path):
    softmax = last == "activation"
    end = [L.Dense(CLASSES, "softmax" if softmax else None, name="end")]
    student = stack(L.Dense(8, "relu"), *end, *([] if softmax else [L.Softmax()]))
    x = speech_like()
    aware = quantization_aware(student, x)
    np.testing.assert_allclose(aware(x).numpy().sum(-1), 1.0, rtol=1e-5)
    assert np.abs(aware(x).numpy() - student(x)).max() < 0.05
    report = convert(aware, tmp_path, x)
    assert report.operators == ("FULLY_CONNECTED",)
    assert report.comparison["agreement"] > 0.99
    posteriors = keras.ops.softmax(Int8Student.load(tmp_path).predict(x[:2]))
    assert np.abs(posteriors - aware(x[:2])).max() < 0.05


def test_what_sets_no_ranges_is_refused():
    student = STUDENTS["dnn"]()
    with pytest.raises(ValueError, match="`ranges`. Expected one of"):
        quantization_aware(student, speech_like(), ranges="entropy")
    with pytest.raises(ValueError, match="Expected at least one frame"):
        quantization_aware(student, np.zeros((2, 5, FEATURES)))


@pytest.mark.parametrize(
    "option", [{"ranges": "mse"}, {"activations": "int16"}, {"activations": "int4"}]
)
def test_convert_takes_no_other_ranges(option, tmp_path):
    aware = quantization_aware(STUDENTS["dnn"](), speech_like())
    with pytest.raises(ValueError, match=f"Invalid value for `{next(iter(option))}`"):
        convert(aware, tmp_path / "out", speech_like(), **option)
    assert not (tmp_path / "out").exists()
