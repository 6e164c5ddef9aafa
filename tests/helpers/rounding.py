"""How far float32 results may be apart that are computed in another order."""

import numpy as np

EPS32 = float(np.finfo("float32").eps)


def of_log_mel(spec):
    """Returns the largest rounding of a log-mel energy, in its own unit.

    A spectrum is a sum over the window, and an energy one over the spectrum; kernels
    sum in orders of their own. The logarithm makes relative errors absolute ones.
    """
    return (spec.frame_length + spec.fft_length // 2 + 1) * EPS32
