import itertools

import keras
import numpy as np
import pytest
from helpers.bundles import BINS, DECODER, MFCC, features, recordings, student

from keras_rnn2dnn.deploy import convert, load_bundle
from keras_rnn2dnn.deploy.device.features import device_features
from keras_rnn2dnn.deploy.device.network import run_network
from keras_rnn2dnn.deploy.toolchain import Workbench
from keras_rnn2dnn.deploy.verify import feature_accuracy, mutations
from keras_rnn2dnn.deploy.verify.changes import mutated


def silenced():
    """A student whose first hidden units are not heard, though they vary the most."""
    model = student()
    layers = [x for x in model.layers if x.weights]
    kernel, bias = layers[0].get_weights()
    kernel[:, :8] *= 4
    layers[0].set_weights([kernel, bias])
    kernel, bias = layers[1].get_weights()
    kernel[:8] = 0
    layers[1].set_weights([kernel, bias])
    return model


@pytest.fixture(scope="module")
def deaf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deaf") / "bundle"
    convert(silenced(), folder, features())
    return load_bundle(folder)


def test_weights_that_no_output_depends_on_are_passed_over(deaf):
    """The rows that vary the most are those which nothing hears."""
    changes = list(itertools.islice(mutations._heard_weights(deaf, 0), 3))
    width = deaf.network.layers[0].weights.shape[1]
    assert len(changes) == 3
    assert all(change.place // width >= 8 for change in changes)
    (outcome,) = [
        o for o in mutations.mutations(deaf, None, ()) if "first layer" in o.stage
    ]
    assert outcome.status == "passed"
    assert outcome.detail.startswith("3 of 3 changes caught, ")


def test_every_change_that_is_chosen_is_heard(written):
    bundle = load_bundle(written)
    layers = bundle.network.layers
    windows = np.frombuffer(bundle.golden("network_inputs.s8"), np.int8)
    windows = windows.reshape(-1, bundle.network.field.window, BINS)
    expected = run_network(layers, windows)
    for number in (0, len(layers) - 1):
        text = (written / "c/model.h").read_text()
        for change in itertools.islice(mutations._heard_weights(bundle, number), 3):
            other = mutated(text, change.table, change.place)
            table = other[other.index(f"{change.table}[") :].partition("};")[0]
            values = table.partition("{")[2].replace(",", " ").split()
            weights = np.array(values, int).astype(np.int8)
            assert (weights != layers[number].weights.ravel()).sum() == 1
            changed = [*layers]
            shape = layers[number].weights.shape
            changed[number] = mutations.dataclasses.replace(
                layers[number], weights=weights.reshape(shape)
            )
            assert not np.array_equal(run_network(changed, windows), expected)


def test_a_bundle_of_cepstra_hears_a_change_of_their_weights(tmp_path):
    heard = [device_features(pcm, MFCC) for pcm in recordings()]
    convert(student(), tmp_path, heard, feature_spec=MFCC, decode=DECODER)
    bundle = load_bundle(tmp_path)
    (accuracy,) = feature_accuracy.against_formula(bundle, None, ())
    assert accuracy.status == "passed"
    assert "; cepstra of natural logarithms, over the norms" in accuracy.detail
    change = next(mutations._heard_values(bundle, "cepstra", mutations._cepstra))
    assert change.table == "features_cepstra"
    expected = bundle.golden("features.f32")
    given = bundle.golden("recordings.pcm")
    assert 0 < mutations.unmet_bytes(bundle, change, given, expected) < len(expected)
    with Workbench(tmp_path, flags="-O0") as bench:
        assert bench.run("host", "features", given) == expected


def test_a_sound_bundle_in_which_nothing_is_heard_does_not_fail(tmp_path):
    inputs = keras.Input((None, BINS))
    hidden = keras.layers.Dense(6, "relu", kernel_initializer="zeros")(inputs)
    outputs = keras.layers.Dense(5, kernel_initializer="zeros")(hidden)
    model = keras.Model(inputs, outputs)
    model.layers[-1].bias.assign([1.0, 2.0, 3.0, 4.0, 5.0])
    convert(model, tmp_path, features())
    outcomes = list(mutations.mutations(load_bundle(tmp_path), None, ()))
    assert {outcome.status for outcome in outcomes} <= {"NOT RUN", "passed"}
    unheard = [o for o in outcomes if o.status == "NOT RUN"]
    assert unheard and all(outcome.optional for outcome in unheard)
    assert "no such change is heard in golden/" in unheard[0].detail
