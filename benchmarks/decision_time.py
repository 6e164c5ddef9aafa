"""What it costs that a device decides on a word soon after its end.

    python benchmarks/decision_time.py OUT/SPEAKER --data FSDD --speaker SPEAKER

OUT of `rnn2dnn demo --data FSDD`. Word errors of the strings of its test, as the bundle
decides with different `decide_ms` and `margin`; and a quarter of an hour of that
speaker left switched on, where a word counts that is told within a second of its end.
"""

import argparse
import dataclasses
from pathlib import Path

from keras_rnn2dnn import word_error_rate
from keras_rnn2dnn.audio.corpora import read_fsdd
from keras_rnn2dnn.audio.streams.day import joined, make_day
from keras_rnn2dnn.deploy import load_bundle
from keras_rnn2dnn.deploy.device.recognizer import DeviceRecognizer
from keras_rnn2dnn.recognition.hearing import detections
from keras_rnn2dnn.scoring.detections import score_detections
from keras_rnn2dnn.util.files import Audio

DECIDED = [(d, m) for d in (500.0, 700.0, 1000.0) for m in (20.0, 40.0)]
HOURS, BLOCK_S, PAUSE_S, SEED = 16 / 60, 160, (0.3, 10.0), 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, help="of a speaker, of `rnn2dnn demo`")
    parser.add_argument("--data", required=True, help="recordings, as the demo's")
    parser.add_argument("--speaker", required=True, help="who is in no training")
    options = parser.parse_args()
    recognizer = load_bundle(options.directory / "bundle").recognizer
    test = Audio.load(options.directory / "test_audio.npz")
    references = [text.split() for text in test.transcripts]
    strings = [recognizer.logits(samples) for samples in test.samples]
    spoken = [r for r in read_fsdd(options.data) if r.speaker == options.speaker]
    spec = recognizer.spec
    blocks = make_day(spoken, [], (), HOURS, SEED, spec, BLOCK_S, PAUSE_S)
    pcm, words = joined(blocks, spec.sample_rate_hz)
    stream, duration_ms = recognizer.logits(pcm), 1000 * len(pcm) / spec.sample_rate_hz
    print("| decide_ms | margin | errors/words | hits/words | told: median | 99 % |")
    print("|---:|---:|---:|---:|---:|---:|")
    for decide_ms, margin in DECIDED:
        device = deciding(recognizer, decide_ms, margin)
        found = [[word.text for word in line] for line in device.decode(strings)]
        wer = word_error_rate(references, found, num_resamples=1)
        heard = detections(device, stream, len(pcm))
        score = score_detections(words, heard, duration_ms)
        cells = (
            *(f"{decide_ms:g}", f"{margin:g}", f"{wer.errors}/{wer.words}"),
            f"{score.hits}/{score.words}",
            *(f"{score.latency_ms(p):.0f} ms" for p in (50, 99)),
        )
        print("| " + " | ".join(cells) + " |")


def deciding(
    recognizer: DeviceRecognizer, decide_ms: float, margin: float
) -> DeviceRecognizer:
    """Returns a recognizer that decides at another time."""
    decoder = recognizer.decoder
    reporting = dataclasses.replace(
        decoder.reporting, decide_ms=decide_ms, margin=margin
    )
    decoder = dataclasses.replace(decoder, reporting=reporting)
    return dataclasses.replace(recognizer, decoder=decoder)


if __name__ == "__main__":
    main()
