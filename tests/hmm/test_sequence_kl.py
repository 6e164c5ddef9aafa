import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn import Distiller, SoftAlignmentKL
from keras_rnn2dnn.distillation.top_k import top_k_targets
from keras_rnn2dnn.hmm import SequenceKL, Topology, WordLoopDecoder
from keras_rnn2dnn.hmm.loop_graph import LoopGraph

LOOP = WordLoopDecoder(Topology(("a", "b"), states_per_unit=2), self_loop=0.6)


def random(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def softmax(z):
    return np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)


def gradient_of(loss, y_true, logits, result=np.asarray):
    logits = tf.convert_to_tensor(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(y_true, logits)
    return value, result(tape.gradient(value, logits))


def test_the_gradient_is_the_difference_of_the_occupancies():
    student, teacher = random(0, 1, 7, 5), random(1, 1, 7, 5)
    _, gradient = gradient_of(SequenceKL(LOOP, frame_share=0), teacher, student)
    expected = LoopGraph(LOOP).occupancies(student)[0] - softmax(teacher[0])
    assert gradient[0] == pytest.approx(expected / 7, abs=1e-6)


def test_it_is_the_divergence_between_distributions_of_paths():
    # Of occupancies of the same graph, the loss less its value at the teacher is KL.
    teacher = random(2, 1, 6, 5)
    graph, loss = LoopGraph(LOOP), SequenceKL(LOOP, 0, teacher_from_logits=False)
    occupancies = graph.occupancies(teacher)[0][None]
    at_teacher, gradient = gradient_of(loss, occupancies, teacher)
    assert gradient == pytest.approx(np.zeros((1, 6, 5)), abs=1e-6)
    for seed in (3, 4, 5):
        assert loss(occupancies, random(seed, 1, 6, 5)) > at_teacher


def test_it_is_lattice_free_mmi_with_the_path_of_an_alignment():
    logits, path = random(3, 1, 6, 5), [4, 0, 0, 1, 4, 4]
    targets = np.eye(5, dtype="float32")[path][None]
    loss = SequenceKL(LOOP, 0, teacher_from_logits=False)
    log_q = np.log(softmax(logits[0].astype("float64")))
    total = LoopGraph(LOOP).log_sum(log_q[None], np.ones((1, 6))).numpy()[0]
    expected = (total - log_q[np.arange(6), path].sum()) / 6
    assert float(loss(targets, logits)) == pytest.approx(expected, abs=1e-5)


def test_the_frame_share_mixes_both_losses():
    student, teacher = random(4, 2, 6, 5), random(5, 2, 6, 5)
    whole = float(SequenceKL(LOOP, 0)(teacher, student))
    frames = float(SoftAlignmentKL()(teacher, student))
    mixed = float(SequenceKL(LOOP, frame_share=0.3)(teacher, student))
    assert mixed == pytest.approx(0.7 * whole + 0.3 * frames, rel=1e-5)


def test_the_best_classes_alone_may_be_kept():
    student = random(6, 2, 6, 5)
    states = np.array([[4, 0, 1, 4, 4, 4], [0, 0, 1, 2, 3, 3]])
    one_hot = np.where(np.eye(5)[states] > 0, 0.0, -np.inf)
    dense, kept = (
        float(SequenceKL(LOOP)(targets, student))
        for targets in (one_hot, top_k_targets(one_hot, 1))
    )
    assert kept == pytest.approx(dense, rel=1e-5)


def test_priors_count_as_in_the_decoder():
    priors = np.log([0.1, 0.2, 0.3, 0.3, 0.1])
    scaled = WordLoopDecoder(LOOP.topology, log_priors=priors, prior_scale=0.5)
    student, teacher = random(7, 1, 6, 5), random(8, 1, 6, 5)
    _, gradient = gradient_of(SequenceKL(scaled, 0), teacher, student)
    expected = LoopGraph(scaled).occupancies(np.log(softmax(student)))[0]
    # The log_softmax of the student takes no part: scores sum over all frames alike.
    assert gradient[0] * 6 == pytest.approx(expected - softmax(teacher[0]), abs=1e-5)


@pytest.mark.parametrize("boost", [0.0, 0.8])
def test_the_distiller_leaves_padding_out(boost):
    keras.utils.set_random_seed(0)
    layers = keras.Input((None, 3)), keras.layers.Dense(5)
    x, soft = random(9, 2, 8, 3), random(10, 2, 8, 5)
    weights = np.ones((2, 8), "float32")
    weights[1, 5:] = 0
    short = x[1:, :5], soft[1:, :5]
    loss = SequenceKL(LOOP, boost=boost)
    distiller = Distiller(None, keras.Sequential(layers), loss)
    distiller.compile(keras.optimizers.SGD(0.0), run_eagerly=boost == 0)

    def evaluated(x, soft, weights):
        options = {"verbose": 0, "return_dict": True}
        return distiller.evaluate(x, soft, sample_weight=weights, **options)["loss"]

    whole = evaluated(x[:1], soft[:1], np.ones((1, 8)))
    alone = evaluated(*short, np.ones((1, 5)))
    together = evaluated(x, soft, weights)
    assert together == pytest.approx((8 * whole + 5 * alone) / 13, rel=1e-5)


def test_xla_compiles_value_and_gradient_for_unknown_lengths():
    loss, student, teacher = SequenceKL(LOOP, boost=0.8), *random(17, 2, 2, 40, 5)

    def of_loss(teacher, student):
        return gradient_of(loss, teacher, student, tf.identity)

    signature = [tf.TensorSpec((None, None, 5))] * 2
    compiled = tf.function(of_loss, input_signature=signature, jit_compile=True)
    for value, expected in zip(
        compiled(teacher, student), of_loss(teacher, student), strict=True
    ):
        assert value.numpy() == pytest.approx(expected.numpy(), abs=1e-6)


def test_weights_of_frames_scale_their_gradients():
    student, teacher = random(19, 1, 6, 5), tf.constant(random(20, 1, 6, 5))
    weights = np.float32([[1.0, 0.5, 0.0, 2.0, 1.0, 0.3]])
    loss, logits = SequenceKL(LOOP, frame_share=0, boost=0.6), student.astype("float64")

    def weighted(logits):
        values = loss.of_frames(teacher, tf.cast(logits, "float32"), weights)
        return tf.reduce_sum(values * weights)

    _, gradient = gradient_of(lambda _, z: weighted(z), None, student)
    for place in ((0, 0, 1), (0, 2, 2), (0, 3, 4), (0, 5, 0)):
        step = np.zeros_like(logits)
        step[place] = 1e-2
        by_difference = (weighted(logits + step) - weighted(logits - step)) / 2e-2
        assert gradient[place] == pytest.approx(float(by_difference), abs=1e-3)


def test_a_student_learns_the_order_that_frames_do_not_tell():
    # Two words whose first states sound alike: the loop tells them apart by the second.
    keras.utils.set_random_seed(0)
    student = keras.Sequential([keras.Input((None, 4)), keras.layers.Dense(5)])
    x = np.eye(4, dtype="float32")[[[3, 0, 0, 1, 3], [3, 0, 0, 2, 3]]]
    states = np.array([[4, 0, 0, 1, 4], [4, 2, 2, 3, 4]])
    soft = np.where(np.eye(5)[states] > 0, 0.0, -np.inf).astype("float32")
    distiller = Distiller(None, student, SequenceKL(LOOP))
    distiller.compile(keras.optimizers.Adam(0.3))
    distiller.fit(x, soft, epochs=20, verbose=0)
    assert LOOP(np.asarray(student(x))) == [["a"], ["b"]]


def test_the_frame_share_may_change_in_a_training():
    keras.utils.set_random_seed(0)
    student = keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(5)])
    x, soft = random(11, 2, 6, 3), random(12, 2, 6, 5)
    loss = SequenceKL(LOOP)
    distiller = Distiller(None, student, loss)
    distiller.compile(keras.optimizers.SGD(0.0))  # the student stays as it is

    def choose(epoch, logs=None):
        loss.frame_share = (1.0, 0.2)[epoch]

    callbacks = [keras.callbacks.LambdaCallback(on_epoch_begin=choose)]
    history = distiller.fit(x, soft, epochs=2, callbacks=callbacks, verbose=0).history
    logits = np.asarray(student(x))
    frames = float(SoftAlignmentKL()(soft, logits))
    both = float(SequenceKL(LOOP, 0.2)(soft, logits))
    assert both != pytest.approx(frames, rel=0.01)
    assert history["loss"] == pytest.approx([frames, both], rel=1e-5)


def every_path(graph, frames):
    """Yields the states and the log weight of every path through a loop."""
    for path in itertools.product(range(len(graph.states)), repeat=frames):
        weight, last = graph.final[path[-1]], -1
        for node in path:
            weight, last = weight * graph.matrix[last, node], node
        if weight:
            yield graph.states[list(path)], np.log(weight)


@pytest.mark.parametrize("best_classes", [False, True])
def test_a_boost_counts_paths_less_by_their_frames_in_common(best_classes):
    logits = random(13, 1, 4, 5)
    soft = random(14, 1, 4, 5) * 3
    targets, p = soft, softmax(soft)[0]
    if best_classes:
        p = np.eye(5)[soft[0].argmax(-1)]
        targets = top_k_targets(np.where(p[None] > 0, 0.0, -np.inf), 1)
    log_q = np.log(softmax(logits[0].astype("float64")))
    times = np.arange(4)
    totals = [
        weight + (log_q - 0.7 * p)[times, states].sum()
        for states, weight in every_path(LoopGraph(LOOP), 4)
    ]
    expected = (np.logaddexp.reduce(totals) - (p * log_q).sum()) / 4
    loss = SequenceKL(LOOP, frame_share=0, boost=0.7)
    assert float(loss(targets, logits)) == pytest.approx(expected, abs=1e-5)


def test_the_configuration_makes_the_same_loss():
    scaled = WordLoopDecoder(
        LOOP.topology, log_priors=np.zeros(5), prior_scale=0.5, insertion_penalty=-2.0
    )
    loss = SequenceKL(scaled, 0.2, boost=0.5, teacher_from_logits=False)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    targets, logits = softmax(random(0, 1, 6, 5)), random(1, 1, 6, 5)
    assert float(again(targets, logits)) == float(loss(targets, logits))
    assert again.get_config() == loss.get_config()


@pytest.mark.parametrize("share", [-0.1, 1.5, "half"])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError) as error:
        SequenceKL(LOOP, frame_share=share)
    assert str(error.value) == (
        "Invalid value for `frame_share`. Expected a number from 0 to 1. Received: "
        f"frame_share={share!r}"
    )
    loss = SequenceKL(LOOP)
    with pytest.raises(ValueError, match="Expected a number from 0 to 1"):
        loss.frame_share = share


@pytest.mark.parametrize("boost", [0.0, 1.0])
def test_a_student_may_exclude_a_state(boost):
    logits, states = random(15, 1, 6, 5), [4, 0, 0, 1, 4, 4]
    logits[..., 3] = -np.inf
    targets = top_k_targets(np.where(np.eye(5)[states] > 0, 0.0, -np.inf)[None], 1)
    loss = SequenceKL(LOOP, frame_share=0, boost=boost)
    value, gradient = gradient_of(loss, targets, logits)
    finite = logits.copy()
    finite[..., 3] = -80
    expected, of_finite = gradient_of(loss, targets, finite)
    assert float(value) == pytest.approx(float(expected), abs=1e-5)
    assert gradient == pytest.approx(of_finite, abs=1e-6)


def test_the_loss_of_words_is_boosted():
    loss = SequenceKL.of_words(LOOP.topology, self_loop=0.6)
    decoder = loss.graph.decoder
    assert (loss.boost, loss.frame_share, decoder.self_loop) == (1.0, 0.1, 0.6)
    assert decoder.insertion_penalty == pytest.approx(np.log(0.1))
    assert SequenceKL.of_words(LOOP.topology, boost=0.5).boost == 0.5


@pytest.mark.parametrize("boost", [-0.5, float("inf"), "1"])
def test_a_boost_out_of_range_is_refused(boost):
    with pytest.raises(ValueError) as error:
        SequenceKL(LOOP, boost=boost)
    assert str(error.value) == (
        "Invalid value for `boost`. Expected a number from 0. Received: "
        f"boost={boost!r}"
    )


@pytest.mark.parametrize("classes", [4, 6])
def test_a_student_of_other_classes_is_refused(classes):
    scores = np.zeros((1, 6, classes), "float32")
    with pytest.raises(ValueError) as error:
        SequenceKL(LOOP)(scores, scores)
    assert str(error.value) == (
        "Invalid value for `y_pred`. Expected 5 states, as the topology has. Received: "
        f"y_pred='shape (1, 6, {classes})'"
    )
