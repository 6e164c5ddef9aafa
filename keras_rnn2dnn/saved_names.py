"""The names under which objects are saved: Keras finds their classes by itself.

`keras.saving.load_model("student.keras")` needs the package to be imported, and no
class to be named. Yet the package imports no Keras, and no class before its first use.
So stand-ins are entered in Keras's list of classes as soon as there is Keras, before or
after this package. Each gives way to its class when that is imported: by a program, or
by Keras, which asks the stand-in to make an object.
"""

import importlib

from keras_rnn2dnn.util.first_import import when_imported

PACKAGE = "keras_rnn2dnn"
MODULES = {  # where the classes are; a class is saved as `keras_rnn2dnn>SpliceFrames`
    "CTCLoss": "distillation.ctc_loss",
    "Distiller": "distillation.distiller",
    "FakeQuant": "quantization.fake_quant",
    "FakeQuantAverage": "quantization.fake_quant",
    "FakeQuantConv1D": "quantization.fake_quant",
    "FakeQuantConv2D": "quantization.fake_quant",
    "FakeQuantDense": "quantization.fake_quant",
    "FakeQuantDepthwiseConv1D": "quantization.fake_quant",
    "FakeQuantDepthwiseConv2D": "quantization.fake_quant",
    "FakeQuantSplicedDense": "quantization.fake_quant",
    "LogMel": "audio.features",
    "SequenceKL": "hmm.sequence_kl",
    "SoftAlignmentKL": "distillation.losses",
    "SpliceFrames": "models.layers",
    "SplicedDense": "models.spliced_dense",
    "StackFrames": "models.layers",
    "UnstackFrames": "models.layers",
    "_Given": "kaldi.posteriors",
}


def register() -> None:
    """Enters the stand-ins in Keras's list, now or when Keras is imported."""
    when_imported("keras", _enter)


def _enter(keras):
    known = keras.saving.get_custom_objects()
    for name, module in MODULES.items():
        stand_in = _StandIn(name, (), {"__module__": f"{PACKAGE}.{module}"})
        known.setdefault(f"{PACKAGE}>{name}", stand_in)


class _StandIn(type):
    """The type of stand-ins: whatever is asked of one, its class gives."""

    def __getattr__(cls, name):
        return getattr(_class(cls), name)

    def __call__(cls, *args, **kwargs):
        return _class(cls)(*args, **kwargs)

    def __instancecheck__(cls, instance):
        return isinstance(instance, _class(cls))

    def __subclasscheck__(cls, subclass):
        return issubclass(subclass, _class(cls))


def _class(stand_in):
    return getattr(importlib.import_module(stand_in.__module__), stand_in.__name__)
