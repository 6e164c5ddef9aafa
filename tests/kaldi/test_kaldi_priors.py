import numpy as np
import pytest

from keras_rnn2dnn import kaldi


@pytest.mark.parametrize(
    ("priors", "text"),
    [
        ([0.1, 0.2, 0.7], "0.1 0.2 0.7"),
        ([0.25, 0.75], "-1.3862943611 -0.2876820724"),
        ([1e-12, 1 - 1e-12], "1e-12 0.999999999999"),
        ([2 / 17, 5 / 17, 10 / 17], "1 4 9"),
        ([1 / 3, 2 / 3], "0 1"),
        ([1.5 / 3.5, 2 / 3.5], "0.5 1"),
    ],
)
def test_log_priors_are_read_from_counts_priors_and_logarithms(tmp_path, priors, text):
    (tmp_path / "priors").write_text(f" [ {text} ]\n")
    found = kaldi.read_log_priors(tmp_path / "priors")
    np.testing.assert_allclose(found, np.log(priors), rtol=1e-6, atol=1e-9)


def test_log_priors_come_back(tmp_path):
    rng = np.random.default_rng(0)
    for size in (1, 2, 3000):
        expected = np.log(rng.dirichlet(np.full(size, 0.5)) + 1e-9)
        kaldi.write_log_priors(tmp_path / "priors", expected)
        found = kaldi.read_log_priors(tmp_path / "priors")
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_what_is_neither_counts_nor_priors_is_refused(tmp_path):
    for text, error in (
        ("-1 -1", "Expected log-priors, since .* Received: a sum of 0.7358"),
        ("-1 3", "Expected log-priors"),
        ("0 0.5 0.5", "Expected priors > 0, or counts"),
        ("1 x", r"Expected counts >= 0, such as \[ 12 3 45 \]"),
        ("", "Expected counts >= 0"),
        ("nan 1", "Expected counts >= 0"),
    ):
        (tmp_path / "priors").write_text(f"[ {text} ]")
        with pytest.raises(ValueError, match=r"Cannot use '.*priors'. " + error):
            kaldi.read_log_priors(tmp_path / "priors")
    with pytest.raises(ValueError, match="`log_priors`. .* priors that sum to 1"):
        kaldi.write_log_priors(tmp_path / "priors", [0.25, 0.75])
