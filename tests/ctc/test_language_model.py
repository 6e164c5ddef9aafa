import importlib.util
import itertools
import math
import sys

import numpy as np
import pytest

from keras_rnn2dnn.ctc import NGramDecoder

HAVE = all(importlib.util.find_spec(name) for name in ("pyctcdecode", "kenlm"))
needs_extra = pytest.mark.skipif(not HAVE, reason="needs the extra `ctc`")
BIGRAMS = {  # log10 p(second | first)
    ("<s>", "yes"): -0.2,
    ("<s>", "no"): -0.5,
    ("yes", "no"): -0.05,
    ("yes", "yes"): -2.0,
    ("no", "no"): -2.0,
    ("no", "yes"): -0.3,
    ("yes", "</s>"): -1.0,
    ("no", "</s>"): -0.4,
}


@pytest.fixture
def arpa(tmp_path):
    words = ["<unk>", "<s>", "</s>", "yes", "no"]
    lines = ["\\data\\", f"ngram 1={len(words)}", f"ngram 2={len(BIGRAMS)}", ""]
    lines += ["\\1-grams:", *(f"-1.0\t{word}\t0" for word in words), "", "\\2-grams:"]
    lines += [f"{p}\t{' '.join(pair)}" for pair, p in BIGRAMS.items()]
    path = tmp_path / "words.arpa"
    path.write_text("\n".join([*lines, "", "\\end\\", ""]))
    return path


def by_enumeration(log_p, alpha, beta):
    """The best words by all paths and the bigrams, in float64."""
    totals = {}
    for path in itertools.product(range(3), repeat=len(log_p)):
        words = tuple(("", "yes", "no")[k] for k, _ in itertools.groupby(path) if k)
        p = math.exp(log_p[np.arange(len(log_p)), path].sum())
        totals[words] = totals.get(words, 0.0) + p

    def score(words):
        chain = ("<s>", *words, "</s>")
        lm = sum(BIGRAMS.get(pair, -2.0) for pair in itertools.pairwise(chain))
        return math.log(totals[words]) + alpha * lm * math.log(10) + beta * len(words)

    return list(max(totals, key=score))


@needs_extra
@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.0), (1.0, 0.0), (1.0, 1.5)])
def test_a_bigram_chooses_the_words_of_all_paths(arpa, alpha, beta):
    rng = np.random.default_rng(3)
    decoder = NGramDecoder(("", "yes", "no"), arpa, alpha=alpha, beta=beta)
    logits = rng.normal(size=(12, 4, 3))
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = [by_enumeration(row, alpha, beta) for row in log_p]
    expected = [words for words in expected if words]  # `</s>` alone is not scored
    kept = [
        z
        for z, row in zip(logits, log_p, strict=True)
        if by_enumeration(row, alpha, beta)
    ]
    assert decoder(kept) == expected
    assert len(kept) > 5


@needs_extra
def test_characters_are_spelt_into_words(capfd):
    labels = ("a", "b", " ", "-")
    path = [0, 0, 3, 0, 2, 1, 3]
    decoder = NGramDecoder(labels, None, blank=3)
    assert decoder([np.log(np.eye(4)[path] + 0.01), np.zeros((0, 4))]) == [
        ["aa", "b"],
        [],
    ]
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ValueError, match=r"Expected \(frames, 4\)"):
        decoder([np.zeros((3, 5))])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((), None), "`labels`. Expected a string for each class"),
        ((("", "a"), None, 2), "`blank`. Expected the index of one of the 2 classes"),
        ((("", " ", "ab"), None), "Expected single characters, where one of them"),
        ((("", "a"), None, 0, 1.0, 0.0, 0), "`beam_width`. Expected an integer >= 1"),
    ],
)
def test_an_impossible_decoder_is_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        NGramDecoder(*arguments)


def test_a_missing_file_and_a_missing_extra_are_named(monkeypatch, tmp_path):
    with pytest.raises(FileNotFoundError, match="none.arpa'. Expected an n-gram"):
        NGramDecoder(("", "a"), tmp_path / "none.arpa")
    monkeypatch.setitem(sys.modules, "pyctcdecode", None)
    with pytest.raises(ImportError, match="pip install pyctcdecode kenlm"):
        NGramDecoder(("", "a"), None)
