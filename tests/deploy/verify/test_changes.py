import numpy as np
import pytest

from keras_rnn2dnn.deploy.verify.changes import mutated

HEADER = """static const int8_t w[3] = {
    1, -7, 127
};
static const float v[1] = {
    0.5f
};
#define BIAS 2.0f
"""


@pytest.mark.parametrize(
    ("name", "place", "before", "after"),
    [("w", 0, "1,", "0,"), ("w", 1, "-7,", "-6,"), ("w", 2, "127", "126")],
)
def test_a_number_is_changed_by_one(name, place, before, after):
    assert mutated(HEADER, name, place) == HEADER.replace(before, after, 1)


def test_a_macro_is_changed_as_a_number_of_a_table():
    text = mutated(HEADER, "BIAS", 0)
    start, _, value = text.rpartition(" ")
    assert start == HEADER.rpartition(" ")[0]
    assert value.endswith("f\n") and 0 < 2 - float(value[:-2]) < 4e-5


def test_a_float_is_changed_by_little():
    text = mutated(HEADER, "v", 0)
    value = np.float32(text.rpartition("{")[2].split("f")[0])
    assert 0 < 0.5 - value < 1e-5
    assert text.startswith(HEADER.rpartition("{")[0])
    assert text.endswith("f\n};\n#define BIAS 2.0f\n")
