import numpy as np
import pytest

from keras_rnn2dnn.commands.running.sources import FeatureSource
from keras_rnn2dnn.kaldi import (
    KaldiDirectory,
    KaldiUtterance,
    write_archive,
    write_directory,
)

pytest.importorskip("kaldiio", reason="needs the extra `kaldi`")


def utterances():
    rng = np.random.default_rng(0)
    return [
        KaldiUtterance(name, rng.normal(3, 2, size=(n, 4)).astype("f4"), text, speaker)
        for name, n, text, speaker in (
            ("ben-2", 7, "two", "ben"),
            ("ann-1", 5, "one one", "ann"),
            ("ben-1", 9, "one", "ben"),
        )
    ]


def test_what_is_written_is_read_again(tmp_path):
    given = {u.name: u for u in utterances()}
    found = list(write_directory(tmp_path, given.values()))
    assert [u.name for u in found] == ["ann-1", "ben-1", "ben-2"]
    for u in found:
        np.testing.assert_array_equal(u.features, given[u.name].features)
        assert (u.text, u.speaker) == (given[u.name].text, given[u.name].speaker)
    tables = {n: (tmp_path / n).read_text() for n in ("text", "utt2spk", "spk2utt")}
    assert tables == {
        "text": "ann-1 one one\nben-1 one\nben-2 two\n",
        "utt2spk": "ann-1 ann\nben-1 ben\nben-2 ben\n",
        "spk2utt": "ann ann-1\nben ben-1 ben-2\n",
    }


def test_the_statistics_of_each_speaker_are_removed(tmp_path):
    write_directory(tmp_path, utterances(), cmvn=True)
    plain = {u.name: u.features for u in KaldiDirectory(tmp_path, cmvn="none")}
    of_ben = np.concatenate([plain["ben-1"], plain["ben-2"]]).astype("float64")
    mean, deviation = of_ben.mean(axis=0), of_ben.std(axis=0)
    found = KaldiDirectory(tmp_path).utterance("ben-2").features
    np.testing.assert_allclose(found, plain["ben-2"] - mean, atol=1e-5)
    found = KaldiDirectory(tmp_path, cmvn="mean-variance").utterance("ben-2").features
    expected = (plain["ben-2"] - mean) / deviation
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_directory_is_data_for_the_commands(tmp_path):
    write_directory(tmp_path, utterances(), cmvn=True)
    source = FeatureSource(tmp_path)
    assert len(source) == 3
    found = source.utterances(10)
    assert found.transcripts == ["one one", "one", "two"]
    assert [f.shape for f in found.features] == [(5, 4), (9, 4), (7, 4)]


def test_what_does_not_fit_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"feats\.scp"):
        KaldiDirectory(tmp_path / "none")
    write_directory(tmp_path, utterances())
    with pytest.raises(ValueError, match="`cmvn`. Expected one of"):
        KaldiDirectory(tmp_path, cmvn="all")
    with pytest.raises(ValueError, match=r"`cmvn`. Expected cmvn\.scp in"):
        KaldiDirectory(tmp_path, cmvn="mean-variance")
    for stats, text in (
        ({"zoe": np.ones((2, 5))}, r"`cmvn\.scp`. Expected the speaker 'ann'"),
        ({"ann": np.ones((2, 4))}, "Expected statistics of 4 features, as 'ann-1' has"),
        ({"ann": np.zeros((2, 5))}, "Expected sums, squares and a count > 0"),
    ):
        write_archive(tmp_path / "cmvn.ark", stats.items())
        with pytest.raises(ValueError, match=text):
            KaldiDirectory(tmp_path).utterance("ann-1")
    write_archive(tmp_path / "feats.ark", [("ann-1", np.arange(3))])
    with pytest.raises(ValueError, match="Expected floats of shape"):
        KaldiDirectory(tmp_path, cmvn="none").utterance("ann-1")
    with pytest.raises(ValueError, match="Two utterances 'ben-2'. Expected one"):
        write_directory(tmp_path, utterances()[:1] * 2)


def test_no_table_of_an_older_directory_is_left(tmp_path):
    write_directory(tmp_path, utterances(), cmvn=True)
    (tmp_path / "wav.scp").write_text("mine")
    x = np.full((3, 4), 9, "float32")
    (found,) = write_directory(tmp_path, [KaldiUtterance("ann-1", x, None, "ann")])
    np.testing.assert_array_equal(found.features, x)
    assert found.text is None and not (tmp_path / "cmvn.scp").exists()
    assert (tmp_path / "wav.scp").read_text() == "mine"


def test_an_older_directory_stays_where_the_new_one_fails(tmp_path):
    write_directory(tmp_path, utterances(), cmvn=True)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="Two utterances"):
        write_directory(tmp_path, [KaldiUtterance("u", np.ones((2, 4)))] * 2)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "text", "speaker", "error"),
    [
        ("u", "one\ntwo", None, "`text of 'u'`. Expected a single line"),
        ("u", "one\rtwo", None, "`text of 'u'`. Expected a single line"),
        ("u", "one", "Ann B", "`speaker of 'u'`. Expected no white space"),
        ("u\n1", "one", "ann", r"`id of 'u\\n1'`. Expected no white space"),
        ("", "one", "ann", "`id of ''`. Expected no white space"),
        ("u", "\udcff", None, "`utterance 'u'`. Expected text without lone surrogates"),
    ],
)
def test_what_a_table_cannot_hold_is_refused(tmp_path, name, text, speaker, error):
    given = KaldiUtterance(name, np.ones((2, 2)), text, speaker)
    with pytest.raises(ValueError, match=error):
        write_directory(tmp_path / "new", [given])


def test_texts_of_any_letters_come_back(tmp_path):
    texts = ["a\u0085b", "c\u2028d\x0ce", "\u3000f\u00a0"]
    given = [KaldiUtterance(f"u{n}", np.ones((2, 2)), t) for n, t in enumerate(texts)]
    assert [u.text for u in write_directory(tmp_path, given)] == texts
