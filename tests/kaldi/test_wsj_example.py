"""The example on a miniature Kaldi directory, made of recorded digits."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from helpers import minidata

from keras_rnn2dnn import kaldi

pytest.importorskip("kaldiio", reason="needs the extra `kaldi`")

ROOT = Path(__file__).parents[2]
FSDD = ROOT.parent / "shared" / "fsdd"
pytestmark = pytest.mark.skipif(
    not FSDD.is_dir(), reason="needs FSDD in ../shared/fsdd"
)


def module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("s5")
    minidata.write(root, FSDD)
    return root


def arguments(data, out, *more):
    return [
        *("--train", f"{data}/train", "--labels", f"{data}/train_pdf.ark"),
        *("--development", f"{data}/dev"),
        *("--development-labels", f"{data}/dev_pdf.ark"),
        *("--test", f"{data}/test", "--out", str(out), "--student-units", "48"),
        *("--learning-rate", "0.01", "--splice", "1", *more),
    ]


def errors(output):
    """Returns the share of wrong frames of each system in the table."""
    lines = [line.split() for line in output.splitlines() if line.endswith("%")]
    return {line[0]: float(line[-2]) for line in lines}


@pytest.mark.slow
def test_the_experiment_from_a_kaldi_directory_to_scores_for_its_decoder(
    data, tmp_path, capsys
):
    example = module(ROOT / "examples" / "wsj_kaldi.py")
    small = ("--teacher-units", "24", "--epochs", "4")
    example.main(arguments(data, tmp_path / "a", *small))
    found = errors(capsys.readouterr().out)
    assert list(found) == ["blstm", "dnn_hard", "dnn_soft"]
    assert max(found.values()) < 60  # chance: 97
    priors = np.log(kaldi_vector(tmp_path / "a" / "priors.vec"))
    for name in found:
        scores = dict(kaldi.read_archive(tmp_path / "a" / name / "test.scp"))
        test = kaldi.KaldiDirectory(data / "test")
        assert len(scores) == len(test) == 80
        for utterance in test:
            z = scores[utterance.name]
            assert z.shape == (len(utterance.features), 30)
            np.testing.assert_allclose(np.exp(z + priors).sum(axis=1), 1, atol=1e-3)
    # The posteriors of that teacher, through Kaldi's archives, teach as well.
    import keras

    teacher = keras.saving.load_model(tmp_path / "a" / "blstm" / "model.keras")
    train = kaldi.KaldiDirectory(data / "train")
    kaldi.write_scores(tmp_path / "post.ark", teacher, train)
    given = ("--posteriors", str(tmp_path / "post.scp"), "--epochs", "4")
    example.main(arguments(data, tmp_path / "b", *given))
    again = errors(capsys.readouterr().out)
    assert list(again) == ["dnn_hard", "dnn_soft"]
    assert abs(again["dnn_soft"] - found["dnn_soft"]) < 3


def kaldi_vector(path):
    return np.array(path.read_text().strip(" []\n").split(), "float64")
