"""Frames a second of alignment, forward-backward and decoding.

The vocabulary has 10 words of 5 states and silence: 51 states. The scores favour a
random path through random transcripts of 3 to 7 words. Run it with
`OMP_NUM_THREADS=2 python benchmarks/hmm_throughput.py`.
"""

import argparse
import statistics
import time

import numpy as np

from keras_rnn2dnn.hmm import Topology, WordLoopDecoder, align, forward_backward


def make_batch(num_utterances, mean_frames, topology, seed=0):
    """Returns noisy log-posteriors `(batch, frames, states)`, lengths, transcripts."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(mean_frames - 150, mean_frames + 151, num_utterances)
    shape = (num_utterances, lengths.max(), topology.num_states)
    logits = rng.normal(size=shape).astype(np.float32)
    transcripts = []
    for row, length in zip(logits, lengths, strict=True):
        words = list(rng.choice(topology.words, rng.integers(3, 8)))
        silence = [topology.silence_state]
        parts = topology.states_of_transcript(words)
        path = np.concatenate([silence, *parts, silence])
        states = path[np.arange(length) * len(path) // length]
        row[np.arange(length), states] += 4
        transcripts.append(words)
    total = np.log(np.exp(logits).sum(axis=2, keepdims=True))
    return logits - total, lengths, transcripts


def measure(function, num_frames, repeats):
    """Returns the frames a second of each repeat, after one run to warm up."""
    function()
    rates = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        rates.append(num_frames / (time.perf_counter() - start))
    return rates


def main():
    """Prints a table of the median, smallest and largest rate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utterances", type=int, default=512)
    parser.add_argument("--frames", type=int, default=330, help="mean, > 150")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    topology = Topology("zero one two three four five six seven eight nine")
    scores, lengths, transcripts = make_batch(
        arguments.utterances, arguments.frames, topology
    )
    frames = int(lengths.sum())
    bigram = np.full((11, 10), np.log(0.1))
    plain = WordLoopDecoder(topology, insertion_penalty=-5.0)
    paired = WordLoopDecoder(topology, insertion_penalty=-5.0, bigram=bigram)
    hypotheses = plain(scores, lengths)
    right = sum(h == t for h, t in zip(hypotheses, transcripts, strict=True))
    print(
        f"{len(lengths)} utterances, {frames} frames, {topology.num_states} states, "
        f"{arguments.repeats} runs; {right} utterances decoded without error"
    )
    tasks = {
        "align": lambda: align(scores, transcripts, topology, lengths),
        "forward_backward": lambda: forward_backward(
            scores, transcripts, topology, lengths
        ),
        "decode": lambda: plain(scores, lengths),
        "decode, bigram": lambda: paired(scores, lengths),
    }
    print(f"{'':18}{'median':>12}{'least':>12}{'most':>12}  frames/s")
    for name, task in tasks.items():
        rates = measure(task, frames, arguments.repeats)
        numbers = (statistics.median(rates), min(rates), max(rates))
        print(f"{name:18}" + "".join(f"{number:12,.0f}" for number in numbers))


if __name__ == "__main__":
    main()
