import keras
import numpy as np
import pytest

from keras_rnn2dnn import Distiller, SoftAlignments, dnn_student, kaldi
from keras_rnn2dnn.kaldi import KaldiUtterance

pytest.importorskip("kaldiio", reason="needs the extra `kaldi`")
CLASSES = 6
PROBABILITIES = {"from_logits": False}


@pytest.fixture
def data(tmp_path):
    """A data directory, and log-posteriors and labels for it."""
    rng = np.random.default_rng(0)
    features = {f"u{n}": rng.normal(size=(n, 3)).astype("f4") for n in (5, 8, 6)}
    logits = {
        name: 2 * rng.normal(size=(len(x), CLASSES)) for name, x in features.items()
    }
    posteriors = {}
    for name, z in logits.items():
        e = np.exp(z)
        posteriors[name] = (e / e.sum(axis=1, keepdims=True)).astype("float32")
    utterances = [KaldiUtterance(name, x, "yes") for name, x in features.items()]
    directory = kaldi.write_directory(tmp_path / "data", utterances)
    labels = {name: p.argmax(axis=1).astype("int32") for name, p in posteriors.items()}
    kaldi.write_archive(tmp_path / "ali.ark", labels.items())
    kaldi.write_archive(tmp_path / "post.ark", posteriors.items())
    logs = [(name, np.log(p)) for name, p in posteriors.items()]
    kaldi.write_archive(tmp_path / "logpost.ark", logs)
    return tmp_path, directory, posteriors, labels


@pytest.mark.parametrize(
    ("file", "from_logits"), [("logpost.ark", True), ("post.scp", False)]
)
def test_foreign_posteriors_become_soft_alignments(data, file, from_logits):
    folder, directory, posteriors, _ = data
    store = kaldi.store_posteriors(
        folder / "store", folder / file, directory, from_logits=from_logits
    )
    found = {u.name: u for u in store.utterances()}
    assert set(found) == set(posteriors) and store.num_classes == CLASSES
    for name, p in posteriors.items():
        np.testing.assert_allclose(np.exp(found[name].soft), p, atol=2e-3)
        expected = directory.utterance(name).features
        np.testing.assert_array_equal(found[name].features, expected)
        assert found[name].transcript == "yes" and found[name].labels is None


def test_a_student_learns_without_a_teacher(data):
    folder, directory, _, _ = data
    labels = kaldi.read_alignments(folder / "ali.ark", CLASSES)
    store = kaldi.store_posteriors(
        folder / "store", folder / "logpost.ark", directory, labels=labels
    )
    for name, utterance in {u.name: u for u in store.utterances()}.items():
        np.testing.assert_array_equal(utterance.labels, labels[name])
    student = dnn_student(3, CLASSES, (1, 1), (32,))
    distiller = Distiller(None, student, student_loss_weight=0.5)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile(keras.optimizers.Adam(0.1), loss=loss)
    batches = store.dataset(batch_size=3, labels=True)
    history = distiller.fit(batches, epochs=30, shuffle=False, verbose=0).history
    assert history["kl"][-1] < 0.3 * history["kl"][0]
    assert history["hard_loss"][-1] < 0.3 * history["hard_loss"][0]


def test_a_store_goes_back_to_kaldi(data):
    folder, directory, posteriors, _ = data
    given = folder / "logpost.ark"
    log_priors = np.log(np.arange(1, CLASSES + 1) / 21)
    dense = kaldi.store_posteriors(folder / "dense", given, directory)
    best = kaldi.store_posteriors(folder / "best", given, directory, top_k=2)
    kaldi.write_store_scores(folder / "dense.ark", dense, log_priors)
    assert kaldi.write_store_scores(folder / "best.ark", best) == 3
    of_all = dict(kaldi.read_archive(folder / "dense.ark"))
    of_best = dict(kaldi.read_archive(folder / "best.ark"))
    for name, p in posteriors.items():
        np.testing.assert_allclose(
            of_all[name], np.log(p) - log_priors, rtol=2e-3, atol=2e-3
        )
        order = np.argsort(-p, axis=1)
        expected = np.repeat((1 - np.sort(p)[:, -2:].sum(1))[:, None] / 4, CLASSES, 1)
        rows = np.arange(len(p))[:, None]
        expected[rows, order[:, :2]] = np.take_along_axis(p, order[:, :2], axis=1)
        np.testing.assert_allclose(np.exp(of_best[name]), expected, atol=2e-3)


def test_a_models_scores_are_those_of_its_logits(data):
    folder, directory, _, labels = data
    model = dnn_student(3, CLASSES, (1, 1), (8,))
    counts = np.bincount(np.concatenate(list(labels.values())), minlength=CLASSES)
    text = " ".join(map(str, counts))
    (folder / "pdf.counts").write_text(f"[ {text} ]\n")
    log_priors = kaldi.read_log_priors(folder / "pdf.counts")
    expected = (counts + 1) / (counts + 1).sum()
    np.testing.assert_allclose(np.exp(log_priors), expected, rtol=1e-6)
    assert kaldi.write_scores(folder / "s.ark", model, directory, log_priors) == 3
    for name, scores in kaldi.read_archive(folder / "s.scp"):
        z = model(directory.utterance(name).features[None]).numpy()[0].astype("float64")
        expected = z - np.log(np.exp(z).sum(axis=1, keepdims=True)) - log_priors
        np.testing.assert_allclose(scores, expected, atol=1e-5)
    kaldi.write_log_priors(folder / "priors.vec", log_priors)
    ((_, vector),) = kaldi.read_archive(vector_as_archive(folder / "priors.vec"))
    np.testing.assert_allclose(vector, np.exp(log_priors), rtol=1e-6)


def vector_as_archive(path):
    archive = path.with_suffix(".txt")
    archive.write_text("x " + path.read_text())
    return archive


def test_posteriors_that_do_not_fit_are_refused(data):
    folder, directory, posteriors, labels = data
    short = {**posteriors, "u8": posteriors["u8"][:-1]}
    for number, (arrays, options, text) in enumerate(
        (
            (labels, {}, r"`posteriors`. Expected an archive of matrices"),
            (
                short,
                PROBABILITIES,
                r"Expected \(8, 6\), as many frames as its features",
            ),
            (
                posteriors,
                {"labels": {"u5": labels["u6"]}, **PROBABILITIES},
                "Expected 5 labels",
            ),
            (
                {"other": posteriors["u5"]},
                PROBABILITIES,
                "Expected at least one utterance",
            ),
        )
    ):
        kaldi.write_archive(folder / "x.ark", arrays.items())
        with pytest.raises((ValueError, RuntimeError), match=text):
            kaldi.store_posteriors(
                folder / f"x{number}", folder / "x.ark", directory, **options
            )
    with pytest.raises(ValueError, match="integers of shape"):
        kaldi.read_alignments(folder / "post.ark")
    with pytest.raises(ValueError, match="ali-to-pdf gives the classes"):
        kaldi.read_alignments(folder / "ali.ark", num_classes=2)
    with pytest.raises(ValueError, match="6 numbers, one for each class"):
        model = dnn_student(3, CLASSES, (1, 1), (8,))
        kaldi.write_scores(folder / "s.ark", model, directory, np.zeros(5))


@pytest.mark.parametrize(
    ("file", "from_logits", "text"),
    [
        ("post.ark", True, "to be logits .* Received: rows >= 0 .* `--probabilities`"),
        ("logpost.ark", False, "to be probabilities. .* from -.* `from_logits=True`"),
    ],
)
def test_what_is_wrongly_declared_is_told(data, file, from_logits, text, run):
    folder, directory, _, _ = data
    given = (folder / "store", folder / file, directory)
    with pytest.raises(ValueError, match="The posteriors of 'u5' are declared " + text):
        kaldi.store_posteriors(*given, from_logits=from_logits)
    assert not (folder / "store").exists()
    more = () if from_logits else ("--probabilities",)
    command = ("align", folder / file, directory.path, "--out", folder / "store")
    code, _, error = run(*command, *more)
    assert code == 2 and "The posteriors of 'u5' are declared" in error


def test_an_utterance_comes_once(data):
    folder = data[0]
    with pytest.raises(ValueError, match="Two alignments of 'u5'. Expected one"):
        kaldi.read_alignments([folder / "ali.ark", folder / "ali.ark"])
    one = [("u5", np.zeros((5, CLASSES)))]
    kaldi.write_archive(folder / "twice.ark", one * 2)
    with pytest.raises(RuntimeError, match="Two matrices of 'u5'. Expected one"):
        kaldi.store_posteriors(folder / "store", folder / "twice.ark", data[1])


def test_utterances_without_labels_are_left_out(data, caplog):
    folder, directory, _, labels = data
    store = kaldi.store_posteriors(
        folder / "store", folder / "logpost.ark", directory, labels={"u6": labels["u6"]}
    )
    assert [u.name for u in store.utterances()] == ["u6"]
    assert "2 utterances lack features or labels: left out" in caplog.messages


def test_the_command_aligns_with_an_archive_for_a_teacher(data, run):
    folder, directory, posteriors, _ = data
    command = ("align", folder / "post.scp", directory.path, "--out", folder / "store")
    code, output, error = run(*command, "--probabilities", "--top-k", "2")
    assert code == 0, error
    assert output.startswith("3 utterances, 19 frames; the best 2 of 6 classes")
    first = next(SoftAlignments(folder / "store").utterances())
    best = posteriors[first.name].argmax(axis=1)
    np.testing.assert_array_equal(first.soft[:, 1, 0], best)
    code, _, error = run(*command[:2], command[1], *command[2:])
    assert code == 2 and "Expected one archive of posteriors, or teachers" in error
