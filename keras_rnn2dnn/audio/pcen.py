"""Per-channel energy normalization (PCEN) of whole utterances; see `FeatureSpec`."""

from keras import ops

from keras_rnn2dnn.audio.centering import running_mean


def pcen(energies, frames: int, gain: float, bias: float, power: float):
    """Divides energies by their mean of late, and compresses the quotient.

    All summands of the mean are positive: after a loud sound that of a soft one is as
    exact as before. No frame looks ahead, so padding at the end changes nothing.

    Args:
        energies: `(batch, frames, bins)`, > 0.
        frames: of how many the mean is, at most, >= 1.
        gain: power of the mean.
        bias: added to the quotient.
        power: of the sum; 0 for the logarithm.

    Returns:
        `(batch, frames, bins)`.

    Example:
        >>> energies = np.array([[[7.0], [7.0], [14.0]]], "float32")
        >>> pcen(energies, 2, gain=1, bias=3.0, power=0.5).numpy().ravel().round(3)
        array([0.268, 0.268, 0.35 ], dtype=float32)
    """
    means = running_mean(energies, frames, prior_frames=0)
    quotients = energies / means if gain == 1 else energies * means ** (-gain)
    if power == 0:
        return ops.log(quotients + bias) - ops.log(bias)
    return (quotients + bias) ** power - bias**power
