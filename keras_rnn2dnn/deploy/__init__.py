"""From a student to a device: a float student in, a proven firmware bundle out.

- `forecast`: what a conversion will say and cost, before the training
- `convert`, `report`, `recordings`: the conversion and what it says
- `bundle`, `c_tables`, `c_prefix`, `golden`, `held_back`: the files of a bundle
- `atomic_directory`: they appear all at once
- `firmware`: the C sources; `device`: their arithmetic in numpy
- `projects`: a bundle as a library for Arduino, Zephyr, ESP-IDF or CMake
- `loading`, `verify`, `toolchain`, `tflm`: reading a bundle, and proving it
"""

from typing import TYPE_CHECKING

from keras_rnn2dnn.util.first_import import on_first_use

if TYPE_CHECKING:  # `_PLACES` says the same
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

_PLACES = {
    "Bundle": "deploy.loading",
    "ConversionReport": "deploy.report",
    "Forecast": "deploy.forecast",
    "Int8Student": "quantization.interpreter",
    "ReceptiveField": "quantization.receptive_field",
    "Verification": "deploy.verify",
    "convert": "deploy.convert",
    "forecast": "deploy.forecast",
    "load_bundle": "deploy.loading",
    "load_interpreter": "quantization.interpreter",
    "quantization_aware": "quantization.quantization_aware",
    "refusal": "deploy.forecast",
    "verify": "deploy.verify",
    "window_model": "quantization.window",
    "write_project": "deploy.projects",
}

__getattr__, __dir__ = on_first_use(__name__, _PLACES)
