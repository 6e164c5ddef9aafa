import dataclasses
import json

import pytest

from keras_rnn2dnn import hmm, rnn_teacher
from keras_rnn2dnn.recipe.from_corpus.own_teacher import OwnTeacher
from keras_rnn2dnn.recipe.material import feature_spec


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "mine.keras"
    rnn_teacher(24, 11, units=(2,)).save(path)
    return path


def test_a_teacher_alone_has_five_states_a_word(path):
    own = OwnTeacher.load(path)
    assert own.spec is None and own.topology is None
    assert own.topology_for(("down", "up")) == hmm.Topology(("down", "up"))


@pytest.mark.parametrize(
    ("features", "expected"), [(None, False), ("running mean", False), ("pcen", True)]
)
def test_streams_are_for_a_teacher_whose_features_forget(path, features, expected):
    if features:
        spec = feature_spec(8000, features).to_dict()
        (path.parent / "features.json").write_text(json.dumps(spec))
    assert OwnTeacher.load(path).is_for_streams is expected


def test_what_lies_beside_it_tells_its_features_and_states(path):
    spec = dataclasses.replace(feature_spec(16000), memory_ms=500.0)
    topology = hmm.Topology(("up", "down", "left", "on", "off"), states_per_unit=2)
    decoder = json.dumps(hmm.WordLoopDecoder(topology).to_dict())
    (path.parent / "features.json").write_text(json.dumps(spec.to_dict()))
    (path.parent / "mine.decoder.json").write_text(decoder)
    own = OwnTeacher.load(path)
    assert own.spec == spec
    assert own.topology_for(("down", "up")) == topology
    with pytest.raises(ValueError) as error:
        own.topology_for(("down", "zero"))
    assert str(error.value) == (
        "Invalid value for `words`. Expected words of the teacher: up, down, left, on, "
        "off. Received: words=['zero']. Name those of them that the corpus has"
    )


@pytest.mark.parametrize(
    ("words", "bins", "text"),
    [
        (("a", "b", "c"), 24, "a model of 16 outputs. Received: teacher='{}, with 11'"),
        (("a", "b"), 30, "a model of 30 inputs. Received: teacher='{}, with 24'"),
    ],
)
def test_a_teacher_of_other_sizes_is_refused(words, bins, text, path):
    spec = dataclasses.replace(feature_spec(8000), num_bins=bins)
    (path.parent / "features.json").write_text(json.dumps(spec.to_dict()))
    with pytest.raises(ValueError) as error:
        OwnTeacher.load(path).topology_for(words)
    assert text.format(path) in str(error.value)
    assert "Lay `features.json` and `decoder.json` beside it" in str(error.value)


@pytest.mark.parametrize(
    ("fields", "received"),
    [
        ({"centering": "utterance"}, "centering='utterance'"),
        ({"centering": "none", "example_norm": "bins"}, "example_norm='bins'"),
    ],
)
def test_features_of_whole_utterances_are_refused(path, fields, received):
    spec = dataclasses.replace(feature_spec(8000), **fields)
    beside = path.parent / "features.json"
    beside.write_text(json.dumps(spec.to_dict()))
    with pytest.raises(ValueError) as error:
        OwnTeacher.load(path)
    assert str(error.value) == (
        f"Invalid value for `{beside}`. Expected features that a device computes in a "
        f'stream. Received: {beside}="{received}". Train the teacher on features '
        "centred by a running mean"
    )
