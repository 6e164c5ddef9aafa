import numpy as np
import pytest

from keras_rnn2dnn.quantization.comparison import compare_logits


def test_kl_and_agreement_equal_sums_over_classes_written_out():
    generator = np.random.default_rng(0)
    shapes = [(7, 5), (1, 5), (12, 5)]
    p = [generator.normal(size=shape) * 4 for shape in shapes]
    q = [x + generator.normal(size=x.shape) for x in p]
    kl, same, largest = 0.0, 0, 0.0
    for a, b in zip(np.concatenate(p), np.concatenate(q), strict=True):
        a_total, b_total = np.exp(a).sum(), np.exp(b).sum()
        for k in range(5):
            ratio = (np.exp(a[k]) / a_total) / (np.exp(b[k]) / b_total)
            kl += np.exp(a[k]) / a_total * np.log(ratio)
        same += np.argmax(a) == np.argmax(b)
        largest = max(largest, *np.abs(a - b))
    compared = compare_logits(p, q)
    assert compared["frames"] == 20
    assert compared["kl"] == pytest.approx(kl / 20, rel=1e-12)
    assert compared["agreement"] == same / 20
    assert compared["max_abs_logit_difference"] == largest


def test_logits_of_any_size_give_a_finite_kl():
    p, q = [np.array([[1e4, 0.0]], np.float32)], [np.array([[0.0, 1e4]], np.float32)]
    assert compare_logits(p, q)["kl"] == 1e4
    assert compare_logits(p, p)["kl"] == 0


def test_logits_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"Expected shapes \[\(2, 3\)\]"):
        compare_logits([np.zeros((2, 3))], [np.zeros((1, 3))])
