"""Models run on batches of any length give what an eager run gives."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn import Distiller, SoftAlignments
from keras_rnn2dnn.batches.inference import Inference, inference_function
from keras_rnn2dnn.batches.predicting import predict_utterances

FEATURES, CLASSES = 4, 5


def features(utterances=8, frames=60):
    rng = np.random.default_rng(0)
    return rng.normal(size=(utterances, frames, FEATURES)).astype("float32")


def log_softmax64(z):
    z = np.asarray(z, "float64")
    return z - np.log(np.sum(np.exp(z), -1, keepdims=True))


def time_distributed():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((None, FEATURES)),
            keras.layers.Dense(6, "tanh"),
            keras.layers.TimeDistributed(keras.layers.Dense(CLASSES)),
        ]
    )


def over_time(frames=60):
    """Mixes the frames of utterances of one length."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((frames, FEATURES))
    mixed = keras.layers.Permute((2, 1))(inputs)
    mixed = keras.layers.Dense(frames, activation="tanh")(mixed)
    outputs = keras.layers.Dense(CLASSES)(keras.layers.Permute((2, 1))(mixed))
    return keras.Model(inputs, outputs)


def images(frames=60):
    """A network of images, as many public speech models are."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((frames, FEATURES, 1))
    maps = keras.layers.Conv2D(3, 3, padding="same", activation="relu")(inputs)
    maps = keras.layers.Reshape((frames, 3 * FEATURES))(maps)
    recurrent = keras.layers.LSTM(6, return_sequences=True)(maps)
    return keras.Model(inputs, keras.layers.Dense(CLASSES)(recurrent))


class OfThree(keras.layers.Layer):
    """Works on batches of three utterances alone."""

    def call(self, inputs):
        return tf.reshape(inputs, (3, -1, FEATURES))


def three_utterances():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, FEATURES), batch_size=3)
    outputs = keras.layers.Dense(CLASSES)(OfThree()(inputs))
    return keras.Model(inputs, outputs)


def in_python():
    class Eager(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(CLASSES)

        def call(self, inputs):
            return self.dense(inputs * float(tf.reduce_max(inputs).numpy()))

    return Eager()


def test_a_lost_time_axis_is_noticed():
    model, x = time_distributed(), features()
    expected = model(x, training=False).numpy()
    outputs = inference_function(model)(x)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


@pytest.mark.parametrize("frames", [1, 2, 8])
def test_a_lost_time_axis_is_noticed_however_short_the_first_batch_is(frames):
    model = time_distributed()
    run = inference_function(model)
    run(features(frames=frames))
    x = features()
    np.testing.assert_allclose(run(x), model(x, training=False), atol=1e-5)


def test_utterances_of_all_lengths_are_predicted_whole():
    model, x = time_distributed(), features(3, 40)
    utterances = [x[0], x[1, :7], x[2, :8], x[0, :7]]
    for one, found in zip(
        utterances, predict_utterances(model, utterances), strict=True
    ):
        np.testing.assert_allclose(found, model(one[None])[0], atol=1e-5)


def test_the_store_holds_all_frames_of_a_teacher_that_is_wrong_when_compiled(tmp_path):
    model, x = time_distributed(), features()
    store = SoftAlignments.write(tmp_path / "store", model, x)
    assert store.num_frames == 8 * 60
    expected = log_softmax64(model(x, training=False))
    for utterance, soft in zip(store.utterances(), expected, strict=True):
        np.testing.assert_allclose(utterance.soft, soft, atol=4e-3)  # of float16


@pytest.mark.parametrize("build", [over_time, images])
def test_teachers_of_one_length_hear_zeros_behind_shorter_utterances(tmp_path, build):
    model, x = build(), features()
    x[3, 41:] = 0
    if build is images:
        x = x[..., None]
    store = SoftAlignments.write(tmp_path / "store", model, x)
    assert store.num_frames == 7 * 60 + 41
    expected = log_softmax64(model(x, training=False))
    for utterance, soft in zip(store.utterances(), expected, strict=True):
        frames = len(utterance.soft)
        np.testing.assert_allclose(utterance.soft, soft[:frames], atol=4e-3)


def test_teachers_of_a_fixed_batch_size_are_run_so(tmp_path):
    model, x = three_utterances(), features(8, 10)
    store = SoftAlignments.write(tmp_path / "store", model, x)
    assert (store.num_utterances, store.num_frames) == (8, 80)
    expected = [log_softmax64(model(np.stack([one] * 3))[0]) for one in x]
    for utterance, soft in zip(store.utterances(), expected, strict=True):
        np.testing.assert_allclose(utterance.soft, soft, atol=4e-3)


def test_outputs_of_the_padding_are_left_out_with_strides_too():
    inputs = keras.Input((12, FEATURES))
    outputs = keras.layers.Conv1D(CLASSES, 3, strides=3, padding="same")(inputs)
    run = inference_function(keras.Model(inputs, outputs))
    assert run(features(2, 7)).shape == (2, 3, CLASSES)  # of frames 0, 3 and 6


def test_utterances_longer_than_the_model_takes_are_named(tmp_path):
    x = features(2, 61)
    x[0, 60:] = 0
    data = x, {"ids": ["short", "long"]}
    message = (
        "The utterance 'long': An utterance is longer than the model takes. Expected "
        "at most 60 frames, the size of its input. Received: 61 frames"
    )
    with pytest.raises(ValueError, match=message):
        SoftAlignments.write(tmp_path / "store", over_time(), data)


def test_what_cannot_be_compiled_runs_eagerly():
    model, x = in_python(), features(2, 6)
    expected = model(x, training=False)
    np.testing.assert_allclose(inference_function(model)(x), expected, atol=1e-6)


def test_a_random_model_is_compiled_all_the_same():
    traced = []

    def function(x):
        traced.append(not tf.executing_eagerly())
        return tf.random.normal(tf.shape(x))

    run = Inference(function, [time_distributed()])
    assert run(features()).shape == (8, 60, FEATURES)
    before = len(traced)
    run(features(frames=9))
    assert len(traced) == before


def test_models_of_whole_utterances_give_one_output_for_each():
    model = keras.Sequential(
        [keras.Input((None, FEATURES)), keras.layers.LSTM(6), keras.layers.Dense(70)]
    )
    utterances = [features()[0], features()[1][:9], features()[2]]
    found = predict_utterances(model, utterances)
    for utterance, output in zip(utterances, found, strict=True):
        alone = np.asarray(model(utterance[None]))[0]
        np.testing.assert_allclose(output, alone, atol=1e-6)


def test_one_number_for_an_utterance_is_a_loss_and_refused(tmp_path):
    model = keras.Sequential(
        [keras.Input((None, FEATURES)), keras.layers.LSTM(6), keras.layers.Dense(1)]
    )
    with pytest.raises(ValueError, match=r"Received: \(1, 1\). One number is a loss"):
        SoftAlignments.write(tmp_path / "store", model, features())
    with pytest.raises(ValueError, match=r"Received: \(8, 1\). One number is a loss"):
        predict_utterances(model, list(features()))
    assert not (tmp_path / "store" / "manifest.json").exists()


def two_heads():
    x = keras.Input((None, FEATURES))
    outputs = [keras.layers.Dense(n, name=f"head{n}")(x) for n in (CLASSES, 2)]
    return keras.Model(x, outputs, name="heads")


def test_teachers_of_several_outputs_are_refused(tmp_path):
    message = (
        "several outputs of the teacher 'heads': 0 .'head5'., 1 .'head2'.. Choose one: "
        r"keras.Model\(teacher.input, teacher.output\[0\]\)"
    )
    with pytest.raises(ValueError, match=message):
        SoftAlignments.write(tmp_path / "store", two_heads(), features())
    with pytest.raises(ValueError, match="several outputs of the model 'heads'"):
        predict_utterances(two_heads(), list(features()))
    with pytest.raises(
        TypeError, match="Expected a Keras model. Received: teacher='str'"
    ):
        SoftAlignments.write(tmp_path / "store", "a.keras", features())
    assert not (tmp_path / "store" / "manifest.json").exists()


def of_unknown_lengths(x):
    signature = tf.TensorSpec((None, None, FEATURES))
    return tf.data.Dataset.from_generator(lambda: [x], output_signature=signature)


@pytest.mark.parametrize(
    "role", ["teacher", "student", pytest.param("both", marks=pytest.mark.slow)]
)
def test_training_stops_where_frames_are_lost(role):
    plain = [keras.Input((None, FEATURES)), keras.layers.Dense(CLASSES)]
    wrong, right = time_distributed(), keras.Sequential(plain)
    models = {
        "teacher": (wrong, right),
        "student": (right, wrong),
        "both": (wrong, time_distributed()),
    }
    distiller = Distiller(*models[role])
    distiller.compile("adam")
    before = [w.copy() for w in distiller.student.get_weights()]
    message = (
        f"The {'student' if role == 'student' else 'teacher'} loses frames where it is "
        "compiled for any number of them. Expected an output for each frame. Keras 3.14"
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        distiller.fit(of_unknown_lengths(features()), verbose=0)
    for left, right in zip(before, distiller.student.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_training_with_known_lengths_loses_no_frame():
    distiller = Distiller(time_distributed(), time_distributed())
    distiller.compile("adam")
    history = distiller.fit(features(), verbose=0)
    assert history.history["kl"][0] < 1e-6  # the same model twice
    distiller.evaluate(features(), verbose=0)


class Counting(keras.layers.Layer):
    """Adds the number of batches so far."""

    def build(self, input_shape):
        self.seen = self.add_weight(shape=(), trainable=False, initializer="zeros")

    def call(self, inputs):
        self.seen.assign_add(1.0)
        return inputs + self.seen


def test_models_that_keep_a_state_of_their_own_are_refused_before_any_work(tmp_path):
    layers = [keras.Input((None, FEATURES)), Counting(), keras.layers.Dense(CLASSES)]
    model = keras.Sequential(layers, name="counting")
    message = (
        "Invalid value for `teacher`. Expected a model whose output does not depend on "
        "the batches before it. Received: teacher='counting'. .* keeps a state from "
    )
    with pytest.raises(ValueError, match=message):
        SoftAlignments.write(tmp_path / "store", model, features())
    with pytest.raises(ValueError, match=message):
        predict_utterances(model, list(features()))
    assert float(model.layers[0].seen) == 0.0
