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

from typing import TYPE_CHECKING

from keras_rnn2dnn.util.first_import import on_first_use

if TYPE_CHECKING:  # `_PLACES` says the same
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

_PLACES = {
    "Int8Student": "quantization.interpreter",
    "ReceptiveField": "quantization.receptive_field",
    "load_interpreter": "quantization.interpreter",
    "quantization_aware": "quantization.quantization_aware",
    "window_model": "quantization.window",
}

__getattr__, __dir__ = on_first_use(__name__, _PLACES)
