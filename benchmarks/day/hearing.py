"""What a bundle reports of a day, and when: the C code's words, timed in numpy."""

import numpy as np

from keras_rnn2dnn.deploy.device.events import threshold_steps
from keras_rnn2dnn.deploy.golden import pcm_bytes
from keras_rnn2dnn.deploy.toolchain import Workbench
from keras_rnn2dnn.recognition import hearing
from keras_rnn2dnn.scoring.detections import Detection, reported
from keras_rnn2dnn.scoring.thresholds import CONFIDENCE_STEPS

_CHUNK = 1024  # samples, as they come from an interrupt


def detections(bundle, directory, blocks) -> list[list[Detection]]:
    """Returns what is found in each block, without a threshold or suppression.

    The C code on the host gives logits and words. The search in numpy hears the same
    logits frame by frame, which tells when each word is reported; those that threshold
    and suppression of the bundle leave must be those of the C code.

    Args:
        bundle: that `load_bundle` gave.
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
            logits = logits.reshape(-1, recognizer.network.outputs)
            size = len(block.pcm)
            found.append(hearing.detections(recognizer, logits, size, _CHUNK))
            rows = np.frombuffer(bench.run("host", "words", data), "<u4").reshape(-1, 4)
            in_c = [
                (recognizer.words[row[0]], *row[1:3])
                for row in rows.tolist()
                if row[0] < 1 << 16
            ]
            reporting = recognizer.decoder.reporting
            threshold = threshold_steps(reporting.threshold) / CONFIDENCE_STEPS
            left = reported(found[-1], threshold, reporting.suppress_ms)
            if in_c != [(w.text, w.start_ms, w.end_ms) for w in left]:
                raise RuntimeError("The C code reports other words than numpy")
    return found
