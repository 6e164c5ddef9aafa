"""What `Distiller.fit` costs over the teacher's inference and the student's training.

Prints seconds per epoch and ratios, all measured in this one run, in turns:

- teacher: inference of the teacher alone, over the same batches
- student: `student.fit` on soft targets that come with the data
- distiller: `Distiller.fit` with the teacher inside
- keras.distillation: Keras's own Distiller with a `KLDivergence()` instance

All read the same `tf.data` batches, without its tuning thread: see `without_autotune`.

Goal: distiller / (teacher + student) <= 1.1.
"""

import argparse
import statistics
import time

import keras
import numpy as np
import tensorflow as tf

from keras_rnn2dnn import Distiller, SoftAlignmentKL, dnn_student, rnn_teacher
from keras_rnn2dnn.batches import without_autotune


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utterances", type=int, default=512)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--classes", type=int, default=51)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    shape = (options.utterances, options.frames, 40)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    runs = prepared_runs(x, options.classes)
    for run in runs.values():  # trace
        run()
    seconds = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    report(seconds, options)


def prepared_runs(x, classes):
    """Returns a function that runs one epoch of each kind."""
    teacher = rnn_teacher(40, classes, units=(128, 128))

    def batched(*arrays):
        dataset = tf.data.Dataset.from_tensor_slices(arrays).batch(32)
        return without_autotune(dataset)

    batches = batched(x)
    infer = tf.function(lambda x: teacher(x, training=False), reduce_retracing=True)
    soft = np.concatenate([infer(batch) for (batch,) in batches])
    new = lambda: dnn_student(40, classes, context=(10, 10))  # noqa: E731

    student = new()
    student.compile("adam", loss=SoftAlignmentKL())
    distiller = Distiller(teacher, new())
    distiller.compile("adam")
    peer = keras.distillation.Distiller(
        teacher=rnn_teacher(40, classes, units=(128, 128)),
        student=new(),
        distillation_losses=keras.distillation.LogitsDistillation(
            loss=keras.losses.KLDivergence()
        ),
        student_loss_weight=0.0,
    )
    sparse = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    peer.compile("adam", loss=sparse)
    taught = batched(x, soft)
    labelled = batched(x, np.zeros(x.shape[:2], "int32"))
    fit = {"shuffle": False, "verbose": 0}
    return {
        "teacher": lambda: [infer(batch) for (batch,) in batches],
        "student": lambda: student.fit(taught, **fit),
        "distiller": lambda: distiller.fit(batches, **fit),
        "keras.distillation": lambda: peer.fit(labelled, **fit),
    }


def report(seconds, options):
    """Prints the table."""
    print(
        f"{options.utterances} utterances x {options.frames} frames, "
        f"{options.classes} classes, median of {options.rounds} rounds in turns, "
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}"
    )
    median = {name: statistics.median(values) for name, values in seconds.items()}
    for name, value in median.items():
        low, high = min(seconds[name]), max(seconds[name])
        print(f"{name:<20} {value:6.2f} s  ({low:.2f}-{high:.2f})")
    parts = median["teacher"] + median["student"]
    print(f"distiller / (teacher + student)    {median['distiller'] / parts:.2f}")
    peer = median["keras.distillation"] / median["distiller"]
    print(f"keras.distillation / distiller     {peer:.2f}")


if __name__ == "__main__":
    main()
