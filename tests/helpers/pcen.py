"""PCEN in float64, without a recursion."""

import numpy as np


def pcen64(energies, spec):
    """Returns PCEN of energies `(frames, bins)` with their floor; see `FeatureSpec`.

    The mean of frame `t` is that of the first `n` frames times `k^(t - n + 1)`, and of
    each later frame `i` a share of `k^(t - i) / n`, with `k = 1 - 1 / n`.
    """
    n = round(spec.time_constant_ms / spec.frame_step_ms)
    means = (
        np.cumsum(energies[:n], axis=0) / np.arange(1, len(energies[:n]) + 1)[:, None]
    )
    if len(energies) > n:
        k, later = 1 - 1 / n, energies[n:]
        t = np.arange(len(later))
        age = t[:, None] - t
        shares = np.where(age >= 0, k ** np.maximum(age, 0), 0) / n
        means = np.concatenate(
            [means, k ** (t + 1)[:, None] * means[-1] + shares @ later]
        )
    quotients = energies / means**spec.gain
    if spec.power == 0:
        return np.log1p(quotients / spec.bias)
    return (quotients + spec.bias) ** spec.power - spec.bias**spec.power
