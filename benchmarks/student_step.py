"""What the parts of a student's training step cost: first layer, XLA, loss.

Prints milliseconds, medians over steps taken in turns in one run, of a batch of 32
utterances of 400 frames:

- a whole step on hard labels, 51 classes: dense layers on spliced frames, and
  `dnn_student`, whose first layer is a convolution; each also compiled by XLA
- value and gradient of a loss alone, 3,400 classes: cross-entropy of hard labels, and
  `SoftAlignmentKL` of top-20 targets and of dense ones
"""

import argparse
import statistics
import time

import keras
import numpy as np
import tensorflow as tf
from throughput import CONTEXT, FEATURES, spliced_student

from keras_rnn2dnn import SoftAlignmentKL, dnn_student
from keras_rnn2dnn.distillation.top_k import top_k_targets

UTTERANCES, FRAMES = 32, 400


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    print(
        f"{UTTERANCES} x {FRAMES} frames, median of {options.steps} steps in turns, "
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}"
    )
    keras.utils.set_random_seed(0)
    report(steps_of_students(51), options.steps)
    report(losses(3400), options.steps)


def steps_of_students(classes):
    """Returns functions that take a training step."""
    rng = np.random.default_rng(0)
    shape = (UTTERANCES, FRAMES)
    x = tf.constant(rng.normal(size=(*shape, FEATURES)).astype("float32"))
    labels = tf.constant(rng.integers(classes, size=shape))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    runs = {}
    for name, student in (
        ("spliced frames", spliced_student(classes)),
        ("convolution", dnn_student(FEATURES, classes, CONTEXT)),
    ):
        for suffix, compiled in (("", False), (", XLA", True)):
            student.compile("adam", loss=loss)
            student.optimizer.build(student.trainable_variables)
            step = tf.function(student.train_step, jit_compile=compiled)
            runs[f"{name}{suffix}"] = lambda step=step: step((x, labels))["loss"]
    return runs


def losses(classes):
    """Returns functions that compute a loss and its gradient by the logits."""
    rng = np.random.default_rng(0)
    shape = (UTTERANCES, FRAMES)
    logits = tf.constant(rng.normal(size=(*shape, classes)).astype("float32"))
    soft = tf.nn.log_softmax(6 * rng.normal(size=(*shape, classes)).astype("float32"))
    hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    given = {
        "hard labels": (hard, tf.constant(rng.integers(classes, size=shape))),
        "top-20 targets": (SoftAlignmentKL(), top_k_targets(soft, 20)),
        "dense targets": (SoftAlignmentKL(), soft),
    }

    def gradient_of(loss, targets):
        @tf.function
        def gradient():
            with tf.GradientTape() as tape:
                tape.watch(logits)
                value = loss(targets, logits)
            return tape.gradient(value, logits)

        return gradient

    return {name: gradient_of(*pair) for name, pair in given.items()}


def report(runs, steps):
    """Prints milliseconds."""
    for run in runs.values():  # trace
        run()
    seconds = {name: [] for name in runs}
    for _ in range(steps):
        for name, run in runs.items():
            begin = time.perf_counter()
            _ = run().shape
            seconds[name].append(time.perf_counter() - begin)
    for name, values in seconds.items():
        print(f"  {name:<22} {1000 * statistics.median(values):7.1f} ms")


if __name__ == "__main__":
    main()
