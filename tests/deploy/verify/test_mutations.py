import numpy as np
import pytest

from keras_rnn2dnn.deploy.verify.mutations import mutated

HEADER = """static const int8_t w[3] = {
    1, -7, 127
};
static const float v[1] = {
    0.5f
};
"""


@pytest.mark.parametrize(
    ("name", "place", "before", "after"),
    [("w", 0, "1,", "0,"), ("w", 1, "-7,", "-6,"), ("w", 2, "127", "126")],
)
def test_a_number_is_changed_by_one(name, place, before, after):
    assert mutated(HEADER, name, place) == HEADER.replace(before, after, 1)


def test_a_float_is_changed_by_little():
    text = mutated(HEADER, "v", 0)
    value = np.float32(text.rpartition("{")[2].split("f")[0])
    assert 0 < 0.5 - value < 1e-5
    assert text.startswith(HEADER.rpartition("{")[0])
