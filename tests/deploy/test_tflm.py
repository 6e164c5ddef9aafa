import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers.bundles import BINS, student

from keras_rnn2dnn.deploy import tflm
from keras_rnn2dnn.deploy.device.layers import read_layers
from keras_rnn2dnn.deploy.device.network import run_network
from keras_rnn2dnn.quantization.operators import MICRO_OPERATORS, operators
from keras_rnn2dnn.quantization.quantize import quantize
from keras_rnn2dnn.quantization.window import window_model

needs_tflm = pytest.mark.skipif(
    not tflm.is_installed(), reason="needs tflite-micro (the extra `micro`)"
)
smallest_arena = tflm.smallest_arena  # before conftest replaces it


@pytest.fixture(scope="module")
def tflite():
    model, field = window_model(student())
    rng = np.random.default_rng(0)
    return quantize(model, rng.normal(size=(200, field.window, BINS)))


@needs_tflm
def test_tflm_and_numpy_give_the_same_int8_outputs(tflite):
    x = np.random.default_rng(1).integers(-128, 128, (300, 6, BINS)).astype(np.int8)
    outputs = tflm.run_tflm(tflite, x)
    assert outputs.shape == (300, 5)
    assert np.array_equal(outputs, run_network(read_layers(tflite), x))
    assert len(np.unique(outputs)) > 50


@needs_tflm
def test_the_smallest_arena_suffices_and_a_smaller_one_does_not(tflite):
    from keras_rnn2dnn.deploy import tflm_worker

    found = smallest_arena(tflite)
    assert found % 16 == 0
    assert tflm_worker.suffices(tflite, found)
    assert not tflm_worker.suffices(tflite, found - 32)


@needs_tflm
def test_a_damaged_file_is_an_error_and_no_crash(tflite):
    x = np.zeros((1, 6, BINS), np.int8)
    with pytest.raises(RuntimeError, match="could not run the student: it ended with"):
        tflm.run_tflm(tflite[: len(tflite) // 2], x)
    with pytest.raises(RuntimeError, match="could not run the student"):
        tflm.run_tflm(b"no model at all", x)


HEADERS = {
    "tensorflow/lite/micro/micro_mutable_op_resolver.h": """#pragma once
#include <cstddef>
#include <cstdint>
enum TfLiteStatus { kTfLiteOk, kTfLiteError };
#define TF_LITE_ENSURE_STATUS(a) if ((a) != kTfLiteOk) return kTfLiteError
namespace tflite {
template <unsigned n> struct MicroMutableOpResolver { METHODS };
}
""",
    "tensorflow/lite/micro/micro_interpreter.h": """#pragma once
struct TfLiteTensor { union { int8_t* int8; } data; size_t bytes; };
namespace tflite {
struct Model;
struct MicroInterpreter {
  template <class R> MicroInterpreter(const Model*, const R&, uint8_t*, size_t) {}
  TfLiteStatus AllocateTensors() { return kTfLiteOk; }
  TfLiteStatus Invoke() { return kTfLiteOk; }
  TfLiteTensor* input(int) { return nullptr; }
  TfLiteTensor* output(int) { return nullptr; }
};
}
""",
    "tensorflow/lite/schema/schema_generated.h": """#pragma once
namespace tflite { const Model* GetModel(const void*); }
""",
}
# The names of the methods in TensorFlow Lite Micro's micro_mutable_op_resolver.h.
METHODS = [
    "AddAdd",
    "AddAveragePool2D",
    "AddConcatenation",
    "AddConv2D",
    "AddDepthwiseConv2D",
    "AddFullyConnected",
    "AddHardSwish",
    "AddLeakyRelu",
    "AddLogistic",
    "AddMaxPool2D",
    "AddMaximum",
    "AddMinimum",
    "AddMul",
    "AddPad",
    "AddQuantize",
    "AddRelu",
    "AddRelu6",
    "AddReshape",
    "AddStridedSlice",
    "AddSub",
    "AddTanh",
]


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_the_sources_for_tflm_compile(tflite, tmp_path):
    methods = " ".join(f"TfLiteStatus {m}() {{ return kTfLiteOk; }}" for m in METHODS)
    for name, text in HEADERS.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("METHODS", methods))
    files = tflm.tflm_files(tflite, sorted(MICRO_OPERATORS), 4096)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    line = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
    sources = [str(tmp_path / n) for n in ("main.cc", "model_data.cc")]
    subprocess.run([*line, f"-I{tmp_path}", *sources], check=True)


def test_the_array_holds_the_bytes_of_the_file(tflite):
    files = tflm.tflm_files(tflite, operators(tflite), None)
    data = files["model_data.cc"].partition("{")[2]
    assert bytes(int(x, 16) for x in re.findall(r"0x(\w\w),", data)) == tflite
    assert f"kModelDataSize = {len(tflite)};" in files["model_data.h"]
    resolver = files["op_resolver.h"]
    assert "MicroMutableOpResolver<2>" in resolver
    assert "resolver.AddFullyConnected()" in resolver
    assert "resolver.AddReshape()" in resolver
    assert "not measured, and generous" in resolver


def test_the_worker_is_a_program_of_its_own():
    text = Path(tflm.__file__).with_name("tflm_worker.py").read_text()
    assert "keras_rnn2dnn" not in text  # which would import TensorFlow
