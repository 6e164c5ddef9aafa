"""Reading what TensorBoard reads."""

import tensorflow as tf


def scalars(directory):
    """Returns (tag, step, value) of all event files, as TensorBoard reads them."""
    found = []
    for path in sorted(directory.glob("events.out.tfevents.*")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                number = float(tf.make_ndarray(value.tensor))
                found.append((value.tag, event.step, number))
    return found
