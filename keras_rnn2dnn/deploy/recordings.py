"""The recordings of a bundle: as PCM, compared with the calibration, and scored."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.deploy import golden
from keras_rnn2dnn.deploy.device.features import device_features
from keras_rnn2dnn.deploy.device.normalizing import normalized_windows
from keras_rnn2dnn.scoring.word_errors import word_error_rate
from keras_rnn2dnn.util.errors import invalid
from keras_rnn2dnn.util.files import Audio

_COMPARED = 20  # recordings
# Softer speech shifts by 0.5, another window or rate by 0.3; a wrong scale by more.
_MOST_SHIFT, _MOST_SPREAD = 1.5, 2.0


def pcm_of(
    recordings: Sequence[np.ndarray] | Audio,
) -> tuple[list[np.ndarray], Sequence[str] | None]:
    """Returns recordings as 16-bit PCM, and their transcripts or None.

    Args:
        recordings: as `convert` takes them.

    Raises:
        ValueError: if one is no recording.
    """
    transcripts = None
    if isinstance(recordings, Audio):
        recordings, transcripts = recordings.samples, recordings.transcripts
    return [golden.int16_pcm(recording) for recording in recordings], transcripts


def compare_features(
    pcm: Sequence[np.ndarray], spec: FeatureSpec, utterances: Sequence[np.ndarray]
) -> dict[str, Any]:
    """Compares the features of a device with those which the student was trained on.

    Only what is far off can be told from a soft voice, so that this finds a wrong
    scale, a missing mean or variance, or swapped bytes, but not a wrong sample rate.

    Args:
        pcm: int16 `(samples,)` of each recording.
        spec: of the features.
        utterances: features of the calibration, `(frames, bins)` of each.

    Returns:
        `count` of the recordings; of up to 20 of them, over bins, `feature_shift`: the
        mean difference of the means, in standard deviations of the calibration; and
        `feature_spread`: the median ratio of the standard deviations.

    Raises:
        ValueError: if the features are far from the calibration.
    """
    chosen = np.linspace(0, len(pcm) - 1, min(len(pcm), _COMPARED)).round().astype(int)
    clip = len(utterances[0])  # the length of all, where they are clips
    found = np.concatenate([_features(pcm[k], spec, clip) for k in chosen])
    expected = np.concatenate(utterances)
    if not len(found):
        expected = "recordings of at least one frame"
        raise ValueError(invalid("recordings", expected, "shorter ones"))
    deviations = np.maximum(expected.std(axis=0), 1e-6)
    shift = float((np.abs(found.mean(0) - expected.mean(0)) / deviations).mean())
    spread = float(np.median(found.std(axis=0) / deviations))
    if shift > _MOST_SHIFT or not 1 / _MOST_SPREAD <= spread <= _MOST_SPREAD:
        hint = "Is it the specification which the calibration was computed with?"
        received = (
            f"means {shift:.2f} standard deviations away, {spread:.2f} times the "
            "standard deviation"
        )
        wanted = "features of the recordings like those of the calibration"
        raise ValueError(invalid("feature_spec", wanted, received, hint))
    return {"count": len(pcm), "feature_shift": shift, "feature_spread": spread}


def word_errors(
    transcripts: Sequence[str] | None, words: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Scores the words that a device finds in the recordings, from PCM on.

    Args:
        transcripts: what is said in each recording, or None.
        words: what was found in each.

    Returns:
        `wer`, `errors` and `words`; None each where there are no transcripts.
    """
    if transcripts is None:
        return dict.fromkeys(("wer", "errors", "words"))
    rate = word_error_rate(transcripts, words)
    return {"wer": rate.wer, "errors": rate.errors, "words": rate.words}


def _features(pcm, spec, clip):
    """Returns features as a student learnt them: of one clip after the other, maybe."""
    features = device_features(pcm, spec)
    if spec.example_norm == "none" or not len(features):
        return features
    missing = max(0, clip - len(features))
    features = np.pad(features, ((0, missing), (0, 0)), mode="edge")
    features = features[: len(features) // clip * clip]
    clips = features.reshape(-1, clip, spec.num_features)
    return normalized_windows(clips, spec.example_norm).reshape(features.shape)
