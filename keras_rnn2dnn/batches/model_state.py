"""A teacher is left as it was found: weights, states, seeds and metrics."""

import contextlib
from collections.abc import Sequence

import keras
import numpy as np

from keras_rnn2dnn.util.errors import invalid


def run_stateless(model: keras.Layer, x):
    """Runs a model in inference mode, each batch from the zero state.

    Layers with `stateful=True` neither use nor change the state that they have; so a
    batch may be of any size.

    Args:
        model: Keras model or layer.
        x: its input.

    Returns:
        Its output.

    Raises:
        ValueError: if a layer keeps a state in a way of its own.

    Example:
        >>> layer = keras.layers.GRU(2, return_sequences=True, stateful=True)
        >>> model = keras.Sequential([keras.Input((None, 3), batch_size=4), layer])
        >>> x = np.ones((4, 5, 3), "float32")
        >>> first, again = run_stateless(model, x), run_stateless(model, x)
        >>> bool(np.all(first == again)), float(np.sum(layer.states[0]))
        (True, 0.0)
    """
    layers = [n for n in _layers(model) if getattr(n, "stateful", False) is True]
    for layer in layers:
        if not isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional):
            raise ValueError(_keeps_state(model, layer.name))
    for layer in layers:
        layer.stateful = False
    try:
        return model(x, training=False)
    finally:
        for layer in layers:
            layer.stateful = True


@contextlib.contextmanager
def left_as_found(models: Sequence[keras.Layer], check: bool = False):
    """Puts back what running models has changed: states, seeds and metrics.

    Args:
        models: that are run in inference mode.
        check: whether a state that has changed is an error: where it does, an output
            depends on the batches before. Of seeds and metrics it does not.

    Raises:
        ValueError: with `check`, names the variable that has changed.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5)])
        >>> with left_as_found([model]):
        ...     y = model(np.ones((1, 2)), training=True)
        >>> int(model.layers[0].seed_generator.state.numpy()[1])
        0
    """
    found = [(model, _kept(model)) for model in models]
    found = [(model, kept, [v.numpy() for v in kept]) for model, kept in found]
    try:
        yield
    finally:
        changed = []
        for model, kept, values in found:
            for variable, value in zip(kept, values, strict=True):
                if not np.array_equal(variable.numpy(), value, equal_nan=True):
                    variable.assign(value)
                    changed.append((model, variable))
    for model, variable in changed:
        if check and not _is_seed(variable) and not _is_metric(model, variable):
            raise ValueError(_keeps_state(model, variable.path))


def check_not_shared(teachers: Sequence[keras.Layer], student: keras.Layer) -> None:
    """Refuses a student whose training would change a teacher.

    Layers that training leaves as they are may be shared: those with
    `trainable=False`, and those that learn by `adapt` alone, such as features.

    Args:
        teachers: Keras models.
        student: Keras model.

    Raises:
        ValueError: if they share a layer or a weight that training changes.
    """
    owned = {id(layer) for teacher in teachers for layer in _layers(teacher)}
    weights = {id(v) for teacher in teachers for v in teacher.variables}
    shared = []
    for layer in _layers(student):
        if not layer.trainable or hasattr(layer, "adapt"):
            continue
        own = [v for v in layer.variables if not _is_seed(v)]
        unbuilt = id(layer) in owned and not layer.built
        if unbuilt or any(id(v) in weights for v in own):
            inner = list(layer._flatten_layers(include_self=False))
            if not any(one.variables for one in inner):
                shared.append(layer.name)
    if shared:
        received = ", ".join(map(repr, shared[:5])) + (", ..." if shared[5:] else "")
        raise ValueError(
            "Teacher and student share layers: training the student would change the "
            "teacher. Expected a student with layers of its own. Received: "
            f"{received} in both. Give the student a copy, "
            "`keras.models.clone_model(student)` with `set_weights`, or set "
            "`layer.trainable = False` where both are to use a layer as it is"
        )


def _layers(model):
    return list(model._flatten_layers(include_self=True))


def _kept(model):
    """Returns the variables that running a model in inference mode may change."""
    others = [v for v in model.variables if not v.trainable or _is_seed(v)]
    return others + list(model.metrics_variables)


def _is_seed(variable):
    return variable.path.endswith("seed_generator_state")


def _is_metric(model, variable):
    return any(variable is v for v in model.metrics_variables)


def _keeps_state(model, name):
    state = "a model whose output does not depend on the batches before it"
    hint = f"{name!r} keeps a state from batch to batch: build it without one"
    return invalid("teacher", state, model.name, hint)
