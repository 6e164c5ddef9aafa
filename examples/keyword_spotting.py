"""From a directory of words to a verified bundle that spots keywords in a stream.

    python examples/keyword_spotting.py recordings bundle yes no stop
    rnn2dnn listen bundle

`recordings` has a folder for each word, or another layout of docs/own_recordings.md;
words that are not named are other speech. A recurrent teacher of clips is trained on
windows of made streams, and teaches a DS-CNN, which moves over the stream as they did.
"""

import sys

import keras
import numpy as np

from keras_rnn2dnn import Distiller, convert, crnn_teacher, ds_cnn_student
from keras_rnn2dnn.audio.corpora import load_recordings
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.audio.streams.day import Block, joined, make_day
from keras_rnn2dnn.deploy import Verification, load_bundle, verify
from keras_rnn2dnn.deploy.device.features import device_features
from keras_rnn2dnn.deploy.threshold import write_threshold
from keras_rnn2dnn.keywords import KeywordSpotter
from keras_rnn2dnn.recognition.hearing import detections
from keras_rnn2dnn.scoring.detections import detection_curve
from keras_rnn2dnn.scoring.thresholds import best_point

SPEC = FeatureSpec(8000, frame_step_ms=20.0, num_bins=16, compression="pcen")
FRAMES, STEP_MS = 50, 100.0  # of a clip; from window to window
PAUSES_S, FALSE_PER_HOUR = (0.2, 4.0), 10.0


def windows(blocks: list[Block], words: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Cuts streams into clips, labelled by the last word that is whole in them."""
    clips, labels = [], []
    for block in blocks:
        features = device_features(block.pcm, SPEC)
        for end in range(FRAMES, len(features), round(STEP_MS / SPEC.frame_step_ms)):
            now = end * SPEC.frame_step_ms
            begin = now - FRAMES * SPEC.frame_step_ms
            near = [w for w in block.words if w.start_ms < now and w.end_ms > begin]
            whole = [w for w in near if w.start_ms >= begin and w.end_ms <= now]
            if near and not whole:
                continue  # neither a word nor none
            clips.append(features[end - FRAMES : end])
            labels.append(words.index(whole[-1].text) if whole else len(words))
    return np.stack(clips), np.array(labels)


def main(
    corpus: str, bundle: str, *words: str, hours: float = 1.0, epochs: int = 8
) -> Verification:
    """Trains, converts, chooses a threshold and verifies."""
    keras.utils.set_random_seed(0)
    found, words = load_recordings(corpus, SPEC.sample_rate_hz, words), sorted(words)
    last = sorted({r.speaker for r in found.recordings})[-2:]  # for the development
    days = {}
    for use, share in (("train", 1.0), ("development", 0.25)):
        said, others = (
            [r for r in several if (r.speaker in last) == (use == "development")]
            for several in (found.recordings, found.other_speech)
        )
        days[use] = make_day(said, others, [], share * hours, 1, SPEC, 60.0, PAUSES_S)
    x, y = windows(days["train"], words)

    classes = len(words) + 1
    teacher = crnn_teacher(16, classes, kernel=(10, 5), strides=(4, 2))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    teacher.compile("adam", loss, metrics=["accuracy"])
    heard = windows(days["development"], words)
    teacher.fit(x, y, 64, epochs, validation_data=heard, verbose=2)

    distiller = Distiller(teacher, ds_cnn_student(16, classes, frames=FRAMES))
    distiller.compile("adam")
    distiller.fit(x, epochs=epochs, batch_size=64, verbose=2)

    spotter = KeywordSpotter((*words, "other"), none=("other",), step_ms=STEP_MS)
    print(
        convert(distiller.student, bundle, x[::10], feature_spec=SPEC, decode=spotter)
    )
    pcm, spoken = joined(days["development"], SPEC.sample_rate_hz)
    recognizer = load_bundle(bundle).recognizer
    found = detections(recognizer, recognizer.logits(pcm), len(pcm))
    suppress_ms = spotter.reporting.suppress_ms
    length_ms = 1000 * len(pcm) / SPEC.sample_rate_hz
    curve = detection_curve(spoken, found, length_ms, suppress_ms=suppress_ms)
    point = best_point(curve, FALSE_PER_HOUR)
    print(point)
    write_threshold(bundle, point.threshold)
    return verify(bundle)


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
