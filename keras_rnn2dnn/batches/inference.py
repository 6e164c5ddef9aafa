"""Runs models on batches of any length: compiled where that is right."""

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn2dnn.batches.model_outputs import after_equal
from keras_rnn2dnn.batches.model_state import left_as_found, run_stateless
from keras_rnn2dnn.batches.utterance_lists import have_frames

_LOG = logging.getLogger(__name__)
_PROBE_FRAMES = 32
_LOST_FRAMES = (
    "The {role} loses frames where it is compiled for any number of them. Expected an "
    "output for each frame. Keras 3.14 and 3.15 lose the time axis of "
    "`TimeDistributed`: `Dense(n)` does what `TimeDistributed(Dense(n))` does"
)
_TOLERANCE = 1e-2  # of logits in float16; what is wrong is wrong by more
# Whether a compiled function knows the numbers of utterances and of frames.
_WAYS = ((False, False), (False, True), (True, True))


class Inference:
    """Runs a function of models on batches whatever their lengths.

    It is compiled once for all sizes. Not every model can be: Keras 3.14 and 3.15 lose
    the time axis of `TimeDistributed` where the number of frames is unknown while they
    trace, and others need it to be known. So the compiled function is compared with an
    eager run on the first utterance; where they differ, it is compiled for each number
    of frames, then for each shape, and at last not at all.

    A model whose numbers of frames or of utterances are fixed hears zeros behind what
    is shorter, as in a padded batch.

    Args:
        function: of a batch, `(batch, frames, ...)` or a structure of such arrays, to a
            tensor `(batch, frames, ...)`. It runs the models with the weights that they
            have when it is called.
        models: that it runs; the sizes of the first one's inputs count.

    Raises:
        ValueError: when it is called, if utterances are longer than a model takes, or
            a model keeps a state from batch to batch in a way of its own.

    Example:
        >>> dense = keras.layers.Dense(3)
        >>> model = keras.Sequential([keras.Input((None, 2)), dense])
        >>> run = Inference(lambda x: model(x, training=False), [model])
        >>> run(np.ones((4, 7, 2))).shape
        TensorShape([4, 7, 3])
    """

    def __init__(self, function: Callable[[Any], Any], models: Sequence[keras.Model]):
        self._function = function
        self.models = list(models)
        self._shapes = input_shapes(models)
        self._compiled: dict[str, Callable] = {}
        self._known: tuple[bool, bool] | None = None  # of `_WAYS`; None: eager
        self._chosen = False

    @property
    def fixes_frames(self) -> bool:
        """Whether the models take utterances of one length alone."""
        return bool(self._shapes) and None not in _lengths(self._shapes)

    def __call__(self, x) -> tf.Tensor:
        """Returns the outputs of a batch."""
        batches = self.as_taken(x)
        if not self._chosen:
            self._choose(batches[0])
        outputs = [self._run(batch) for batch in batches]
        outputs = outputs[0] if len(outputs) == 1 else tf.concat(outputs, axis=0)
        utterances, own = _sizes(x)
        if len(outputs) > utterances:
            outputs = outputs[:utterances]
        longest = _sizes(batches[0])[1]
        if own == longest or len(outputs.shape) < 3:
            return outputs
        return outputs[:, : outputs_of(own, longest, outputs.shape[1])]

    def as_taken(self, x) -> list:
        """Returns batches of the numbers of utterances and frames that models fix.

        Zeros are put behind what is shorter.
        """
        leaves = keras.tree.flatten(x)
        shapes = self._shapes if len(self._shapes) == len(leaves) else []
        framed = self.framed(x)
        leaves = list(map(_longer, leaves, shapes, framed)) or leaves
        x, size = keras.tree.pack_sequence_as(x, leaves), shapes and shapes[0][0]
        if not size:
            return [x]
        starts = range(0, len(leaves[0]), size)
        rows = [functools.partial(_rows, start=n, size=size) for n in starts]
        return [keras.tree.map_structure(take, x) for take in rows]

    def framed(self, x) -> list[bool]:
        """Tells which inputs of a batch have frames; see `have_frames`."""
        return have_frames(keras.tree.flatten(x), self._shapes)

    def _choose(self, x):
        """Finds a way to run that gives what an eager run does."""
        with left_as_found(self.models, check=True):
            probe, expected = self._eager(x)
        self._chosen = True
        found = {}
        for self._known in _WAYS:
            try:
                found[self._known] = self._run(probe)
            except Exception as error:  # whatever the models' own code raises
                _LOG.debug("Not compiled with %s known: %s", self._known, error)
                continue
            if _same(found[self._known], expected):
                return
        self._known = None
        if not _same(self._function(_tensors(probe)), expected):  # a random model
            alike = [w for w in found if found[w].shape == expected.shape]
            self._known = alike[0] if alike else None
        _LOG.info("A model is run eagerly: compiled, it gives something else")

    def _eager(self, x):
        """Returns the first utterance, shortened where that can be, and its output."""
        if self._shapes and self._shapes[0][0] is not None:
            return x, self._function(_tensors(x))
        first = keras.tree.map_structure(lambda a: a[:1], x)
        framed = keras.tree.pack_sequence_as(first, self.framed(first))
        if 1 in _lengths([a.shape for a in keras.tree.flatten(first)]):
            # Where utterances and frames are as many, a lost axis is not seen.
            first = keras.tree.map_structure(lambda a: np.concatenate([a, a]), first)
        if not self.fixes_frames:
            short = keras.tree.map_structure(
                lambda a, cut: a[:, :_PROBE_FRAMES] if cut else a, first, framed
            )
            try:
                outputs = self._function(_tensors(short))
                if outputs.shape[1]:
                    return short, outputs
            except Exception as error:  # of too few frames; all of them come next
                _LOG.debug("%d frames are not enough: %s", _PROBE_FRAMES, error)
        return first, self._function(_tensors(first))

    def _run(self, x):
        x = _tensors(x)
        if self._known is None:
            return self._function(x)
        framed = keras.tree.pack_sequence_as(x, self.framed(x))
        specs = keras.tree.map_structure(self._spec, x, framed)
        key = str(keras.tree.flatten(specs))
        if key not in self._compiled:
            # A partial: of functions with the same code TensorFlow would warn after a
            # few of them that they are traced too often.
            function = tf.function(functools.partial(self._function), autograph=False)
            self._compiled[key] = function.get_concrete_function(specs)
        return self._compiled[key](x)

    def _spec(self, tensor, framed):
        batch, frames = self._known
        known = (batch, frames or not framed, *[True] * len(tensor.shape))
        shape = [n if k else None for n, k in zip(tensor.shape, known, strict=False)]
        return tf.TensorSpec(shape, tensor.dtype)


def inference_function(model: keras.Model) -> Inference:
    """Returns a model's inference, `(batch, frames, ...) -> (batch, frames, classes)`.

    Example:
        >>> model = keras.Sequential([keras.Input((None, 2)), keras.layers.Dense(3)])
        >>> inference_function(model)(np.ones((4, 7, 2), "float32")).shape
        TensorShape([4, 7, 3])
    """
    return Inference(functools.partial(run_stateless, model), [model])


def all_frames(role: str, model: keras.Model, x, outputs):
    """Returns a model's outputs, there once it is known that no frame was lost.

    For steps that are compiled by others, who choose what is known of the lengths.

    Args:
        role: `"teacher"` or `"student"`.
        model: whose outputs they are.
        x: what it was given.
        outputs: `(batch, frames, classes)`; its Keras mask stays.

    Raises:
        tf.errors.InvalidArgumentError: when the step runs, if they are not as many as
            the frames, although the model keeps them.
    """
    frames = [a for a in keras.tree.flatten(x) if len(a.shape) > 2]
    if tf.executing_eagerly() or not frames or frames[0].shape[1] is not None:
        return outputs
    if not _keeps_frames(model):
        return outputs
    mask = getattr(outputs, "_keras_mask", None)
    sizes = tf.shape(outputs)[1], tf.shape(frames[0])[1]
    outputs = after_equal(*sizes, _LOST_FRAMES.format(role=role), outputs)
    if mask is not None:
        outputs._keras_mask = mask
    return outputs


def _keeps_frames(model):
    """Tells whether a model has an output for each frame, where it can be told."""
    try:
        for frames in (61, 64):
            # A `Sequential` has no `input` before it is called.
            inputs = model.inputs[0] if len(model.inputs) == 1 else model.input
            shapes = keras.tree.map_structure(
                lambda a, n=frames: (1, n, *a.shape[2:]), inputs
            )
            if tuple(model.compute_output_shape(shapes))[:2] != (1, frames):
                return False
    except Exception as error:  # as models of one's own may raise: it cannot be told
        _LOG.debug("The frames of %s are not known: %s", model.name, error)
        return False
    return True


def input_shapes(models: Sequence[keras.Model]) -> list[tuple[int | None, ...]]:
    """Returns the shapes of the inputs of models, with the sizes that they fix.

    Example:
        >>> inputs = keras.Input((160, 40)), keras.Input((None, 8), batch_size=2)
        >>> outputs = keras.layers.Dense(3)(inputs[0])
        >>> input_shapes([keras.Model(inputs, outputs)])
        [(None, 160, 40), (2, None, 8)]
    """
    found = [getattr(model, "inputs", None) or [] for model in models]
    if len({tuple(len(tensor.shape) for tensor in inputs) for inputs in found}) != 1:
        return []

    def fixed(*tensors):
        sizes = zip(*(tensor.shape for tensor in tensors), strict=True)
        return tuple(next((n for n in some if n is not None), None) for some in sizes)

    return [fixed(*tensors) for tensors in zip(*found, strict=True)]


def outputs_of(frames: int, longest: int, num_outputs: int) -> int:
    """Returns how many outputs belong to the first frames of a longer utterance.

    Example:
        >>> outputs_of(90, 100, 100), outputs_of(90, 100, 34)  # of a stride of 3
        (90, 31)
    """
    return -(-frames * num_outputs // longest)


def _sizes(x):
    """Returns the numbers of utterances and of frames of a batch."""
    shapes = [array.shape for array in keras.tree.flatten(x)]
    return shapes[0][0], max(_lengths(shapes))


def _lengths(shapes):
    """Returns the numbers of frames of those inputs that have features, or samples."""
    with_features = [shape[1] for shape in shapes if len(shape) > 2]
    return with_features or [shape[1] for shape in shapes if len(shape) > 1]


def _tensors(x):
    return keras.tree.map_structure(tf.convert_to_tensor, x)


def _longer(array, shape, framed):
    """Appends zeros to utterances of fewer frames than a model takes."""
    if not framed:
        return array
    missing = 0 if shape[1] is None else shape[1] - array.shape[1]
    if missing < 0:
        raise ValueError(
            f"An utterance is longer than the model takes. Expected at most {shape[1]} "
            f"frames, the size of its input. Received: {array.shape[1]} frames. Split "
            "the utterance, or build the model for any number of frames, as with "
            "`keras.Input((None, features))`"
        )
    if not missing:
        return array
    return np.pad(array, [(0, 0), (0, missing), *[(0, 0)] * (len(array.shape) - 2)])


def _rows(array, start, size):
    rows = array[start : start + size]
    return np.pad(rows, [(0, size - len(rows)), *[(0, 0)] * (len(rows.shape) - 1)])


def _same(found, expected):
    """Tells whether a compiled run gave the outputs of an eager one."""
    if found.shape != expected.shape:
        return False
    found, expected = np.asarray(found, "float64"), np.asarray(expected, "float64")
    if found.ndim == 4 and found.shape[2] == 2:  # top-k: those as good change places
        found, expected = found[:, :, 0], expected[:, :, 0]
    close = {"rtol": _TOLERANCE, "atol": _TOLERANCE, "equal_nan": True}
    return np.allclose(found, expected, **close)
