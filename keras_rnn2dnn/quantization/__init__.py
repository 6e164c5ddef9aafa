"""int8: a float student and calibration utterances in, a TensorFlow Lite file out.

- `window`, `window_layers`: the student as a graph of one context window
- `folding`: its layers, folded into what devices run
- `calibration`, `ranges`, `quantize`, `operators`: the conversion
- `fake_quant`, `quantization_aware`: training with the rounding of int8
- `interpreter`, `comparison`: running the file, and against the float student
"""

from keras_rnn2dnn.quantization.interpreter import Int8Student, load_interpreter
from keras_rnn2dnn.quantization.quantization_aware import quantization_aware
from keras_rnn2dnn.quantization.window import ReceptiveField, window_model

__all__ = [
    "Int8Student",
    "ReceptiveField",
    "load_interpreter",
    "quantization_aware",
    "window_model",
]
