"""The filter by which boards halve the rate of a microphone, in numpy."""

import numpy as np


def halved(pcm):
    """The rate that the recognizer hears at: a half-band filter, in whole numbers."""
    sides = np.array([10328, -3177, 1618, -893, 481, -236, 96, -26])
    taps = np.zeros(31, np.int64)
    taps[15] = 16386
    taps[16::2], taps[14::-2] = sides, sides
    sums = np.convolve(pcm.astype(np.int64), taps)[: len(pcm)] + 16384
    return np.clip(sums >> 15, -32768, 32767).astype(np.int16)[::2]
