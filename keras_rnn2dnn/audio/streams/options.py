"""How streams are made: `StreamOptions`."""

import dataclasses

from keras_rnn2dnn.util.errors import invalid


@dataclasses.dataclass(frozen=True)
class StreamOptions:
    """How streams are made.

    Args:
        pause_s: shortest and longest pause, log-uniform.
        pause_probability: of a pause before, between and after what is said.
        plain: probability that a string stays as it is, without anything around it.
        background_rms: highest level of backgrounds, of 32,768; under speech they are
            at least 6 dB softer than it.
        background: probability of a background; else pauses are digital zeros.
        hum: probability of hum.
        sounds: probability of clicks, knocks, notes or sweeps.
        level_db: range of the level of a stream against that of its strings.
        level: probability that it is not 0 dB.
        other: streams of other speech for each string.
        other_s: shortest and longest piece of it.
        step_frames: streams are filled up to a multiple of it, so that few lengths
            occur.

    Raises:
        ValueError: if a value is out of its range.
    """

    pause_s: tuple[float, float] = (0.3, 6.0)
    pause_probability: float = 0.6
    plain: float = 0.5
    background_rms: float = 3000.0
    background: float = 0.85
    hum: float = 0.1
    sounds: float = 0.2
    level_db: tuple[float, float] = (-30.0, 10.0)
    level: float = 0.6
    other: float = 0.25
    other_s: tuple[float, float] = (1.0, 6.0)
    step_frames: int = 200

    def __post_init__(self):
        for name in ("pause_s", "other_s", "level_db"):
            low, high = getattr(self, name)
            if not low <= high or (name != "level_db" and not low > 0):
                bound = "" if name == "level_db" else " > 0"
                expected = f"numbers (low, high){bound} with low <= high"
                raise ValueError(invalid(name, expected, (low, high)))
        for name in (
            "pause_probability",
            "plain",
            "background",
            "hum",
            "sounds",
            "level",
        ):
            if not 0 <= getattr(self, name) <= 1:
                expected = "a number from 0 to 1"
                raise ValueError(invalid(name, expected, getattr(self, name)))
        for name, least in (("background_rms", 1), ("other", 0), ("step_frames", 1)):
            if not getattr(self, name) >= least:
                expected = f"a number >= {least}"
                raise ValueError(invalid(name, expected, getattr(self, name)))
