import numpy as np
import pytest
from helpers import report_runs

from keras_rnn2dnn.deploy import Int8Student
from keras_rnn2dnn.report.collect import collect
from keras_rnn2dnn.report.int8_errors import int8_errors, quantum_counts
from keras_rnn2dnn.report.models import FoldModels


def test_counts_are_those_of_numpys_histogram():
    errors = report_runs.frames(100, 7)
    edges = [-np.inf, *np.arange(-6, 6.5, 0.5), np.inf]
    expected, _ = np.histogram(errors, edges)
    assert quantum_counts(errors).tolist() == expected.tolist()


def test_the_histogram_is_of_integers_less_floats(run_directory):
    models = FoldModels(collect(run_directory).folds[0])
    (figure,) = int8_errors([models]).figures
    student = Int8Student.load(run_directory / "ada/bundle")
    rounded = np.concatenate(student.predict(models.test.features))
    exact = np.concatenate(models.logits("student", range(4)))
    quanta = (rounded - exact.astype("f8")) / student.output_quantization[0]
    assert f"{quanta.size:,} logits of 4 test strings" in figure
    assert f"mean {quanta.mean():+.2f}, standard deviation {quanta.std():.2f}" in figure
    assert 0.2 < quanta.std() < 3
    share = 100 * ((quanta >= 0) & (quanta < 0.5)).mean()
    assert f"0 to 0.5: {share:.2f} %" in figure
    assert quanta.std() == pytest.approx(np.sqrt(np.mean(quanta**2)), rel=0.5)
