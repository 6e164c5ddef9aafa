"""Scalars for TensorBoard, which need not be installed to write them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf


def write_scalars(
    directory: str | Path, values: Mapping[str, Sequence[float | None]]
) -> None:
    """Writes an event file that TensorBoard shows.

    Args:
        directory: of the run; TensorBoard names the run after it.
        values: by name one number for each epoch, from epoch 0 on; None is left out.

    Raises:
        OSError: if the directory cannot be written.

    Example:
        >>> write_scalars("logs/student", {"loss": [2.0, 1.5], "kl": [0.9, 0.7]})
        >>> [path.name.split(".")[0] for path in Path("logs/student").iterdir()]
        ['events']
    """
    Path(directory).mkdir(parents=True, exist_ok=True)  # or TensorFlow's own errors
    writer = tf.summary.create_file_writer(str(directory))
    with writer.as_default():
        for name, numbers in values.items():
            for epoch, number in enumerate(numbers):
                if number is not None:
                    write_scalar(name, number, epoch)
    writer.close()


def write_scalar(name: str, value: float, step: int) -> None:
    """Writes one number to the default writer, as `tf.summary.scalar` does.

    That one needs `tensorboard` to be installed, with which TensorFlow no longer comes.

    Args:
        name: of the curve.
        value: of its point.
        step: where it is, such as the epoch.
    """
    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = "scalars"
    tf.summary.write(name, tf.constant(value, tf.float32), step, metadata)
