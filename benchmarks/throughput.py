"""What an epoch of distillation costs, with the teacher inside and from the store.

On the same utterances (lengths log-normal, 0.5-15 s) and machine, in turns:

- plain: `student.fit` on hard labels, in memory: dense layers on spliced frames,
  batches of 8 groups of like length
- plain, our student: the same with `dnn_student`, whose first layer is a convolution
- plain, our batches: this, with the batches of the store, but from memory
- keras.distillation: Keras's own Distiller with a `KLDivergence()` instance
- loop: a hand-written `tf.function` loop with the teacher inside
- distiller: `Distiller.fit` with the teacher inside
- store, plain student: `student.fit` with `SoftAlignmentKL` from `SoftAlignments`
- store: `Distiller(None, student).fit` from `SoftAlignments`
- store, in memory: the same with `dataset(cache=True)`

and `teacher.predict` on the padded data against the teacher's pass of the store, which
hears as many frames at once. All students have weights of the same shapes, and the
same outputs for the same weights. Prints seconds per epoch, frames per second and
ratios; goals in brackets.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_rnn2dnn import (
    Distiller,
    SoftAlignmentKL,
    SoftAlignments,
    SpliceFrames,
    dnn_student,
    rnn_teacher,
)
from keras_rnn2dnn.alignments.teacher_pass import TeacherPass
from keras_rnn2dnn.alignments.utterances import utterances_of
from keras_rnn2dnn.batches.bucketing import bucketed_dataset, without_autotune

FEATURES, BATCH, CONTEXT = 40, 32, (15, 5)
TEACHERS = {"2 x BLSTM(128)": (128, 128), "3 x BLSTM(320)": (320, 320, 320)}
SPREAD = 6.0  # of an untrained teacher's logits: like a trained one's


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utterances", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3, help="of a round, one untimed")
    parser.add_argument("--classes", type=int, nargs="+", default=[51, 3400])
    parser.add_argument("--teachers", nargs="+", default=list(TEACHERS))
    parser.add_argument(
        "--gigabytes", type=float, default=10.0, help="of a large store"
    )
    options = parser.parse_args()
    print(f"TensorFlow {tf.__version__}, Keras {keras.__version__}")
    for name in options.teachers:
        for classes in options.classes:
            measure(name, classes, options)
    open_large_store(options.gigabytes)


def measure(name, classes, options):
    """Prints the table of one teacher and one number of classes."""
    keras.utils.set_random_seed(0)
    utterances = random_utterances(options.utterances)
    frames = sum(map(len, utterances))
    print(f"\n{name}, {classes} classes, {len(utterances)} utterances, {frames} frames")
    teacher = rnn_teacher(FEATURES, classes, units=TEACHERS[name])
    kernel, bias = teacher.layers[-1].get_weights()
    spread = np.std(teacher(utterances[0][None]))
    teacher.layers[-1].set_weights([SPREAD / spread * kernel, bias])
    with tempfile.TemporaryDirectory() as folder:
        store = write_store(Path(folder) / "store", teacher, utterances, classes)
        runs = prepared_runs(teacher, classes, utterances, store, options.epochs)
        seconds = {key: [] for key in runs}
        for run in runs.values():  # trace
            run()
        for _ in range(options.rounds):
            for key, run in runs.items():
                seconds[key] += run()
        report({k: statistics.median(v) for k, v in seconds.items()}, frames, store)


def random_utterances(number):
    """Returns features of utterances with lengths as of real ones."""
    rng = np.random.default_rng(0)
    seconds = np.clip(rng.lognormal(np.log(3.0), 0.7, number), 0.5, 15.0)
    shapes = [(int(100 * s), FEATURES) for s in seconds]
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


def write_store(path, teacher, utterances, classes):
    """Writes a store with soft alignments and hard labels."""
    rng = np.random.default_rng(1)
    batches = ((u[None], rng.integers(classes, size=(1, len(u)))) for u in utterances)
    return SoftAlignments.write(path, teacher, batches)


def spliced_student(classes):
    """Returns `dnn_student` as one writes it without `SplicedDense`."""
    layers = [keras.Input((None, FEATURES)), keras.layers.Masking()]
    layers.append(SpliceFrames(*CONTEXT))
    layers += [keras.layers.Dense(128, "relu") for _ in range(3)]
    return keras.Sequential([*layers, keras.layers.Dense(classes)])


def prepared_runs(teacher, classes, utterances, store, epochs):
    """Returns functions that give the seconds of epochs, or of a teacher's pass."""
    labelled = [(u.features, u.labels) for u in store.utterances()]
    lengths = [len(u) for u in utterances]
    bounds = np.quantile(lengths, np.arange(1, 9) / 8, method="higher")
    bounds = sorted(set(map(int, bounds)))
    bucketed = bucketed_dataset([labelled], BATCH, bounds)
    unlabelled = bucketed_dataset([utterances], BATCH, bounds)
    from_store, cached = (
        store.dataset(BATCH, shuffle=True, seed=0, cache=cache) for cache in (0, 1)
    )
    new = lambda: dnn_student(FEATURES, classes, CONTEXT)  # noqa: E731
    hard = lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True)  # noqa: E731

    peer = keras.distillation.Distiller(
        teacher=keras.models.clone_model(teacher),
        student=new(),
        distillation_losses=keras.distillation.LogitsDistillation(
            loss=keras.losses.KLDivergence()
        ),
        student_loss_weight=0.0,
    )
    loop = hand_written_loop(teacher, new())
    padded = np.zeros((len(utterances), max(lengths), FEATURES), "float32")
    for row, utterance in zip(padded, utterances, strict=True):
        row[: len(utterance)] = utterance
    # In parts: of 3,400 classes `predict` returns more than fits into memory.
    parts = [
        without_autotune(tf.data.Dataset.from_tensor_slices(part).batch(BATCH))
        for part in np.split(padded, range(128, len(padded), 128))
    ]
    given = list(utterances_of(padded))
    run = TeacherPass(
        [teacher], [1.0], top_k=store.top_k, batch_frames=BATCH * max(lengths)
    )
    fits = {
        "plain": (spliced_student(classes), hard(), bucketed),
        "plain, our student": (new(), hard(), bucketed),
        "plain, our batches": (new(), hard(), in_memory(store)),
        "keras.distillation": (peer, hard(), bucketed),
        "distiller": (Distiller(teacher, new()), None, unlabelled),
        "store, plain student": (new(), SoftAlignmentKL(), from_store),
        "store": (Distiller(None, new()), None, from_store),
        "store, in memory": (Distiller(None, new()), None, cached),
    }
    return {
        **{name: epochs_of(*given, epochs) for name, given in fits.items()},
        "loop": timed(lambda: [loop(x, w) for x, _, w in unlabelled]),
        "predict": timed(
            lambda: [len(teacher.predict(part, verbose=0)) for part in parts]
        ),
        "teacher pass": timed(lambda: run(given, pads=True)),
    }


def in_memory(store):
    """Returns the store's batches with hard labels, from memory."""
    batches = [(x, y["labels"], w) for x, y, w in store.dataset(BATCH, labels=True)]
    signature = tuple(tf.TensorSpec((None,) * a.ndim, a.dtype) for a in batches[0])
    data = tf.data.Dataset.from_generator(lambda: batches, output_signature=signature)
    data = data.map(lambda x, *y: (tf.ensure_shape(x, (None, None, FEATURES)), *y))
    known = tf.data.experimental.assert_cardinality(len(batches))
    return without_autotune(data.apply(known).prefetch(2))


class _Seconds(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.begin)


def epochs_of(model, loss, data, epochs):
    """Returns a function that fits, and gives the seconds of all its epochs but one."""
    model.compile("adam", loss=loss)
    watch = _Seconds()
    fit = {"epochs": epochs, "shuffle": False, "verbose": 0, "callbacks": [watch]}

    def run():
        model.fit(data, **fit)
        return watch.seconds[1:] or watch.seconds

    return run


def timed(function):
    """Returns a function that gives the seconds of another."""

    def run():
        begin = time.perf_counter()
        function()
        return [time.perf_counter() - begin]

    return run


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
        print(f"  {name:<22} {value:7.2f} s  {frames / value:9,.0f} frames/s")
    goal = "1.0" if store.top_k is None else "1.05"
    for label, top, bottom in (
        (f"store / plain (<= {goal})", "store", "plain"),
        ("store, in memory / plain", "store, in memory", "plain"),
        (
            "store, in memory / plain, our batches",
            "store, in memory",
            "plain, our batches",
        ),
        ("keras.distillation / store", "keras.distillation", "store"),
        ("loop / store", "loop", "store"),
        ("distiller / store", "distiller", "store"),
        ("predict / teacher pass (>= 2)", "predict", "teacher pass"),
    ):
        print(f"  {label:<38} {seconds[top] / seconds[bottom]:6.2f}")
    print(
        f"  targets: {store.target_bytes_per_frame:.0f} bytes a frame, "
        f"{100 * store.kept_mass:.2f} % of the probability kept"
    )


def open_large_store(gigabytes):
    """Prints how long the first batch of a large store takes; its shards are links."""
    classes = 3400
    teacher = keras.Sequential(
        [keras.Input((None, FEATURES)), keras.layers.Dense(classes)]
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        store = write_store(path, teacher, random_utterances(512), classes)
        (shard,) = store.manifest.shards
        copies = round(gigabytes * 1e9 / shard.num_bytes)
        manifest = store.manifest
        for number in range(1, copies):
            copy = shard.from_dict({**vars(shard), "number": number})
            os.link(path / shard.file, path / copy.file)
            manifest = manifest.with_shard(copy)
        manifest.save(path)
        begin = time.perf_counter()
        store = SoftAlignments(path)
        next(iter(store.dataset(BATCH, shuffle=True, seed=0)))
        seconds = time.perf_counter() - begin
        size = f"{store.nbytes / 1e9:.1f} GB, {copies} shards"
        print(f"\nfirst batch of a store of {size}: {seconds:.2f} s (< 2)")


if __name__ == "__main__":
    main()
