"""Recordings of which words are a small part: where the words are, and cuts there."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from keras_rnn2dnn import hmm
from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.features import LogMel
from keras_rnn2dnn.batches.predicting import map_by_length
from keras_rnn2dnn.recipe.material import feature_spec

_EXPECTED_S, _PER_WORD_S = 2.0, 1.5  # longer ones are long
_MARGIN_S = 0.4  # kept before and after what is loud
# Kept before and after the words: more silence in the strings is not to be told from
# words when these are aligned, which then last too long.
_WORD_MARGIN_S = 0.15
_SHORTEST = 10  # frames of a word; what is shorter is a click
_LOUD = 0.3  # of the loudest


def is_long(recording: Recording) -> bool:
    """Tells whether a recording is much longer than its words.

    Example:
        >>> said = Recording(np.zeros(30 * 8000, "float32"), 8000, ("go",), "ann", 0)
        >>> is_long(said), is_long(dataclasses.replace(said, words=("go",) * 20))
        (True, False)
    """
    seconds = len(recording.samples) / recording.sample_rate_hz
    return seconds > _EXPECTED_S + _PER_WORD_S * len(recording.words)


def cut_to_words(
    recordings: Sequence[Recording], topology: hmm.Topology, seed: int
) -> list[Recording]:
    """Cuts long recordings to where their words are.

    First to what is louder than the rest of the recording for 0.1 s or more; then to
    where the words are in that, as the alignment of all recordings from their
    transcripts alone has it. 0.15 s before and after the words stay.

    Args:
        recordings: transcribed, of one rate.
        topology: of the words.
        seed: of the alignment.

    Returns:
        As many recordings; short ones as they are.
    """
    long = [is_long(recording) for recording in recordings]
    if not any(long):
        return list(recordings)
    spec = dataclasses.replace(
        feature_spec(recordings[0].sample_rate_hz), centering="utterance"
    )
    layer = LogMel.from_spec(spec)
    loud = map(_is_loud, _features(layer, recordings))
    given = _cut(recordings, loud, long, spec, _MARGIN_S)
    features = _features(layer, given)
    transcripts = [list(r.words) for r in given]
    found = hmm.flat_start(features, transcripts, topology, seed=seed).alignments
    spoken = [states != topology.silence_state for states in found]
    return _cut(given, spoken, long, spec, _WORD_MARGIN_S)


def _features(layer, recordings):
    return map_by_length(
        layer, [np.pad(r.samples, (0, layer.spec.frame_length)) for r in recordings]
    )


def _is_loud(features):
    """Tells which frames stand out of what is heard most of the time, long enough."""
    excess = (features - np.median(features, axis=0)).mean(axis=1)
    lasting = sliding_window_view(excess, _SHORTEST).min(axis=1)
    edges = np.full(_SHORTEST - 1, lasting.min())
    padded = np.concatenate([edges, lasting, edges])
    lasting = sliding_window_view(padded, _SHORTEST).max(axis=1)
    return lasting > _LOUD * lasting.max()


def _cut(recordings, kept, long, spec, margin_s):
    """Cuts long recordings around the frames that are to stay."""
    margin, cut = round(margin_s * spec.sample_rate_hz), []
    for recording, frames, is_cut in zip(recordings, kept, long, strict=True):
        places = np.flatnonzero(frames)
        if is_cut and len(places):
            start = max(0, places[0] * spec.frame_step - margin)
            end = places[-1] * spec.frame_step + spec.frame_length + margin
            samples = recording.samples[start:end]
            recording = dataclasses.replace(recording, samples=samples)
        cut.append(recording)
    return cut
