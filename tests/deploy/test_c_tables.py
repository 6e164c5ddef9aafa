import dataclasses
import re

import numpy as np
import pytest
from helpers.bundles import MFCC, SPEC

from keras_rnn2dnn.deploy import c_tables
from keras_rnn2dnn.deploy.c_prefix import prefixed_code
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


SPECS = {
    "running": SPEC,
    "cepstra": MFCC,
    "pcen": dataclasses.replace(SPEC, compression="pcen", centering="none"),
    "an empty triangle": dataclasses.replace(
        SPEC, num_bins=120, mean=None, variance=None
    ),
}


@pytest.mark.parametrize("prefix", ["", "hall"])
@pytest.mark.parametrize("name", SPECS)
def test_the_tables_of_features_are_read_back_to_the_bit(name, prefix):
    spec = SPECS[name]
    header = c_tables.features_header(spec, (0.1, 0))
    found = c_tables.read_features_header(prefixed_code(header, prefix, ()), spec)
    again = c_tables.features_header(spec, (0.1, 0), found)
    assert again == header
    expected = feature_tables(spec)
    for field in dataclasses.fields(found):
        np.testing.assert_equal(
            getattr(found, field.name), getattr(expected, field.name)
        )
    sizes = [len(weights) for weights in found.mel_weights]
    assert (min(sizes) == 0) == (name == "an empty triangle")
    assert all(weights.dtype == np.float32 for weights in found.mel_weights)


def test_a_header_of_other_features_is_refused():
    header = c_tables.features_header(SPEC, (0.1, 0))
    wrong = (
        "",
        header.replace("mel_start", "start"),
        c_tables.features_header(SPECS["cepstra"], (0.1, 0)),
        re.sub(r"(mel_length\[8\] = {\n +)\d+", r"\g<1>900", header),
        re.sub(r"(mel_start\[8\] = {\n +)\d+", r"\g<1>125", header),
    )
    for text in wrong:
        assert text != header
        with pytest.raises(ValueError, match="Expected the header of 8 bins, as"):
            c_tables.read_features_header(text, SPEC)
