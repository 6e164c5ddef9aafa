"""Makes spliced frames with a Dense layer behind them one layer.

    Dense(splice(x)) = a convolution over the frames that the splice puts side by side

Its kernel is the same. On several frames, or with gaps between them, it needs no slices
and no concatenation, so that the C code runs it.
"""

import keras

from keras_rnn2dnn.models.layers import SpliceFrames
from keras_rnn2dnn.models.spliced_dense import SplicedDense
from keras_rnn2dnn.quantization.layer_rules import IDENTITIES


def fold_splice(steps: list) -> None:
    """Folds every SpliceFrames that Dense layers alone read, in place.

    Args:
        steps: of `graph.student_graph`, before their frames are known.
    """
    for place, step in enumerate(steps):
        if not isinstance(step.layer, SpliceFrames):
            continue
        readers = _readers(steps, place)
        if readers and all(type(steps[k].layer) is keras.layers.Dense for k in readers):
            for reader in readers:
                steps[reader].layer = _spliced_dense(step.layer, steps[reader].layer)
            step.layer = keras.layers.Identity(name=step.layer.name, dtype="float32")


def _readers(steps, place):
    """Lists who reads a step, through identities; the output of the student is 0."""
    found = [0] if place == len(steps) - 1 else []
    for number, step in enumerate(steps):
        if place in step.inputs:
            passed = type(step.layer) in IDENTITIES
            found += _readers(steps, number) if passed else [number]
    return found


def _spliced_dense(splice, dense):
    layer = SplicedDense(
        dense.units,
        splice.left,
        splice.right,
        splice.step,
        activation=dense.activation,
        use_bias=dense.use_bias,
        dtype="float32",
        name=dense.name,
    )
    width = splice.left + 1 + splice.right
    layer.build((None, None, dense.kernel.shape[0] // width))
    layer.set_weights(dense.get_weights())
    return layer
