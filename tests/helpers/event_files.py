"""Reading what TensorBoard reads."""

import tensorflow as tf


def summaries(directory):
    """Returns (step, value) of all event files, the values as protocol buffers."""
    found = []
    for path in sorted(directory.glob("events.out.tfevents.*")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            found += [(event.step, value) for value in event.summary.value]
    return found


def scalars(directory):
    """Returns (tag, step, number) of all event files."""
    found = []
    for step, value in summaries(directory):
        assert value.metadata.plugin_data.plugin_name == "scalars"
        found.append((value.tag, step, float(tf.make_ndarray(value.tensor))))
    return found
