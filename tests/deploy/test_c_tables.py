import dataclasses
import re

import numpy as np
import pytest
from helpers.bundles import SPEC

from keras_rnn2dnn.deploy import c_tables
from keras_rnn2dnn.deploy.device.features import feature_tables


@pytest.mark.parametrize("seed", range(3))
def test_float_constants_are_read_as_the_same_bits(seed):
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2**32, 2000, dtype=np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    texts = [c_tables.float_literal(v) for v in values]
    assert all(text.endswith("f") and ("." in text or "e" in text) for text in texts)
    again = np.array([np.float32(text[:-1]) for text in texts])
    assert np.array_equal(again.view(np.uint32), values.view(np.uint32))


def test_a_table_is_wrapped_and_complete():
    text = c_tables.array("int8_t", "weights_0", np.arange(-128, 128))
    lines = text.splitlines()
    assert lines[0] == "static const int8_t weights_0[256] = {"
    assert max(map(len, lines)) <= 88
    numbers = " ".join(lines[1:-1]).replace(",", " ").split()
    assert [int(n) for n in numbers] == list(range(-128, 128))


def test_an_empty_table_has_one_zero_as_c_needs():
    text = c_tables.array("float", "x", [])
    assert text == "static const float x[1] = {\n    0\n};\n"


@pytest.mark.parametrize("rate", [4000, 8000, 16000, 44100])
def test_what_the_c_code_reads_of_the_trigonometric_tables_is_all_that_is_there(rate):
    """Beyond the right angle the entries before it stand for those of the FFT."""
    spec = dataclasses.replace(SPEC, sample_rate_hz=rate)
    header = c_tables.features_header(spec, (0.1, 0))
    whole, half = feature_tables(spec), spec.fft_length // 2
    for name, sign in (("cosine", -1), ("sine", 1)):
        (count, table) = re.search(
            rf"features_{name}\[(\d+)\] = {{([^}}]*)}}", header
        ).groups()
        values = [np.float32(x.rstrip("f")) for x in table.replace(",", " ").split()]
        assert int(count) == len(values) == half // 2
        read = set()
        for k in range(1, half):
            place = (k if k <= half // 2 else half - k) - 1
            read.add(place)
            value = values[place] if k <= half // 2 else sign * values[place]
            assert value == getattr(whole, name)[k]
        assert read == set(range(half // 2))
