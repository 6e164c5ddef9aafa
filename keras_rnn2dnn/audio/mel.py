"""Windows and mel triangles of a feature specification, as arrays."""

import functools

import numpy as np


def window_weights(spec) -> np.ndarray:
    """Returns the weights of the samples of a frame, `(frame_length,)`."""
    if spec.window == "povey":
        return np.hanning(spec.frame_length) ** 0.85
    if spec.window == "hann":  # periodic: 0 at the first sample, not at the last
        return np.hanning(spec.frame_length + 1)[:-1]
    return np.hamming(spec.frame_length)


@functools.lru_cache
def mel_matrix(spec) -> np.ndarray:
    """Returns the weights of the triangles, `(fft_length // 2 + 1, num_bins)`.

    TensorFlow computes them, and is needed here alone: who runs a bundle reads them in
    its header.
    """
    import tensorflow as tf

    with tf.init_scope():  # an array, also while a graph is built
        matrix = tf.signal.linear_to_mel_weight_matrix(
            num_mel_bins=spec.num_bins,
            num_spectrogram_bins=spec.fft_length // 2 + 1,
            sample_rate=spec.sample_rate_hz,
            lower_edge_hertz=spec.low_hz,
            upper_edge_hertz=spec.upper_hz,
        )
    return matrix.numpy()
