"""What alignment, decoding and training on paths cost by the number of states.

Vocabularies of 10, 40, 200 and 680 words of 5 states and silence: 51 to 3,401 states;
32 utterances of about 400 frames of 3 to 7 words, whose scores favour a random path
through their transcript. Prints the processor time of each task as a ratio to that of a
training step of the student (3 x 128 units on 21 frames) on the same frames with soft
targets, of the 20 best states where there are more than 256; the least of several
rounds taken in turns, so that a busy machine counts little. Run it with

    OMP_NUM_THREADS=2 python benchmarks/hmm_throughput.py
"""

import argparse
import math
import time

import keras
import numpy as np
import tensorflow as tf

from keras_rnn2dnn import SoftAlignmentKL, dnn_student
from keras_rnn2dnn.distillation.distiller import Distiller
from keras_rnn2dnn.distillation.top_k import top_k_targets
from keras_rnn2dnn.hmm import (
    SequenceKL,
    Topology,
    WordLoopDecoder,
    align,
    constrained,
    decoded,
    flat_start,
    tune_decoder,
)

WORDS = (10, 40, 200, 680)
UTTERANCES, FEATURES, ITERATIONS = 32, 40, 4
DENSE, TOP_K = 256, 20  # states up to which all are kept; otherwise how many


def make_batch(topology, mean_frames, seed=0):
    """Returns features, log-posteriors, both lists, and transcripts."""
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(topology.num_states, FEATURES))
    features, scores, transcripts = [], [], []
    for length in rng.integers(mean_frames - 20, mean_frames + 21, UTTERANCES):
        words = list(rng.choice(topology.words, rng.integers(3, 8)))
        silence = [topology.silence_state]
        path = [*silence, *np.concatenate(topology.states_of_transcript(words))]
        path = np.array(path + silence)
        states = path[np.arange(length) * len(path) // length]
        logits = rng.normal(size=(length, topology.num_states)).astype("float32")
        logits[np.arange(length), states] += 4 + math.log(topology.num_states / 50)
        total = np.log(np.exp(logits).sum(axis=1, keepdims=True))
        scores.append(logits - total)
        heard = places[states] + 0.5 * rng.normal(size=(length, FEATURES))
        features.append(heard.astype("float32"))
        transcripts.append(words)
    return features, scores, transcripts


def training_step(loss, features, scores):
    """Returns a function that trains a student by a step on all of them."""
    states, longest = scores[0].shape[1], max(map(len, features))
    x = np.zeros((len(features), longest, FEATURES), "float32")
    soft = np.full((len(features), longest, states), -math.log(states), "float32")
    weights = np.zeros(x.shape[:2], "float32")
    for row, (heard, score) in enumerate(zip(features, scores, strict=True)):
        x[row, : len(heard)], soft[row, : len(score)] = heard, score
        weights[row, : len(heard)] = 1
    targets = soft if states <= DENSE else top_k_targets(soft, TOP_K)
    student = dnn_student(FEATURES, states, (10, 10), (128, 128, 128))
    distiller = Distiller(None, student, loss)
    distiller.compile("adam")
    batch = tuple(map(tf.constant, (x, targets, weights)))
    data = tf.data.Dataset.from_tensors(batch)
    distiller.fit(data, verbose=0)
    step = tf.function(distiller.train_step)
    return lambda: float(step(batch)["loss"])


def tasks_of(topology, frames):
    """Returns the tasks by name, the student's step first."""
    features, scores, transcripts = make_batch(topology, frames)
    decoder = WordLoopDecoder(topology, insertion_penalty=-5.0)
    of_transcripts, of_words = constrained(topology), decoded(decoder)
    paths = SequenceKL.of_words(topology)
    return {
        "student's step": training_step(SoftAlignmentKL(), features, scores),
        "student's step, SequenceKL": training_step(paths, features, scores),
        "align": lambda: align(scores, transcripts, topology),
        "forward-backward": lambda: of_transcripts(scores, transcripts),
        "forward-backward of decoded words": lambda: of_words(scores, transcripts),
        "occupancies of the loop": lambda: paths.graph.occupancies(scores),
        "decode": lambda: decoder(scores),
        "tune_decoder, 8 penalties": lambda: tune_decoder(decoder, scores, transcripts),
        f"flat_start, {ITERATIONS} iterations": lambda: flat_start(
            features, transcripts, topology, iterations=ITERATIONS
        ),
    }


def measure(tasks, rounds):
    """Returns the least processor seconds of each, after a run to warm up."""
    for task in tasks.values():
        task()
    seconds = dict.fromkeys(tasks, math.inf)
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.process_time()
            task()
            seconds[name] = min(seconds[name], time.process_time() - start)
    return seconds


def main():
    """Prints a table: a row for each task, a column for each vocabulary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=400, help="mean, > 50")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--words", type=int, nargs="+", default=WORDS)
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    columns = {}
    for number in options.words:
        topology = Topology(tuple(f"w{n}" for n in range(number)))
        seconds = measure(tasks_of(topology, options.frames), options.rounds)
        columns[topology.num_states] = seconds
    print(f"{UTTERANCES} x {options.frames} frames, TensorFlow {tf.__version__}")
    print("| states |" + "".join(f" {states:,} |" for states in columns))
    print("|---|" + "---:|" * len(columns))
    steps = [column["student's step"] for column in columns.values()]
    print("| student's step, ms |" + "".join(f" {1000 * s:.0f} |" for s in steps))
    for name in list(seconds)[1:]:
        ratios = [
            column[name] / step
            for column, step in zip(columns.values(), steps, strict=True)
        ]
        print(f"| {name} |" + "".join(f" {ratio:.2f} |" for ratio in ratios))


if __name__ == "__main__":
    main()
