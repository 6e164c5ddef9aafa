"""What reading from the store costs, over the same batches from memory.

For each number of classes a store of synthetic soft alignments (utterances of 100
frames of 40 features) is written. Then, in turns, an epoch of each:

- memory: `Distiller(None, student).fit` on the same as arrays, which Keras shuffles
- store: the same on `store.dataset(32, shuffle=True, seed=0)`
- slices: the same on a `tf.data` of the arrays, always in one order
- hard: `student.fit` on hard labels, as arrays

and reading alone. Microseconds an utterance of processor time (of all cores), the
least of all rounds, and ratios. Then the time to the first shuffled batch of many
small shards.

Goal: store / memory at most 1.05; the first batch of 1,000 shards in under 1 s.
"""

import argparse
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_rnn2dnn import Distiller, SoftAlignments, dnn_student
from keras_rnn2dnn.batches.bucketing import without_autotune

FEATURES, FRAMES, BATCH = 40, 100, 32


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, nargs="+", default=[51, 201, 3400])
    parser.add_argument("--utterances", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shards", type=int, default=1000, help="of 4 utterances")
    options = parser.parse_args()
    print(
        f"{options.utterances} x {FRAMES} frames, least of {options.rounds} rounds in "
        f"turns, TensorFlow {tf.__version__}, Keras {keras.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for classes in options.classes:
            store = written(
                Path(folder) / f"{classes}", classes, options.utterances, 512
            )
            measure(store, options.rounds)
        small = written(Path(folder) / "small", 51, 4 * options.shards, 4)
        wall, used = time.perf_counter(), time.process_time()
        next(iter(small.dataset(BATCH, shuffle=True, seed=0)))
        wall, used = time.perf_counter() - wall, time.process_time() - used
        print(
            f"first batch of {options.shards} shards: {wall:.2f} s ({used:.2f} s used)"
        )


def written(path, classes, utterances, per_shard):
    """Writes a store of noise, as a teacher of one layer hears it."""
    keras.utils.set_random_seed(0)
    layers = [keras.Input((None, FEATURES)), keras.layers.Dense(classes)]
    rng = np.random.default_rng(0)

    def batches():
        for first in range(0, utterances, BATCH):
            shape = (min(BATCH, utterances - first), FRAMES)
            x = rng.normal(size=(*shape, FEATURES)).astype("float32")
            yield x, rng.integers(classes, size=shape)

    return SoftAlignments.write(
        path, keras.Sequential(layers), batches(), utterances_per_shard=per_shard
    )


def measure(store, rounds):
    """Prints the row of one store."""
    keras.utils.set_random_seed(0)
    batches = list(store.dataset(BATCH, labels=True))
    soft = arrays([(x, y["soft"], w) for x, y, w in batches])
    hard = arrays([(x, y["labels"], w) for x, y, w in batches])
    del batches
    slices = from_memory(soft)
    read = store.dataset(BATCH, shuffle=True, seed=0)
    distiller = Distiller(None, dnn_student(FEATURES, store.num_classes))
    distiller.compile("adam")
    student = dnn_student(FEATURES, store.num_classes)
    student.compile("adam", keras.losses.SparseCategoricalCrossentropy(True))
    fit = {"batch_size": BATCH, "verbose": 0}
    runs = {
        "memory": lambda: distiller.fit(*soft[:2], sample_weight=soft[2], **fit),
        "slices": lambda: distiller.fit(slices, verbose=0),
        "store": lambda: distiller.fit(read, verbose=0),
        "hard": lambda: student.fit(*hard[:2], sample_weight=hard[2], **fit),
        "reading memory": lambda: sum(1 for _ in slices),
        "reading store": lambda: sum(1 for _ in read),
    }
    for run in runs.values():  # trace
        run()
    seconds = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            begin = time.process_time()
            run()
            seconds[name].append(time.process_time() - begin)
    least = {name: min(values) for name, values in seconds.items()}
    each = 1e6 / store.num_utterances
    columns = "  ".join(f"{k} {each * v:.0f}" for k, v in least.items())
    print(
        f"{store.num_classes:>5} classes: {columns}  us  "
        f"store / memory {least['store'] / least['memory']:.3f} (<= 1.05)  "
        f"store / hard {least['store'] / least['hard']:.3f}",
        flush=True,
    )


def arrays(batches):
    """Returns what all batches hold, `(utterances, frames, ...)` each."""
    return tuple(np.concatenate(parts) for parts in zip(*batches, strict=True))


def from_memory(arrays):
    """Returns a data set of batches of one length, which stay in memory."""
    return without_autotune(
        tf.data.Dataset.from_tensor_slices(arrays).batch(BATCH).prefetch(2)
    )


if __name__ == "__main__":
    main()
