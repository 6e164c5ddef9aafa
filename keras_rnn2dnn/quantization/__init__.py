"""int8: a float student and calibration utterances in, a TensorFlow Lite file out.

- `window`, `window_layers`: the student as a graph of one context window
- `window_images`: the same of two-dimensional layers
- `clips`, `clip_layers`: an utterance-level student as a graph of one whole clip
- `receptive_field`: the frames behind an output
- `layer_rules`: which layers devices run
- `folding`: its layers, folded into what devices run
- `calibration`, `ranges`, `quantize`, `operators`: the conversion
- `fake_quant`, `quantization_aware`: training with the rounding of int8
- `interpreter`, `comparison`: running the file, and against the float student
"""

from keras_rnn2dnn.quantization.interpreter import Int8Student, load_interpreter
from keras_rnn2dnn.quantization.quantization_aware import quantization_aware
from keras_rnn2dnn.quantization.receptive_field import ReceptiveField
from keras_rnn2dnn.quantization.window import window_model

__all__ = [
    "Int8Student",
    "ReceptiveField",
    "load_interpreter",
    "quantization_aware",
    "window_model",
]
