"""Checks of samples, random generators and numbers; `name` stands in the error."""

import numpy as np

from keras_rnn2dnn.util.errors import invalid, is_integer

LARGEST_SAMPLE = 2.0  # of floats in [-1, 1], with what resampling adds
SCALE = "Divide 16-bit PCM by 32768"
IN_SCALE = "samples in [-1, 1]"


def check_samples(name: str, samples: np.ndarray) -> np.ndarray:
    """Returns float64 `(samples,)`; raises ValueError unless 1-D floats, all finite."""
    samples = np.asarray(samples)
    if samples.ndim != 1 or samples.dtype.kind != "f" or not samples.size:
        received = f"{samples.dtype} {samples.shape}"
        hint = "Divide 16-bit PCM by 32768." if samples.dtype.kind in "iu" else ""
        expected = "floats of shape (samples,), not empty"
        raise ValueError(invalid(name, expected, received, hint))
    if not np.isfinite(samples).all():
        raise ValueError(invalid(name, "finite values", "values with inf or nan"))
    return samples.astype(np.float64)


def check_sound(name: str, samples: np.ndarray) -> np.ndarray:
    """Returns as `check_samples`; raises ValueError where all samples are 0 as well."""
    samples = check_samples(name, samples)
    if not samples.any():
        raise ValueError(invalid(name, "sound", "silence"))
    return samples


def check_rng(rng: "np.random.Generator") -> None:
    """Raises ValueError unless `rng` is a numpy random generator."""
    if not isinstance(rng, np.random.Generator):
        hint = "Make one with np.random.default_rng(seed)."
        raise ValueError(invalid("rng", "a numpy random generator", rng, hint))


def check_count(name: str, value: int, minimum: int) -> None:
    """Raises ValueError unless `value` is an integer of at least `minimum`."""
    if not is_integer(value) or value < minimum:
        raise ValueError(invalid(name, f"an integer >= {minimum}", value))


def check_finite(name: str, value: float) -> None:
    """Raises ValueError where `value` is infinite or not a number."""
    if not np.isfinite(value):
        raise ValueError(invalid(name, "a finite number", value))


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Raises ValueError unless `value` is an integer from `low` to `high`."""
    if not is_integer(value) or not low <= value <= high:
        raise ValueError(invalid(name, f"an integer from {low} to {high}", value))


def check_scale(
    name: str, samples: np.ndarray, largest: float = LARGEST_SAMPLE
) -> None:
    """Raises ValueError where float samples are far beyond [-1, 1], or no numbers.

    Resampled or compressed speech reaches a little beyond 1; PCM that was never divided
    by 32768 far.
    """
    if samples.size and not np.abs(samples).max() <= largest:  # nor NaN
        reach = f"from {samples.min():.4g} to {samples.max():.4g}"
        received = f"{samples.dtype.name} {reach}"
        raise ValueError(invalid(name, IN_SCALE, received, SCALE))
