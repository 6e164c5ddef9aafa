import keras
import numpy as np
import pytest

from keras_rnn2dnn import Distiller
from keras_rnn2dnn.models.masked_statistics import has_statistics, statistics_of

LENGTHS = (9, 4)


def layers(kind):
    normalization = keras.layers.BatchNormalization(momentum=0.0, name="statistics")
    conv = keras.layers.Conv1D(3, 1)
    return {
        "first": [normalization],
        "dense": [keras.layers.Dense(3), normalization],
        "convolution": [conv, normalization],
        "strides": [keras.layers.Conv1D(3, 1, strides=3), normalization],
        "two dimensions": [
            keras.layers.Reshape((-1, 3, 1)),
            keras.layers.Conv2D(2, (1, 3), padding="same"),
            normalization,
            keras.layers.Reshape((-1, 6)),
        ],
        "nested": [keras.Sequential([keras.layers.Dense(3), normalization])],
    }[kind]


def padded(value=7.0):
    x = np.random.default_rng(0).normal(5, size=(2, 9, 3)).astype("float32")
    weights = (np.arange(9) < np.array(LENGTHS)[:, None]).astype("float32")
    x[weights == 0] = value
    return x, weights


def normalization_of(model):
    (layer,) = (n for n in model._flatten_layers() if n.name == "statistics")
    return layer


@pytest.mark.parametrize(
    ("kind", "told_by"),
    [
        ("first", "weights"),
        ("convolution", "weights"),
        ("strides", "weights"),
        ("two dimensions", "weights"),
        ("nested", "weights"),
        ("first", "the teacher's mask"),
        ("convolution", "the teacher's mask"),
    ],
)
def test_padding_is_not_in_the_statistics(kind, told_by):
    x, weights = padded(7.0 if told_by == "weights" else 0.0)
    step = 3 if kind == "strides" else 1
    student = keras.Sequential([keras.Input((None, 3)), *layers(kind)])
    student.add(keras.layers.Dense(5))
    # Of the real frames alone, one after the other as one utterance.
    real = np.concatenate(
        [
            row[:n]
            for row, n in zip(x[:, ::step], (9 // step, -(-4 // step)), strict=True)
        ]
    )
    inner = normalization_of(student)
    seen = []
    call = inner.call
    inner.call = lambda inputs, **options: (
        seen.append(inputs) or call(inputs, **options)
    )
    student(real.reshape(1, -1, 3) if step == 1 else np.repeat(real, 3, 0)[None])
    del inner.call
    values = np.asarray(seen[0], "float64")
    axes = tuple(range(values.ndim - 1))
    teacher_layers = [keras.layers.Masking()] if told_by != "weights" else []
    if step > 1:
        teacher_layers.append(keras.layers.AveragePooling1D(3))
    teacher = keras.Sequential(
        [keras.Input((None, 3)), *teacher_layers, keras.layers.Dense(5)]
    )
    distiller = Distiller(teacher, student)
    eager = kind in ("convolution", "nested")
    distiller.compile(keras.optimizers.SGD(0.0), run_eagerly=eager)
    options = {"sample_weight": weights[:, ::step]} if told_by == "weights" else {}
    distiller.fit(x, verbose=0, **options)
    np.testing.assert_allclose(
        inner.moving_mean, values.mean(axes), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        inner.moving_variance, values.var(axes), rtol=1e-3, atol=1e-5
    )


def test_layers_are_left_as_they_were():
    model = keras.Sequential([keras.Input((None, 3)), *layers("first")])
    _, weights = padded()
    assert has_statistics(model)
    with pytest.raises(RuntimeError), statistics_of(model, weights > 0):
        raise RuntimeError
    assert "call" not in vars(model.layers[-1])
    model.layers[-1].trainable = False
    assert not has_statistics(model)


@pytest.mark.parametrize("kind", ["first", "convolution", "nested"])
def test_a_batch_in_which_nothing_counts_leaves_the_statistics(kind):
    student = keras.Sequential([keras.Input((None, 3)), *layers(kind)])
    student.add(keras.layers.Dense(5))
    teacher = keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(5)])
    distiller = Distiller(teacher, student)
    distiller.compile(keras.optimizers.SGD(0.0))
    x, weights = padded()
    first = [np.array(w) for w in normalization_of(student).weights]
    distiller.fit(x, sample_weight=weights, verbose=0)
    expected = [np.array(w) for w in normalization_of(student).weights]
    assert not np.allclose(expected[2], first[2])
    again = np.concatenate([x, np.full_like(x, 7.0)])
    nothing = np.concatenate([weights, np.zeros_like(weights)])
    distiller.fit(again, sample_weight=nothing, batch_size=2, shuffle=False, verbose=0)
    for received, value in zip(
        normalization_of(student).weights, expected, strict=True
    ):
        np.testing.assert_allclose(received, value, rtol=1e-4, atol=1e-5)
