"""Checks of what a model gives: one output, frame by frame."""

import keras
import tensorflow as tf


def single_output(role: str, model: keras.Layer, outputs: object = None) -> None:
    """Refuses a model that gives several outputs, or outputs with names.

    Args:
        role: `"teacher"` or `"student"`.
        model: Keras model or layer.
        outputs: what a call of it gave, or the shape of that. Needed for models that
            do not show their outputs before (subclassed ones).

    Raises:
        ValueError: if there is not one tensor; names the outputs, and says how to take
            one of them. Also if the one output is a loss, as models that are made to
            be trained with CTC give it.

    Example:
        >>> x = keras.Input((None, 4))
        >>> outputs = [keras.layers.Dense(3, name=n)(x) for n in ("words", "pitch")]
        >>> single_output("teacher", keras.Model(x, outputs, name="two"))
        Traceback (most recent call last):
        ...
        ValueError: Invalid value for `teacher`. Expected a model with one output.
        Received: several outputs of the teacher 'two': 0 ('words'), 1 ('pitch').
        Choose one: keras.Model(teacher.input, teacher.output[0])
    """
    shown = _structure(model) if outputs is None else outputs
    name = getattr(model, "name", role)
    if isinstance(shown, dict):
        listed, key = [repr(k) for k in shown], repr(next(iter(shown), 0))
    elif isinstance(shown, list | tuple) and len(shown) > 1:
        names = getattr(model, "output_names", None) or [""] * len(shown)
        names = [f" ({given!r})" if given else "" for given in names]
        listed, key = [f"{k}{given}" for k, given in enumerate(names)], "0"
    else:
        return _refuse_loss(role, model, name)
    graph = bool(getattr(model, "outputs", None))
    choice = f"keras.Model({role}.input, {role}.output[{key}])"
    if not graph:
        choice = (
            f"x = keras.Input((None, features)); keras.Model(x, {role}(x)[{key}]), as "
            f"`keras.Model({role}.input, {role}.output[i])` of a model that has `input`"
        )
    raise ValueError(
        f"Invalid value for `{role}`. Expected a model with one output. Received: "
        f"several outputs of the {role} {name!r}: {', '.join(listed)}. Choose one: "
        f"{choice}"
    )


def _structure(model):
    """Returns the outputs of a model, nested as its calls give them, or None."""
    if isinstance(model, keras.layers.TFSMLayer):
        return getattr(model.call_endpoint_fn, "structured_outputs", None)
    if isinstance(model, keras.Sequential) and model.layers:
        found = _structure(model.layers[-1])
        if found is not None:
            return found
    shown = getattr(model, "_outputs_struct", None)  # of keras.Function
    return getattr(model, "outputs", None) if shown is None else shown


def _refuse_loss(role, model, name):
    inputs = getattr(model, "inputs", None) or []
    shape = getattr((getattr(model, "outputs", None) or [None])[0], "shape", None)
    if len(inputs) > 1 and shape is not None and _is_loss(shape):
        listed = ", ".join(repr(tensor.name) for tensor in inputs)
        raise ValueError(
            f"Invalid value for `{role}`. Expected a model from features to classes. "
            f"Received: the {role} {name!r}, whose output {tuple(shape)} is a loss, of "
            f"the inputs {listed}. {_before_loss(role)}"
        )


def _is_loss(shape):
    """Tells the shapes of one number for each utterance, or for all of them."""
    return len(shape) < 2 or tuple(shape[1:]) == (1,)


def _before_loss(role):
    return (
        "Take the part before the loss: "
        f'keras.Model({role}.inputs[0], {role}.get_layer("NAME").output)'
    )


def after_equal(a, b, message: str, tensor):
    """Returns a tensor which is there once two sizes were found to be equal.

    Raises:
        tf.errors.InvalidArgumentError: if they are not, also in a compiled step.
    """
    check = tf.debugging.assert_equal(a, b, message)
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(tensor)


def check_frame_outputs(role: str, shape) -> None:
    """Refuses outputs of another shape than `(batch, frames, classes)`.

    Args:
        role: `"teacher"` or `"student"`.
        shape: of its output.

    Raises:
        ValueError: if it has another rank; says what to do.
    """
    shape = tuple(shape)
    if len(shape) == 3:
        return
    remedy = "Cut the model at the layer that gives the classes of every frame"
    if _is_loss(shape):
        remedy = (
            "One number is a loss, as models that are made to be trained with CTC give "
            f"it. {_before_loss(role)}"
        )
    elif len(shape) == 2:
        remedy = (
            "A model with one output for each utterance has no frames to align: give "
            "one whose recurrent layers have `return_sequences=True`, without pooling "
            "over the frames, or pair it with another that gives (batch, classes)"
        )
    raise ValueError(
        f"Invalid output of the {role}. Expected the shape (batch, frames, classes). "
        f"Received: {shape}. {remedy}"
    )
