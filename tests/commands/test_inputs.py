import json

import keras
import numpy as np
import pytest

from keras_rnn2dnn.audio.corpora.loading import AudioFile
from keras_rnn2dnn.audio.corpora.manifests import write_manifest
from keras_rnn2dnn.audio.corpora.recordings import write_wav
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.commands.running import inputs
from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.hmm import Topology, WordLoopDecoder
from keras_rnn2dnn.util.checksums import with_sum


@pytest.fixture
def manifest(tmp_path):
    samples = 0.1 * np.random.default_rng(0).normal(size=(2, 1600))
    for number, x in enumerate(samples):
        write_wav(tmp_path / f"{number}.wav", x, 16000)
    (tmp_path / "2.wav").write_bytes(b"")
    files = [AudioFile(tmp_path / f"{n}.wav", str(n), f"word {n}") for n in range(3)]
    write_manifest(tmp_path / "a.jsonl", files)
    return tmp_path / "a.jsonl", samples


def test_a_corpus_is_read_as_pcm_with_its_transcripts(manifest):
    path, samples = manifest
    found = inputs.audio(path, 16000)
    assert (found.sample_rate_hz, found.transcripts) == (16000, ["word 0", "word 1"])
    np.testing.assert_allclose(found.samples, samples * 32768, atol=0.5001)
    assert inputs.audio(path.parent, 16000).transcripts is None  # the files alone
    with pytest.raises(ValueError, match="2.wav': it is empty. Remove it"):
        inputs.audio(path, 16000, strict=True)
    with pytest.raises(ValueError, match="Received: 1 files that cannot be decoded"):
        inputs.audio(path.parent / "2.wav", 16000)


def test_its_rate_is_changed(manifest):
    pytest.importorskip("soxr", reason="needs the extra `audio`")
    found = inputs.audio(manifest[0], 8000)
    assert [len(s) for s in found.samples] == [800, 800]


@pytest.mark.parametrize("last", ["layer", "activation", "none"])
def test_students_are_trained_without_their_softmax(last, tmp_path):
    layers = [keras.layers.Dense(3, "softmax" if last == "activation" else None)]
    layers += [keras.layers.Softmax()] * (last == "layer")
    model = keras.Sequential([keras.Input((None, 4)), *layers])
    model.save(tmp_path / "a.keras")
    student = inputs.load_student(tmp_path / "a.keras")
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    expected = x @ model.layers[0].get_weights()[0]
    np.testing.assert_allclose(student(x), expected, rtol=1e-5, atol=1e-6)
    student.save(tmp_path / "b.keras")
    loaded = inputs.load_model(tmp_path / "b.keras")
    np.testing.assert_array_equal(loaded(x), student(x))


@pytest.mark.parametrize(
    ("read", "written"),
    [
        (inputs.feature_spec, FeatureSpec(8000, num_bins=4, mean=(0.5, 1, 2, -3.25))),
        (inputs.decoder, WordLoopDecoder(Topology(("no", "yes"), 2), np.zeros(5), 0.5)),
        (inputs.decoder, GreedyDecoder(("", "yes", "no"))),
    ],
)
def test_one_changed_byte_of_what_was_written_is_named(tmp_path, read, written):
    """At 100 places: never other features, never another decoder."""
    path, rng = tmp_path / "a.json", np.random.default_rng(0)
    path.write_text(json.dumps(written.to_dict()) + "\n")
    assert read(path) == written  # by hand, without a sum
    path.write_text(json.dumps(with_sum(written.to_dict())) + "\n")
    content, refused = path.read_bytes(), 0
    assert read(path) == written
    for place in rng.integers(len(content), size=100):
        changed = bytearray(content)
        changed[place] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        try:
            assert read(path) == written
        except ValueError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused > 80
