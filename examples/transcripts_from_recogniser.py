"""Transcripts from any recogniser: what it wrote of unlabelled audio teaches a student.

    python examples/transcripts_from_recogniser.py audio heard.jsonl bundle left right

Whisper, Moonshine or a cloud service give words, not posteriors. Here a file stands
for them: `heard.jsonl` has a line {"audio": "a.wav", "text": "Turn left."} for each of
the recordings in `audio`. A recurrent teacher of one's own learns the states of these
words, and what it says of each frame, given the transcript, is what the student learns.
Only the words named at the end are for the device; all others are other speech.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np

from keras_rnn2dnn import LogMel, SoftAlignments, convert, dnn_student, hmm, rnn_teacher
from keras_rnn2dnn.alignments.training import train_student
from keras_rnn2dnn.audio.corpora.listing import list_audio
from keras_rnn2dnn.audio.corpora.loading import AudioLoader
from keras_rnn2dnn.batches import bucketed_dataset, predict_utterances
from keras_rnn2dnn.hmm.topology import OTHER
from keras_rnn2dnn.scoring.vocabulary import normalised

PLAIN = ("lowercase", "remove-punctuation")  # as the words for the device are written


class FileOfTranscripts:
    """Stands for a recogniser: a path in, text out. Put yours in its place."""

    def __init__(self, path: str):
        lines = map(json.loads, Path(path).read_text().splitlines())
        self.texts = {line["audio"]: line["text"] for line in lines}

    def __call__(self, path: Path) -> str:
        """Returns what is said in a recording."""
        return self.texts.get(path.name, "")


def main(audio: str, heard: str, bundle: str, *words: str, epochs: int = 12):
    """Lets a recogniser label recordings, trains teacher and student, converts."""
    keras.utils.set_random_seed(0)
    recognise, topology = FileOfTranscripts(heard), hmm.Topology(words, 5, other=5)
    layer, pcm, texts = LogMel(8000, num_bins=24, centering="running"), [], []
    for file, samples in AudioLoader(list_audio(audio), 8000):
        said = normalised(recognise(file.path), PLAIN).split()
        said = [word if word in words else OTHER for word in said]
        states = sum(len(topology.states_of(word)) for word in said)
        if said and states < layer.spec.num_frames(len(samples)):  # else made up
            pcm.append(samples)
            texts.append(" ".join(said))
    layer.adapt(samples[None] for samples in pcm)
    features = [layer(samples[None])[0].numpy() for samples in pcm]

    states = hmm.flat_start(features, texts, topology).alignments
    teacher = rnn_teacher(24, topology.num_states, units=(48, 48), stack=3)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    teacher.compile(keras.optimizers.Adam(3e-3), loss)
    rows = list(zip(features, states, strict=True))
    batches = bucketed_dataset([rows], 8)
    teacher.fit(batches, epochs=epochs, shuffle=False, verbose=2)

    priors = hmm.estimate_log_priors(states, topology.num_states)
    targets = hmm.constrained(topology, log_priors=priors, prior_scale=0.5)
    store = SoftAlignments.write(
        f"{bundle}.align",
        teacher,
        (features, {"transcripts": texts}),
        transform=targets,
    )
    student = dnn_student(24, topology.num_states, context=(10, 5), units=(64, 64))
    train_student(student, store, epochs=epochs, batch_size=8)

    said = [[w for w in text.split() if w != OTHER] for text in texts]
    decoder = hmm.WordLoopDecoder(topology, log_priors=priors)
    decoder = hmm.tune_decoder(decoder, predict_utterances(student, features), said)
    report = convert(
        student,
        bundle,
        features,
        feature_spec=layer.spec,
        decode=decoder,
        references=said,
        recordings=[np.asarray(samples) for samples in pcm[:20]],
    )
    print(report)
    return report


if __name__ == "__main__":
    main(*sys.argv[1:])
