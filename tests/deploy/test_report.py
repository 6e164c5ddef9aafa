import json

import numpy as np
import pytest

from keras_rnn2dnn.deploy import ConversionReport


def report(**changes):
    values = {
        "tflite": "student.tflite",
        "bytes": 43728,
        "sha256": "ab" * 32,
        "parameters": 39795,
        "multiply_accumulates": 39616,
        "context": {"left": 15, "right": 5, "window": 21, "stride": 1},
        "latency_frames": 5,
        "latency_ms": 50.0,
        "operators": ("FULLY_CONNECTED", "RESHAPE"),
        "quantization": {
            "input": {"dtype": "int8", "scale": 0.05, "zero_point": 3},
            "output": {"dtype": "int8", "scale": 0.04, "zero_point": -1},
        },
        "calibration": {"utterances": 24, "windows": 1000, "ranges": "minmax"},
        "comparison": {
            "utterances": 6,
            "frames": 600,
            "kl": 0.00015,
            "agreement": 0.96,
            "max_abs_logit_difference": 0.069,
            "wer_float": None,
            "wer_int8": None,
        },
        "feature_spec": {"mean": np.array([1.5, 2.0]), "bins": np.int64(24)},
        "versions": {"python": "3.11.2"},
    }
    return ConversionReport(**{**values, **changes})


def test_the_report_is_plain_json():
    as_dict = report().to_dict()
    assert json.loads(json.dumps(as_dict)) == as_dict
    assert as_dict["feature_spec"] == {"mean": [1.5, 2.0], "bins": 24}
    assert as_dict["operators"] == ["FULLY_CONNECTED", "RESHAPE"]


def test_what_json_does_not_hold_is_refused():
    with pytest.raises(TypeError, match="set does not go into a JSON report"):
        report(feature_spec={"bins": {1}}).to_dict()


def test_the_printed_report_is_a_table():
    lines = str(report()).splitlines()
    assert lines[0] == "file                  student.tflite, 43,728 bytes"
    assert "context               15 + 1 + 5 = 21 frames, stride 1" in lines
    assert "latency               5 frames, 50 ms" in lines
    assert "KL(float || int8)     0.000150 nats" in lines
    assert not any("word error rate" in line for line in lines)
    compared = {**report().comparison, "wer_float": 0.1135, "wer_int8": 0.1123}
    last = str(report(comparison=compared)).splitlines()[-1]
    assert last == "word error rate       float 11.35%, int8 11.23%"
