"""What a step of the Distiller costs over the teacher's inference and the student's.

Prints one row for each number of classes, all measured in this one run, in turns, of
batches that are in memory:

- teacher: inference of the teacher alone
- hard: a training step of the student alone, on hard labels
- soft: the same on soft targets, with `SoftAlignmentKL`
- distiller: a training step of `Distiller`, teacher inside
- keras: the same of Keras's own Distiller with a `KLDivergence()` instance

Milliseconds of processor time (of all cores), the least of all rounds: other work on
the machine makes a step slower, never faster. And ratios: the Distiller to teacher and
student together, on hard labels and on soft targets; Keras's to ours.

Goal: distiller / (teacher + hard) at most 1.02 with 51 classes, 1.05 with 201, and 1.15
with 1,001 and 3,400.
"""

import argparse
import time

import keras
import numpy as np
import tensorflow as tf

from keras_rnn2dnn import Distiller, SoftAlignmentKL, dnn_student, rnn_teacher

FEATURES = 40
GOALS = {51: 1.02, 201: 1.05, 1001: 1.15, 3400: 1.15}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utterances", type=int, default=32, help="of a batch")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--classes", type=int, nargs="+", default=list(GOALS))
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    print(
        f"{options.utterances} x {options.frames} frames, least of {options.rounds} "
        f"rounds in turns, TensorFlow {tf.__version__}, Keras {keras.__version__}"
    )
    shape = (options.utterances, options.frames, FEATURES)
    x = tf.constant(np.random.default_rng(0).normal(size=shape).astype("float32"))
    for classes in options.classes:
        keras.utils.set_random_seed(0)
        runs = prepared_runs(x, classes)
        for run in runs.values():  # trace
            run()
        seconds = {name: [] for name in runs}
        for _ in range(options.rounds):
            for name, run in runs.items():
                begin = time.process_time()
                run()
                seconds[name].append(time.process_time() - begin)
        report({name: min(values) for name, values in seconds.items()}, classes)


def prepared_runs(x, classes):
    """Returns functions that take one step of each kind."""
    new_teacher = lambda: rnn_teacher(  # noqa: E731
        FEATURES, classes, units=(64, 64), bidirectional=False
    )
    new = lambda: dnn_student(FEATURES, classes, (10, 10), units=(128, 128))  # noqa: E731
    teacher = new_teacher()
    infer = tf.function(lambda x: teacher(x, training=False))
    soft = infer(x)
    labels = tf.argmax(soft, axis=-1)
    hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    peer = keras.distillation.Distiller(
        teacher=new_teacher(),
        student=new(),
        distillation_losses=keras.distillation.LogitsDistillation(
            loss=keras.losses.KLDivergence()
        ),
        student_loss_weight=0.0,
    )
    return {
        "teacher": lambda: infer(x).shape,
        "hard": step_of(new(), hard, (x, labels)),
        "soft": step_of(new(), SoftAlignmentKL(), (x, soft)),
        "distiller": step_of(Distiller(teacher, new()), None, (x,)),
        "keras": step_of(peer, hard, (x, labels)),
    }


def step_of(model, loss, data):
    """Returns a function that takes a training step, and waits for its end."""
    model.compile("adam", loss=loss)
    model.optimizer.build(model.trainable_variables)
    step = tf.function(model.train_step, autograph=False)

    def run():
        tf.nest.map_structure(lambda value: value.numpy(), step(data))

    return run


def report(seconds, classes):
    """Prints the row of one number of classes."""
    columns = "  ".join(f"{k} {1000 * v:.1f}" for k, v in seconds.items())
    ours = seconds["distiller"]
    ratios = [ours / (seconds["teacher"] + seconds[kind]) for kind in ("hard", "soft")]
    goal = f" (<= {GOALS[classes]})" if classes in GOALS else ""
    print(
        f"{classes:>5} classes: {columns}  ms  distiller / (teacher + hard) "
        f"{ratios[0]:.3f}{goal}  / (teacher + soft) {ratios[1]:.3f}  "
        f"keras / distiller {seconds['keras'] / ours:.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
