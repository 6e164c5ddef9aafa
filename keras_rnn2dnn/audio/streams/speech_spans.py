"""Where in a recording somebody speaks, by its level."""

import numpy as np

from keras_rnn2dnn.audio.feature_spec import FeatureSpec

_QUIET = 10**-3.2  # of the energy of the loudest frame: what is softer is a pause
_LONGEST_GAP, _SHORTEST = 12, 8  # frames of a pause within speech, and of speech


def speech_spans(samples: np.ndarray, spec: FeatureSpec) -> list[tuple[int, int]]:
    """Finds speech by its level: frames at most 32 dB below the loudest.

    Args:
        samples: `(samples,)`.
        spec: gives the frames.

    Returns:
        First frame of each part, and the one after its last. Gaps of up to 12 frames
        belong to it; parts of less than 8 frames are left out.

    Example:
        >>> x = np.zeros(8000); x[1600:4000] = 1; x[4400:5600] = -1; x[7500:7600] = 1
        >>> speech_spans(x, FeatureSpec(8000))
        [(18, 70)]
    """
    count = spec.num_frames(len(samples))
    if not count:
        return []
    frames = np.lib.stride_tricks.sliding_window_view(samples, spec.frame_length)
    energies = np.square(frames[:: spec.frame_step][:count]).sum(axis=1)
    loud = np.flatnonzero(energies > max(energies.max() * _QUIET, 1e-12))
    if not len(loud):
        return []
    cuts = np.flatnonzero(np.diff(loud) > _LONGEST_GAP + 1) + 1
    parts = [(int(p[0]), int(p[-1]) + 1) for p in np.split(loud, cuts)]
    return [(first, end) for first, end in parts if end - first >= _SHORTEST]
