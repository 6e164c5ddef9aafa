"""Cepstra in float64, sum by sum."""

import math

import numpy as np


def cepstra64(logarithms, spec):
    """Returns the cepstra of `(..., bins)`; see `FeatureSpec`."""
    count, columns = spec.num_bins, []
    for k in range(spec.num_cepstra):
        scale = math.sqrt(2 / count)
        if k == 0 and spec.cepstral_norm == "ortho":
            scale = math.sqrt(1 / count)
        if lifter := spec.cepstral_lifter:
            scale *= 1 + 0.5 * lifter * math.sin(math.pi * k / lifter)
        cosines = [math.cos(math.pi / count * (n + 0.5) * k) for n in range(count)]
        columns.append(scale * (logarithms * np.array(cosines)).sum(axis=-1))
    return np.stack(columns, axis=-1)
