"""Hard alignments, from transcripts alone: of recordings, or of what is heard."""

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
_MOST = 8.0  # that a sample may be at an RMS of 1: a click in a quiet recording is more
_FIRST_STRINGS, _PER_WORD = 1000, 15  # from which the mixtures are estimated
# Of noisy digits more frames agree so with labels of the clean recordings.
_OF_STRINGS = {"components": 4, "normalized": True, "silent_frames": 10}


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

    They are at a level of their own, and short: each has its own mean subtracted from
    its logarithms.

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
        waveforms.append(padded * min(1.0, _MOST / np.abs(padded).max()))
    spec = dataclasses.replace(layer.spec, centering="utterance", mean=None)
    if spec.compression != "log":  # which is for streams
        spec = dataclasses.replace(spec, compression="log", variance=None)
    layer = LogMel.from_spec(spec)
    features = map_by_length(layer, waveforms)
    transcripts = [list(recording.words) for recording in recordings]
    return list(hmm.flat_start(features, transcripts, topology, seed=seed).alignments)


def align_strings(
    features: Sequence[np.ndarray],
    words: Sequence[Sequence[str]],
    topology: hmm.Topology,
    seed: int,
) -> list[np.ndarray]:
    """Aligns noisy strings from their transcripts alone, by flat start.

    Mixtures are estimated from 1,000 strings, or 15 for each word of the vocabulary if
    that is more; the others are aligned by them.

    Args:
        features: `(frames, features)` of each string.
        words: of each.
        topology: of the words.
        seed: of the mixtures.

    Returns:
        The states of each string, int32 `(frames,)`.
    """
    first = max(_FIRST_STRINGS, _PER_WORD * len(topology.words))
    found = hmm.flat_start(
        list(features[:first]), words[:first], topology, seed=seed, **_OF_STRINGS
    )
    states = list(found.alignments)
    for start in range(first, len(features), first):
        part = slice(start, start + first)
        states += found.mixtures.align(features[part], words[part], topology)
    return states
