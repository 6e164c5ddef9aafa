"""Architectures that people have, rebuilt small: they teach, learn, and go to C."""

import keras
import numpy as np
import pytest
from helpers.bundles import assert_proven, needs_cores
from keras import ops

from keras_rnn2dnn import (
    Distiller,
    SoftAlignmentKL,
    SoftAlignments,
    convert,
    dnn_student,
)
from keras_rnn2dnn.deploy import bundle, verify

L = keras.layers
FRAMES, BINS, CLASSES = 48, 8, 6
X = np.random.default_rng(0).normal(size=(64, FRAMES, BINS)).astype("float32")


def attention_rnn():
    """De Andrade et al. 2018: convolutions over time, LSTMs, attention by one frame."""
    inputs = keras.Input((FRAMES, BINS))
    x = L.Reshape((FRAMES, BINS, 1))(inputs)
    for channels in (4, 1):
        x = L.Conv2D(channels, (5, 1), padding="same", activation="relu")(x)
        x = L.BatchNormalization()(x)
    x = L.Reshape((FRAMES, BINS))(x)
    for _ in range(2):
        x = L.Bidirectional(L.LSTM(6, return_sequences=True))(x)
    query = L.Dense(12)(x[:, FRAMES // 2])
    scores = L.Softmax()(L.Dot(axes=[1, 2])([query, x]))
    x = L.Dense(8, activation="relu")(L.Dot(axes=1)([scores, x]))
    return keras.Model(inputs, L.Dense(CLASSES)(x))


def crnn():
    """Arik et al. 2017: a strided convolution, GRUs, the mean."""
    return keras.Sequential(
        [
            keras.Input((FRAMES, BINS)),
            L.Reshape((FRAMES, BINS, 1)),
            L.Conv2D(4, (8, 3), strides=(4, 2), padding="same", activation="relu"),
            L.Reshape((FRAMES // 4, -1)),
            L.Bidirectional(L.GRU(6, return_sequences=True)),
            L.GlobalAveragePooling1D(),
            L.Dense(CLASSES),
        ]
    )


def ds_cnn():
    """Zhang et al. 2017."""
    layers = [L.Conv2D(8, (10, 4), (2, 2), padding="same", use_bias=False)]
    layers += [L.BatchNormalization(), L.ReLU(), L.Dropout(0.2)]
    for _ in range(2):
        layers += [L.DepthwiseConv2D(3, padding="same", use_bias=False)]
        layers += [L.BatchNormalization(), L.ReLU()]
        layers += [L.Conv2D(8, 1, use_bias=False), L.BatchNormalization(), L.ReLU()]
    head = [L.AveragePooling2D((24, 4)), L.Flatten(), L.Dense(CLASSES)]
    return keras.Sequential([keras.Input((FRAMES, BINS, 1)), *layers, *head])


def tc_resnet():
    """Choi et al. 2019: bins as channels, residual blocks over time."""
    inputs = keras.Input((FRAMES, BINS))
    x = L.Reshape((FRAMES, 1, BINS))(inputs)
    x = L.Conv2D(6, (3, 1), padding="same", use_bias=False)(x)
    y = L.Conv2D(8, (9, 1), (2, 1), padding="same", use_bias=False)(x)
    y = L.ReLU()(L.BatchNormalization()(y))
    y = L.Conv2D(8, (9, 1), padding="same", use_bias=False)(y)
    y = L.BatchNormalization()(y)
    z = L.Conv2D(8, 1, (2, 1), use_bias=False)(x)
    z = L.ReLU()(L.BatchNormalization()(z))
    x = L.GlobalAveragePooling2D()(L.ReLU()(L.Add()([y, z])))
    return keras.Model(inputs, L.Dense(CLASSES)(L.Dropout(0.5)(x)))


class DeepSpeech2(keras.Model):
    """Amodei et al. 2016: two-dimensional convolutions, recurrent layers."""

    def __init__(self):
        super().__init__()
        self.conv = L.Conv2D(4, (11, 5), strides=(2, 2), padding="same")
        self.norm = L.BatchNormalization()
        self.rnns = [L.Bidirectional(L.GRU(6, return_sequences=True)) for _ in "ab"]
        self.logits = L.Dense(CLASSES)

    def call(self, inputs, training=False):
        x = ops.relu(self.norm(self.conv(inputs[..., None]), training=training))
        x = ops.reshape(x, (-1, ops.shape(x)[1], x.shape[2] * x.shape[3]))
        for rnn in self.rnns:
            x = rnn(x)
        return self.logits(x)


def blstm_ctc():
    """Graves et al. 2013, as Keras's examples write it."""
    inputs = keras.Input((None, BINS))
    x = L.Bidirectional(L.LSTM(6, return_sequences=True))(inputs)
    x = L.TimeDistributed(L.Dense(CLASSES, activation="softmax"))(x)
    return keras.Model(inputs, x)


def cnn_ctc():
    """Convolutions on images of which one frame in eight is left."""
    inputs = keras.Input((None, BINS, 1))
    x = inputs
    for channels in (4, 6, 6):
        x = L.Conv2D(channels, 3, strides=2, padding="same", activation="relu")(x)
    return keras.Model(inputs, L.Dense(CLASSES)(L.Reshape((-1, 6))(x)))


def strided_student(stride):
    """A student of one frame in so many."""
    layers = [L.Conv1D(8, 2 * stride, stride, padding="causal", activation="relu")]
    return keras.Sequential([keras.Input((None, BINS)), *layers, L.Dense(CLASSES)])


CLIPS = {"attention RNN": attention_rnn, "CRNN": crnn}
OF_FRAMES = {
    "DeepSpeech2": (DeepSpeech2, X, lambda: strided_student(2), True),
    "BLSTM-CTC": (
        blstm_ctc,
        X,
        lambda: dnn_student(BINS, CLASSES, (2, 2), (8,)),
        False,
    ),
    "CNN-CTC": (cnn_ctc, X[..., None], lambda: strided_student(8), True),
}
STUDENTS = {"DS-CNN": ds_cnn, "TC-ResNet": tc_resnet}


def images(student):
    """Gives a student the inputs that it wants."""
    return X[..., None] if len(student.input_shape) == 4 else X


def taught(teacher, teacher_x, student, student_x, logits=True):
    """Distils, and returns the divergence of the first and of the last epoch."""
    loss = SoftAlignmentKL(teacher_from_logits=logits)
    distiller = Distiller(teacher, student, loss)
    distiller.compile(keras.optimizers.Adam(0.01))
    x = {"teacher": teacher_x, "student": student_x}
    history = distiller.fit(x, batch_size=16, epochs=4, verbose=0).history["kl"]
    return history[0], history[-1]


@pytest.mark.parametrize(("name", "student"), [*zip(CLIPS, STUDENTS, strict=True)])
def test_recurrent_teachers_of_clips_teach_convolutions(name, student):
    keras.utils.set_random_seed(0)
    model = STUDENTS[student]()
    first, last = taught(CLIPS[name](), X, model, images(model))
    assert 0 < last < first


@pytest.mark.parametrize("name", OF_FRAMES)
def test_teachers_of_frames_teach_and_are_kept(name, tmp_path):
    keras.utils.set_random_seed(0)
    build, x, student, logits = OF_FRAMES[name]
    teacher = build()
    teacher(x[:1])
    first, last = taught(teacher, x, student(), X, logits)
    assert 0 < last < first
    store = SoftAlignments.write(
        tmp_path / "store",
        teacher,
        iter([{"teacher": x[:8], "student": X[:8]}]),
        teacher_from_logits=logits,
    )
    assert (store.num_utterances, store.num_classes) == (8, CLASSES)
    assert store.num_frames == 8 * teacher(x[:1]).shape[1]


@pytest.mark.parametrize("name", [*STUDENTS, "strides"])
def test_what_is_feed_forward_goes_to_c(name, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "measure_cores", lambda *arguments: None)
    keras.utils.set_random_seed(0)
    student = STUDENTS.get(name, lambda: strided_student(2))()
    report = convert(student, tmp_path, images(student))
    assert report.missing_c is None and (tmp_path / "c/model.h").exists()
    assert report.comparison["agreement"] > 0.8


@needs_cores
@pytest.mark.slow
@pytest.mark.parametrize("name", STUDENTS)
def test_it_is_proven_on_the_device(name, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "measure_cores", lambda *arguments: None)
    keras.utils.set_random_seed(0)
    student = STUDENTS[name]()
    taught(attention_rnn(), X, student, images(student))
    convert(student, tmp_path, images(student))
    found = verify(tmp_path)
    assert_proven(found)
