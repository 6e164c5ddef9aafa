"""Alignments, posteriors and priors of 201 and 3,400 classes."""

import keras
import numpy as np
import pytest

from keras_rnn2dnn import kaldi
from keras_rnn2dnn.kaldi import KaldiUtterance

pytest.importorskip("kaldiio", reason="needs the extra `kaldi`")


@pytest.fixture(scope="module", params=[201, 3400])
def data(request, tmp_path_factory):
    classes, rng = request.param, np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("kaldi")
    features = {f"u{n}": rng.normal(size=(n, 3)).astype("f4") for n in (3, 5)}
    logits = {n: 3 * rng.normal(size=(len(x), classes)) for n, x in features.items()}
    shares = {
        n: np.exp(z) / np.exp(z).sum(-1, keepdims=True) for n, z in logits.items()
    }
    logs = [(name, np.log(p).astype("f4")) for name, p in shares.items()]
    kaldi.write_archive(folder / "post.ark", logs)
    labels = [(n, p.argmax(-1).astype("int32")) for n, p in shares.items()]
    kaldi.write_archive(folder / "ali.ark", labels)
    utterances = [KaldiUtterance(name, x, "yes") for name, x in features.items()]
    return folder, kaldi.write_directory(folder / "data", utterances), shares


def test_posteriors_labels_and_scores_come_through(data, tmp_path):
    folder, directory, shares = data
    classes = next(iter(shares.values())).shape[1]
    labels = kaldi.read_alignments(folder / "ali.ark", classes)
    with pytest.raises(ValueError, match=f"classes from 0 to {max(labels['u3']) - 1}"):
        kaldi.read_alignments(folder / "ali.ark", int(max(labels["u3"])))
    store = kaldi.store_posteriors(
        tmp_path / "store", folder / "post.scp", directory, labels=labels
    )
    assert (store.num_classes, store.top_k) == (classes, 20)
    log_priors = np.log(np.full(classes, 1 / classes))
    kaldi.write_log_priors(tmp_path / "priors.vec", log_priors)
    read = kaldi.read_log_priors(tmp_path / "priors.vec")
    np.testing.assert_allclose(read, log_priors, rtol=1e-6)
    kaldi.write_store_scores(tmp_path / "scores.ark", store, read)
    for name, scores in kaldi.read_archive(tmp_path / "scores.ark"):
        p = np.exp(scores + log_priors)
        assert p.sum(axis=1) == pytest.approx(1, abs=5e-3)
        best = np.argsort(-shares[name])[:, :20]  # the others share the rest alike
        kept = np.take_along_axis(shares[name], best, 1)
        np.testing.assert_allclose(np.take_along_axis(p, best, 1), kept, rtol=6e-3)
        np.testing.assert_array_equal(p.argmax(axis=1), labels[name])
        rest = (1 - kept.sum(axis=1)) / (classes - 20)
        worst = shares[name].argmin(axis=1)
        np.testing.assert_allclose(p[np.arange(len(p)), worst], rest, rtol=6e-3)


def test_a_model_writes_its_scores(data, tmp_path):
    _, directory, shares = data
    classes = next(iter(shares.values())).shape[1]
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(classes)])
    kernel, bias = model.layers[0].get_weights()
    assert kaldi.write_scores(tmp_path / "s.ark", model, directory) == 2
    for name, scores in kaldi.read_archive(tmp_path / "s.ark"):
        z = directory.utterance(name).features.astype("f8") @ kernel + bias
        expected = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(scores, expected, atol=1e-5)
