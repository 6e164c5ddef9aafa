"""Hard alignments of recordings, from their transcripts alone."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn import hmm
from keras_rnn2dnn.audio import augment, resampling
from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.features import LogMel
from keras_rnn2dnn.audio.word_strings import num_label_frames
from keras_rnn2dnn.batches.predicting import map_by_length

_HISS_RMS = 0.01


def at_speeds(
    recordings: Sequence[Recording], factors: Sequence[float]
) -> list[Recording]:
    """Returns copies of recordings at several speeds."""
    return [
        dataclasses.replace(r, samples=resampling.change_speed(r.samples, factor))
        if factor != 1.0
        else r
        for factor in factors
        for r in recordings
    ]


def align_recordings(
    recordings: Sequence[Recording],
    topology: hmm.Topology,
    layer: LogMel,
    seed: int,
) -> list[np.ndarray]:
    """Aligns recordings from their transcripts alone, by flat start.

    They are at a level of their own, and short: each has its own mean subtracted.

    Args:
        recordings: transcribed recordings.
        topology: of the words.
        layer: gives the features but for the mean.
        seed: of the mixtures.

    Returns:
        The state of each frame that begins inside of a recording, int32.
    """
    rng = np.random.default_rng(seed)
    waveforms = []
    for recording in recordings:
        samples = augment.unit_level(recording.samples)
        frames = num_label_frames(recording, layer.spec)
        padded = np.zeros(layer.spec.num_samples(frames), "float32")
        padded[: len(samples)] = samples[: len(padded)]
        padded += _HISS_RMS * augment.white_noise(rng, len(padded))
        waveforms.append(padded)
    layer = LogMel.from_spec(
        dataclasses.replace(layer.spec, centering="utterance", mean=None)
    )
    features = map_by_length(layer, waveforms)
    transcripts = [list(recording.words) for recording in recordings]
    return list(hmm.flat_start(features, transcripts, topology, seed=seed).alignments)
