"""From recordings of your own to a verified firmware bundle.

    python examples/own_corpus.py recordings out

`recordings` is a directory with a folder for each word, a JSONL manifest, or another
layout that docs/own_recordings.md names. The same command again goes on where it was
stopped.
"""

import sys

from keras_rnn2dnn.recipe import TrainedCorpus, train_corpus


def main(corpus: str, out: str, minutes: str = "20") -> TrainedCorpus:
    """Trains, and shows what came of it."""
    found = train_corpus(corpus, out, minutes=float(minutes), tell=print)
    print(found)  # the table, whether the teacher helped, what was proven
    print("Firmware:", found.bundle)
    print("Report:", found.report)
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
