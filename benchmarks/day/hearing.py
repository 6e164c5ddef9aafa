"""What a bundle reports of a day, and when: the device's integers, frame by frame."""

import numpy as np

from keras_rnn2dnn.deploy.device.events import (
    NO_THRESHOLD,
    RecognizedWord,
    Reporter,
    words_of,
)
from keras_rnn2dnn.deploy.golden import pcm_bytes
from keras_rnn2dnn.deploy.toolchain import Workbench
from keras_rnn2dnn.recognition.streaming import WordLoopStream
from keras_rnn2dnn.scoring.detections import Detection

_CHUNK = 1024  # samples, as they come from an interrupt


def detections(bundle, directory, blocks) -> list[list[Detection]]:
    """Returns what is reported of each block without a threshold.

    The C code on the host gives logits and words. The search in numpy hears the same
    logits frame by frame, which tells when each word is reported; its words must be
    those of the C code.

    Args:
        bundle: that `load_bundle` gave; no threshold was written into it.
        directory: of its files.
        blocks: of `make_day`; each begins with a recognizer that has heard nothing.

    Raises:
        RuntimeError: if the two do not report the same words.
    """
    recognizer, found = bundle.recognizer, []
    with Workbench(directory) as bench:
        for block in blocks:
            data = pcm_bytes([block.pcm], [_CHUNK])
            logits = np.frombuffer(bench.run("host", "logits", data), np.int8)
            logits = logits.reshape(-1, recognizer.network.layers[-1].outputs)
            pairs = _reported(recognizer, logits, len(block.pcm))
            rows = np.frombuffer(bench.run("host", "words", data), "<u4").reshape(-1, 4)
            in_c = [tuple(row[:3]) for row in rows.tolist() if row[0] < 1 << 16]
            in_numpy = [(w.index, w.start_ms, w.end_ms) for w, _ in pairs]
            if in_c != in_numpy:
                raise RuntimeError("The C code reports other words than numpy")
            found.append([_detection(*pair) for pair in pairs])
    return found


def _detection(word: RecognizedWord, reported_ms: float) -> Detection:
    given = word.text, word.start_ms, word.end_ms, reported_ms, word.confidence
    return Detection(*given)


def _reported(recognizer, logits, num_samples):
    """Yields words and the time at which each is reported."""
    spec, field = recognizer.spec, recognizer.network.field
    reporter = Reporter.of(
        recognizer.decoder.reporting,
        recognizer.words,
        recognizer.limits,
        lambda frame: (
            frame * field.stride * spec.frame_step * 1000 // spec.sample_rate_hz
        ),
    )
    reporter.threshold = NO_THRESHOLD
    search, pairs = WordLoopStream(recognizer.tables, recognizer.limits), []
    for row in logits:
        needed = spec.num_samples(search.frame * field.stride + field.right + 1)
        heard = min(-(-needed // _CHUNK) * _CHUNK, num_samples)
        words = words_of(reporter.take(search.step(row)))
        pairs += [(word, 1000 * heard / spec.sample_rate_hz) for word in words]
    words = words_of(reporter.take(search.finish()))
    return pairs + [(word, 1000 * num_samples / spec.sample_rate_hz) for word in words]
