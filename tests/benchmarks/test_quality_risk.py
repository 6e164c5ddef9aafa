"""The loss of minimum Bayes risk of `benchmarks.quality`."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.quality.risk import BayesRisk
from keras_rnn2dnn.distillation.top_k import top_k_targets
from keras_rnn2dnn.hmm import Topology
from keras_rnn2dnn.hmm.loop_graph import LoopGraph

STATES = np.array([[4, 0, 1, 4], [2, 3, 3, 4]])


@pytest.fixture(scope="module")
def loss():
    topology = Topology(("a", "b"), states_per_unit=2)
    return BayesRisk.of_words(topology, frame_share=0)


def expected_risk(loss, logits, states):
    """Mean of the frame errors of all paths by their weight, path by path."""
    graph = LoopGraph(loss.graph.decoder)
    log_q = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    total = wrong = 0.0
    for path in itertools.product(range(len(graph.states)), repeat=len(states)):
        weight, last = graph.final[path[-1]], -1
        for t, node in enumerate(path):
            score = loss.acoustic_scale * log_q[t, graph.states[node]]
            weight *= graph.matrix[last, node] * np.exp(score)
            last = node
        total += weight
        wrong += weight * np.mean(graph.states[list(path)] != states)
    return wrong / total


def test_it_is_the_expected_share_of_wrong_frames_and_its_gradient(loss):
    logits = np.random.default_rng(0).normal(scale=2, size=(2, 4, 5))
    one_hot = np.where(np.eye(5)[STATES] > 0, 0.0, -np.inf)
    targets = top_k_targets(one_hot, 1)
    x = tf.constant(logits, "float32")
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(targets, x)
    found = tape.gradient(value, x).numpy()

    def risk(logits):
        pairs = zip(logits, STATES, strict=True)
        return np.mean([expected_risk(loss, z, states) for z, states in pairs])

    assert float(value) == pytest.approx(risk(logits), abs=1e-5)
    for place in np.ndindex(2, 4, 5):
        step = np.zeros_like(logits)
        step[place] = 1e-4
        expected = (risk(logits + step) - risk(logits - step)) / 2e-4
        assert found[place] == pytest.approx(expected, abs=2e-5), place
