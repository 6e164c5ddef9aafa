"""From log-mel energies to cepstra (MFCC): the matrix of the transform."""

import functools

import numpy as np


@functools.lru_cache
def cepstral_matrix(spec) -> np.ndarray | None:
    """Returns the weights of the bins in each cepstrum, the lifter multiplied in.

    Args:
        spec: `FeatureSpec` of the features.

    Returns:
        float64 `(num_bins, num_cepstra)`, or None for features without cepstra.

    Example:
        >>> from keras_rnn2dnn.audio.feature_spec import FeatureSpec
        >>> spec = FeatureSpec(8000, num_bins=4, num_cepstra=2, cepstral_norm="ortho")
        >>> cepstral_matrix(spec).round(3).T.tolist()
        [[0.5, 0.5, 0.5, 0.5], [0.653, 0.271, -0.271, -0.653]]
    """
    if spec.num_cepstra is None:
        return None
    k, bins = np.arange(spec.num_cepstra), np.arange(spec.num_bins)[:, None]
    matrix = np.sqrt(2 / spec.num_bins) * np.cos(
        np.pi / spec.num_bins * (bins + 0.5) * k
    )
    if spec.cepstral_norm == "ortho":
        matrix[:, 0] *= np.sqrt(0.5)
    if spec.cepstral_lifter:
        lifter = spec.cepstral_lifter
        matrix *= 1 + lifter / 2 * np.sin(np.pi * k / lifter)
    matrix.setflags(write=False)
    return matrix
