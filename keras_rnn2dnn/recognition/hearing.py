"""What the device reports of a stream, and when: its integers, frame by frame."""

import numpy as np

from keras_rnn2dnn.deploy.device.events import NO_THRESHOLD, Reporter, words_of
from keras_rnn2dnn.deploy.device.recognizer import DeviceRecognizer
from keras_rnn2dnn.recognition.streaming import frame_by_frame
from keras_rnn2dnn.scoring.detections import Detection


def detections(
    recognizer: DeviceRecognizer,
    logits: np.ndarray,
    num_samples: int,
    chunk: int = 1024,
) -> list[Detection]:
    """Returns the words that are found in a stream, without threshold or suppression.

    `scoring.detections.reported` gives those that a bundle reports.

    Args:
        recognizer: of a bundle.
        logits: int8 `(output frames, classes)` of the stream.
        num_samples: of the stream.
        chunk: samples that come at a time: a word is told when they have come.

    Returns:
        Words with their times, and when each of them was told.
    """
    spec, field = recognizer.spec, recognizer.network.field
    search, reported = frame_by_frame(recognizer.tables, recognizer.limits), []

    def milliseconds(frame):
        return frame * field.stride * spec.frame_step * 1000 // spec.sample_rate_hz

    given = recognizer.words, recognizer.limits, milliseconds
    reporter = Reporter.of(recognizer.decoder.reporting, *given)
    reporter.threshold, reporter.suppress = NO_THRESHOLD, 0

    def tell(found, heard):
        told_ms = 1000 * heard / spec.sample_rate_hz
        for word in words_of(reporter.take(found)):
            times = word.start_ms, word.end_ms, told_ms
            reported.append(Detection(word.text, *times, word.confidence))

    for row in logits:
        needed = spec.num_samples(search.frame * field.stride + field.right + 1)
        tell(search.step(row), min(-(-needed // chunk) * chunk, num_samples))
    tell(search.finish(), num_samples)
    return reported
