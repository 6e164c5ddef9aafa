"""What is compiled by XLA, which lacks some of TensorFlow's operations."""

import functools

import tensorflow as tf

from keras_rnn2dnn.util.captured_output import captured_output


def compiled_by_xla() -> bool:
    """Tells whether the function being traced has `jit_compile=True`.

    TensorFlow marks its graph with a context, but has no public question for it.

    Example:
        >>> compiled_by_xla()
        False
        >>> tf.function(lambda: tf.constant(compiled_by_xla()), jit_compile=True)()
        <tf.Tensor: shape=(), dtype=bool, numpy=True>
    """
    graph = tf.compat.v1.get_default_graph()
    while graph is not None:
        context = graph._get_control_flow_context()
        while context is not None:
            if context.IsXLAContext():
                return True
            context = context.outer_context
        graph = getattr(graph, "outer_graph", None)
    return False


@functools.cache
def can_compile() -> bool:
    """Tells whether TensorFlow compiles by XLA here: not every build does.

    XLA's first compilation of a process writes four lines to the terminal; this is it.

    Example:
        >>> can_compile()
        True
    """
    with tf.init_scope(), captured_output():
        try:
            tf.function(tf.identity, jit_compile=True)(tf.ones(()))
        except tf.errors.OpError:
            return False
    return True
