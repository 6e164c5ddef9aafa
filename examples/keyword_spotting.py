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
from keras_rnn2dnn.scoring.detections import SpokenWord, detection_curve
from keras_rnn2dnn.scoring.thresholds import best_point

SPEC = FeatureSpec(8000, frame_step_ms=20.0, num_bins=16, compression="pcen")
FRAMES, STEP_MS = 50, 100.0  # of a clip; from window to window
PAUSES_S, NONE_EVERY, FALSE_PER_HOUR = (0.2, 2.0), 3, 10.0


def windows(blocks: list[Block], words: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Cuts streams into clips, labelled by the last word that is whole in them."""
    clips, labels = [], []
    for block in blocks:
        features = device_features(block.pcm, SPEC)
        for end in range(FRAMES, len(features), round(STEP_MS / SPEC.frame_step_ms)):
            begin_ms, end_ms = (SPEC.frame_step_ms * n for n in (end - FRAMES, end))
            heard = [(part(w, begin_ms, end_ms), w.text) for w in block.words]
            whole = [text for share, text in heard if share == 1]
            if not whole and (max(heard, default=(0, ""))[0] > 0.5 or end % NONE_EVERY):
                continue  # neither a word nor none, or one of very many
            clips.append(features[end - FRAMES : end])
            labels.append(words.index(whole[-1]) if whole else len(words))
    return np.stack(clips), np.array(labels)


def part(word: SpokenWord, begin_ms: float, end_ms: float) -> float:
    """Returns which share of a word lies between two times."""
    heard = min(word.end_ms, end_ms) - max(word.start_ms, begin_ms)
    return max(0.0, heard / (word.end_ms - word.start_ms))


def main(
    corpus: str, bundle: str, *words: str, hours: float = 2.0, epochs: int = 8
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
