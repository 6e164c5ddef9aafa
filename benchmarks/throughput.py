"""What an epoch of distillation costs, with the teacher inside and from the store.

On the same utterances (lengths log-normal, 0.5-15 s), models and machine, in turns:

- plain: `student.fit` on hard labels, bucketed batches in memory
- keras.distillation: Keras's own Distiller with a `KLDivergence()` instance
- loop: a hand-written `tf.function` loop with the teacher inside
- distiller: `Distiller.fit` with the teacher inside
- store: `Distiller(None, student).fit` from `SoftAlignments`

and `teacher.predict` on the padded data against the teacher's pass of the store. Prints
seconds, frames per second and ratios; goals in brackets.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_rnn2dnn import Distiller, SoftAlignments, dnn_student, rnn_teacher
from keras_rnn2dnn.alignments.teacher_pass import TeacherPass, utterances_of
from keras_rnn2dnn.batches import bucketed_dataset, without_autotune

FEATURES, BATCH = 40, 32
TEACHERS = {"2 x BLSTM(128)": (128, 128), "3 x BLSTM(320)": (320, 320, 320)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utterances", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--classes", type=int, nargs="+", default=[51, 3400])
    parser.add_argument("--teachers", nargs="+", default=list(TEACHERS))
    options = parser.parse_args()
    print(f"TensorFlow {tf.__version__}, Keras {keras.__version__}")
    for name in options.teachers:
        for classes in options.classes:
            measure(name, classes, options)


def measure(name, classes, options):
    """Prints the table of one teacher and one number of classes."""
    keras.utils.set_random_seed(0)
    utterances = random_utterances(options.utterances)
    frames = sum(map(len, utterances))
    print(f"\n{name}, {classes} classes, {len(utterances)} utterances, {frames} frames")
    teacher = rnn_teacher(FEATURES, classes, units=TEACHERS[name])
    with tempfile.TemporaryDirectory() as folder:
        store = SoftAlignments.write(
            Path(folder) / "store", teacher, ((u[None],) for u in utterances)
        )
        runs = prepared_runs(teacher, classes, utterances, store)
        for run in runs.values():  # trace
            run()
        seconds = {key: [] for key in runs}
        for _ in range(options.rounds):
            for key, run in runs.items():
                begin = time.perf_counter()
                run()
                seconds[key].append(time.perf_counter() - begin)
        report({k: statistics.median(v) for k, v in seconds.items()}, frames, store)


def random_utterances(number):
    """Returns features of utterances with lengths as of real ones."""
    rng = np.random.default_rng(0)
    seconds = np.clip(rng.lognormal(np.log(3.0), 0.7, number), 0.5, 15.0)
    shapes = [(int(100 * s), FEATURES) for s in seconds]
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


def prepared_runs(teacher, classes, utterances, store):
    """Returns a function that runs one epoch of each kind, or one teacher's pass."""
    rng = np.random.default_rng(1)
    labelled = [(u, rng.integers(classes, size=len(u))) for u in utterances]
    bounds = sorted(
        {
            int(n)
            for n in np.quantile(
                [len(u) for u in utterances], np.arange(1, 9) / 8, method="higher"
            )
        }
    )
    batches = bucketed_dataset([labelled], BATCH, bounds)
    unlabelled = bucketed_dataset([utterances], BATCH, bounds)
    new = lambda: dnn_student(FEATURES, classes, context=(15, 5))  # noqa: E731
    sparse = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    plain, distiller = new(), Distiller(teacher, new())
    plain.compile("adam", loss=sparse)
    distiller.compile("adam")
    stored = Distiller(None, new())
    stored.compile("adam")
    peer = keras.distillation.Distiller(
        teacher=keras.models.clone_model(teacher),
        student=new(),
        distillation_losses=keras.distillation.LogitsDistillation(
            loss=keras.losses.KLDivergence()
        ),
        student_loss_weight=0.0,
    )
    peer.compile("adam", loss=sparse)
    fit = {"shuffle": False, "verbose": 0}
    padded = np.zeros((len(utterances), max(map(len, utterances)), FEATURES), "float32")
    for row, utterance in zip(padded, utterances, strict=True):
        row[: len(utterance)] = utterance
    data = without_autotune(tf.data.Dataset.from_tensor_slices(padded).batch(BATCH))
    given = list(utterances_of(padded))
    run = TeacherPass([teacher], [1.0], top_k=store.top_k)
    loop = hand_written_loop(teacher, new())
    from_store = store.dataset(BATCH, shuffle=True, seed=0)
    return {
        "plain": lambda: plain.fit(batches, **fit),
        "keras.distillation": lambda: peer.fit(batches, **fit),
        "loop": lambda: [loop(x, w) for x, _, w in unlabelled],
        "distiller": lambda: distiller.fit(unlabelled, **fit),
        "store": lambda: stored.fit(from_store, **fit),
        "predict": lambda: teacher.predict(data, verbose=0),
        "teacher pass": lambda: run(given, pads=True),
    }


def hand_written_loop(teacher, student):
    """Returns a compiled training step as one would write it by hand."""
    optimizer = keras.optimizers.Adam()
    optimizer.build(student.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(x, weights):
        p = tf.nn.softmax(teacher(x, training=False))
        with tf.GradientTape() as tape:
            logits = student(x, training=True)
            values = tf.nn.softmax_cross_entropy_with_logits(p, logits)
            loss = tf.reduce_sum(values * weights) / tf.reduce_sum(weights)
        variables = student.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    return step


def report(seconds, frames, store):
    """Prints seconds, speeds and ratios."""
    for name, value in seconds.items():
        print(f"  {name:<20} {value:7.2f} s  {frames / value:9,.0f} frames/s")
    goal = "1.0" if store.top_k is None else "1.05"
    for label, top, bottom in (
        (f"store / plain (<= {goal})", "store", "plain"),
        (
            "keras.distillation / store (>= 15 for the large)",
            "keras.distillation",
            "store",
        ),
        ("distiller / store", "distiller", "store"),
        ("predict / teacher pass (>= 2)", "predict", "teacher pass"),
    ):
        print(f"  {label:<52} {seconds[top] / seconds[bottom]:6.2f}")
    print(
        f"  targets: {store.target_bytes_per_frame:.0f} bytes a frame, "
        f"{100 * store.kept_mass:.2f} % of the probability kept"
    )


if __name__ == "__main__":
    main()
