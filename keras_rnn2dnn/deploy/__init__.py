"""From a student to a device: a float student in, a proven firmware bundle out.

- `forecast`: what a conversion will say and cost, before the training
- `convert`, `report`, `recordings`: the conversion and what it says
- `bundle`, `c_tables`, `c_prefix`, `golden`, `held_back`: the files of a bundle
- `atomic_directory`: they appear all at once
- `firmware`: the C sources; `device`: their arithmetic in numpy
- `projects`: a bundle as a library for Arduino, Zephyr, ESP-IDF or CMake
- `loading`, `verify`, `toolchain`, `tflm`: reading a bundle, and proving it
"""

from keras_rnn2dnn.deploy.convert import convert
from keras_rnn2dnn.deploy.forecast import Forecast, forecast, refusal
from keras_rnn2dnn.deploy.loading import Bundle, load_bundle
from keras_rnn2dnn.deploy.projects import write_project
from keras_rnn2dnn.deploy.report import ConversionReport
from keras_rnn2dnn.deploy.verify import Verification, verify
from keras_rnn2dnn.quantization.interpreter import Int8Student, load_interpreter
from keras_rnn2dnn.quantization.quantization_aware import quantization_aware
from keras_rnn2dnn.quantization.receptive_field import ReceptiveField
from keras_rnn2dnn.quantization.window import window_model

__all__ = [
    "Bundle",
    "ConversionReport",
    "Forecast",
    "Int8Student",
    "ReceptiveField",
    "Verification",
    "convert",
    "forecast",
    "load_bundle",
    "load_interpreter",
    "quantization_aware",
    "refusal",
    "verify",
    "window_model",
    "write_project",
]
