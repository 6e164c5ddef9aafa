"""What digital silence before the words, or a lower level, costs a bundle of the demo.

Reads a directory that `rnn2dnn demo --full --data DIRECTORY` wrote for one new speaker,
such as `out/jackson`: the first strings of `test_audio.npz`, each an utterance of its
own, go through `Recognizer`, with zeros in front, or with all samples multiplied by a
gain. For zeros between words two strings are one utterance, with zeros between them.
"""

import argparse
from pathlib import Path

import numpy as np

from keras_rnn2dnn import Recognizer, word_error_rate
from keras_rnn2dnn.util.files import Audio

ZEROS_MS = (0, 100, 200, 500, 1000)
BETWEEN_MS = (0, 200, 500, 1000)
GAINS = (0.3, 0.1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "directory", type=Path, help="of one speaker, by `rnn2dnn demo`"
    )
    parser.add_argument("--strings", type=int, default=60, help="an even number")
    options = parser.parse_args()
    recognizer = Recognizer.load(options.directory / "bundle")
    audio = Audio.load(options.directory / "test_audio.npz")
    samples = audio.samples[: options.strings]
    references = audio.transcripts[: options.strings]
    rows = {}
    for ms in ZEROS_MS:
        zeros = np.zeros(ms * audio.sample_rate_hz // 1000, np.int16)
        rows[f"{ms:,} ms of zeros in front"] = in_front(zeros, samples)
    for ms in BETWEEN_MS:
        zeros = np.zeros(ms * audio.sample_rate_hz // 1000, np.int16)
        behind = in_front(zeros, samples[1::2])
        rows[f"two strings, {ms:,} ms of zeros between"] = joined(samples[::2], behind)
    for gain in GAINS:
        rows[f"gain {gain:g}"] = [
            np.rint(gain * pcm).astype(np.int16) for pcm in samples
        ]
    print(f"{len(samples)} strings. subst., del., ins.: of the word errors\n")
    print("| audio | word errors | words | subst. | del. | ins. |")
    print("|---|---|---|---|---|---|")
    for name, changed in rows.items():
        heard = [recognizer.transcribe(pcm).text for pcm in changed]
        said = references
        if len(changed) < len(said):
            said = [f"{a} {b}" for a, b in zip(said[::2], said[1::2], strict=True)]
        rate = word_error_rate(said, heard)
        kinds = f"{rate.substitutions} | {rate.deletions} | {rate.insertions}"
        print(f"| {name} | {rate.errors} | {rate.words} | {kinds} |", flush=True)


def in_front(zeros, samples):
    return [np.concatenate([zeros, pcm]) for pcm in samples]


def joined(firsts, seconds):
    return [np.concatenate(pair) for pair in zip(firsts, seconds, strict=True)]


if __name__ == "__main__":
    main()
