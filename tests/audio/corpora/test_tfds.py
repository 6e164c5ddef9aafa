import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn.audio.corpora.tfds import tfds_recordings


def builder(audio="audio", rate=8000, **fields):
    """What a builder of tensorflow-datasets gives, as far as it is used."""
    features = {audio: SimpleNamespace(sample_rate=rate)}
    features |= {name: feature for name, (feature, _) in fields.items()}
    pcm = [np.arange(80, dtype="int64"), np.full(160, -16384, "int64")]

    def examples():
        for number in range(2):
            yield {audio: pcm[number]} | {n: v[number] for n, (_, v) in fields.items()}

    signature = {audio: tf.TensorSpec((None,), tf.int64)}
    for name, (_, values) in fields.items():
        signature[name] = tf.TensorSpec((), tf.as_dtype(np.array(values[0]).dtype))
    if "text" in signature:
        signature["text"] = tf.TensorSpec((), tf.string)
    return SimpleNamespace(
        info=SimpleNamespace(name="fake", features=features),
        as_dataset=lambda split: tf.data.Dataset.from_generator(
            examples, output_signature=signature
        ),
    )


def test_text_and_speaker_are_read():
    plain = object()
    fake = builder(text=(plain, [b"a b", b"c"]), speaker_id=(plain, [7, 8]))
    found = list(tfds_recordings(fake))
    assert [(r.words, r.speaker, r.index) for r in found] == [
        (("a", "b"), "7", 0),
        (("c",), "8", 1),
    ]
    np.testing.assert_array_equal(found[0].samples, np.arange(80) / 32768)
    assert found[0].sample_rate_hz == 8000


def test_a_class_label_is_read_by_its_name():
    label = SimpleNamespace(int2str=lambda number: ("yes", "no")[number])
    found = list(tfds_recordings(builder("voice", label=(label, [1, 0]))))
    assert [r.words for r in found] == [("no",), ("yes",)]


def test_the_rate_is_changed():
    pytest.importorskip("soxr", reason="needs the extra `audio`")
    found = list(tfds_recordings(builder(), sample_rate_hz=16000))
    assert [len(r.samples) for r in found] == [160, 320]
    assert found[1].sample_rate_hz == 16000
    np.testing.assert_allclose(found[1].samples[100:200], -0.5, atol=1e-2)


def test_data_without_audio_and_a_missing_package_are_told():
    with pytest.raises(ValueError, match="that tells its sample rate. Received"):
        next(tfds_recordings(builder(rate=None)))
    if importlib.util.find_spec("tensorflow_datasets") is None:
        with pytest.raises(ImportError, match="pip install tensorflow-datasets"):
            next(tfds_recordings("librispeech"))
