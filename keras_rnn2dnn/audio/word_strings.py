"""Connected word strings made of recordings, with pauses, levels and noise."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.audio import augment
from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.util.errors import invalid

_NOISES, _RECORDED = ("white", "pink", "babble"), "recorded"
_LEVEL_RMS = 0.05
_CLEAN_SNR_DB = 40.0


@dataclasses.dataclass(frozen=True)
class StringOptions:
    """How word strings are made. Lengths of pauses are in frames.

    Args:
        words: fewest and most words in a string.
        pause_probability: of a pause between two words.
        pause_frames: shortest and longest pause.
        edge_frames: shortest and longest silence before and after the words.
        word_gain_db: range of the level of a word against its string.
        level_db: range of the level of a string around -26 dBFS.
        snr_db: range of the signal-to-noise ratio, noise against words.
        clean_probability: of a string without noise (at 40 dB).
        buckets: frames that a string may have; it is filled up with silence, so that
            few shapes occur and nothing need be masked.
        active_level: whether levels of words are those of their loud frames alone, as
            of `augment.add_noise`: for recordings of which words are a small part.

    Raises:
        ValueError: if a value is out of its range.
    """

    words: tuple[int, int] = (3, 7)
    pause_probability: float = 0.6
    pause_frames: tuple[int, int] = (1, 24)
    edge_frames: tuple[int, int] = (5, 34)
    word_gain_db: tuple[float, float] = (-3.0, 3.0)
    level_db: tuple[float, float] = (-6.0, 6.0)
    snr_db: tuple[float, float] = (0.0, 20.0)
    clean_probability: float = 0.0
    buckets: tuple[int, ...] = (180, 240, 300, 360, 480, 600)
    active_level: bool = False

    def __post_init__(self):
        lowest = {"words": 1, "pause_frames": 0, "edge_frames": 0}
        for name in (*lowest, "word_gain_db", "level_db", "snr_db"):
            low, high = getattr(self, name)
            if not lowest.get(name, low) <= low <= high:
                bound = f" >= {lowest[name]}" if name in lowest else ""
                expected = f"numbers (low, high){bound} with low <= high"
                raise ValueError(invalid(name, expected, (low, high)))
        for name in ("pause_probability", "clean_probability"):
            if not 0 <= getattr(self, name) <= 1:
                expected = "a number from 0 to 1"
                raise ValueError(invalid(name, expected, getattr(self, name)))
        ascending = sorted({bucket for bucket in self.buckets if bucket > 0})
        if not ascending or list(self.buckets) != ascending:
            expected = "numbers of frames > 0 in ascending order"
            raise ValueError(invalid("buckets", expected, self.buckets))


@dataclasses.dataclass(frozen=True, eq=False)
class WordString:
    """A string of words, noisy and clean.

    Args:
        noisy: float32 `(samples,)`.
        clean: the same at the same level without noise (at 40 dB), `(samples,)`.
        num_frames: frames, one of the buckets; more, a multiple of the longest, only
            where a recording alone is longer than all of them.
        words: what is said.
        speaker: who says it.
        parts: for each recording used, its number in the list given and the frame at
            which it starts.
        snr_db: signal-to-noise ratio.
        noise: kind of the noise.
    """

    noisy: np.ndarray
    clean: np.ndarray
    num_frames: int
    words: tuple[str, ...]
    speaker: str
    parts: tuple[tuple[int, int], ...]
    snr_db: float
    noise: str


def make_strings(
    recordings: Sequence[Recording],
    num_strings: int,
    seed: int,
    spec: FeatureSpec,
    options: StringOptions | None = None,
    babble: Sequence[Recording] | None = None,
    noise: np.ndarray | None = None,
) -> list[WordString]:
    """Makes strings of words of one speaker each, all speakers in turn.

    Each recording of a speaker is used once before any is used again. String `n`
    depends on `seed` alone and on the strings before it.

    Args:
        recordings: what the strings are made of.
        num_strings: how many.
        seed: of everything random.
        spec: gives sample rate and frames.
        options: see `StringOptions`.
        babble: recordings which babble noise is made of; by default `recordings`.
        noise: `(samples,)`, of which parts are heard in as many strings as each other
            kind of noise; none if it is empty.

    Returns:
        The strings.

    Raises:
        ValueError: if there are no recordings, or their sample rate is not the
            features'; the same of `babble`.
    """
    options = options or StringOptions()
    babble = recordings if babble is None else babble
    for name, given in (("recordings", recordings), ("babble", babble)):
        if not given:
            raise ValueError(invalid(name, "at least one recording", []))
    for recording in (*recordings, *babble):
        if recording.sample_rate_hz != spec.sample_rate_hz:
            raise ValueError(
                f"Different sample rates. Expected {spec.sample_rate_hz} Hz as in the "
                f"features. Received: a recording of {recording.sample_rate_hz} Hz"
            )
    rng = np.random.default_rng(seed)
    pool = [augment.unit_level(r.samples) for r in babble]
    noises = _Noises(pool, noise if noise is not None else np.zeros(0, "float32"))
    draws = {
        speaker: _Draw(
            [n for n, r in enumerate(recordings) if r.speaker == speaker], rng
        )
        for speaker in sorted({r.speaker for r in recordings})
    }
    speakers = list(draws)
    return [
        _make_string(
            recordings,
            draws[speakers[number % len(speakers)]],
            rng,
            spec,
            options,
            noises,
        )
        for number in range(num_strings)
    ]


def num_label_frames(recording: Recording, spec: FeatureSpec) -> int:
    """Returns how many frames of a string begin inside of a recording."""
    return -(-len(recording.samples) // spec.frame_step)


class _Draw:
    """Draws numbers in random order, each once before any comes again."""

    def __init__(self, numbers, rng):
        self._numbers, self._rng, self._waiting = numbers, rng, []

    def peek(self):
        if not self._waiting:
            self._waiting = self._rng.permutation(self._numbers).tolist()
        return self._waiting[0]

    def pop(self):
        return self._waiting.pop(0)


def _make_string(recordings, draw, rng, spec, options, noises):
    parts, num_frames = _plan(recordings, draw, rng, spec, options)
    speech = np.zeros(spec.num_samples(num_frames), "float32")
    for number, frame in parts:
        samples = augment.change_level(
            augment.unit_level(recordings[number].samples, options.active_level),
            rng.uniform(*options.word_gain_db),
        )
        start = frame * spec.frame_step
        room = speech[start : start + len(samples)]
        room += samples[: len(room)]
    noise, snr_db, kind = _draw_noise(rng, len(speech), options, noises)
    level = _LEVEL_RMS * 10 ** (rng.uniform(*options.level_db) / 20)
    hiss = augment.white_noise(rng, len(speech)) * 10 ** (-_CLEAN_SNR_DB / 20)
    return WordString(
        noisy=level * (speech + noise * np.float32(10 ** (-snr_db / 20))),
        clean=level * (speech + hiss),
        num_frames=num_frames,
        words=tuple(w for number, _ in parts for w in recordings[number].words),
        speaker=recordings[parts[0][0]].speaker,
        parts=tuple(parts),
        snr_db=snr_db,
        noise=kind,
    )


def _plan(recordings, draw, rng, spec, options):
    """Draws recordings, and the frames at which they start."""
    longest = options.buckets[-1]
    tail = int(rng.integers(options.edge_frames[0], options.edge_frames[1] + 1))
    frame = int(rng.integers(options.edge_frames[0], options.edge_frames[1] + 1))
    parts = []
    for _ in range(int(rng.integers(options.words[0], options.words[1] + 1))):
        number = draw.peek()
        length = num_label_frames(recordings[number], spec)
        if parts and frame + length + tail > longest:
            break  # it will begin the speaker's next string
        parts.append((draw.pop(), frame))
        frame += length
        if rng.random() < options.pause_probability:
            frame += int(rng.integers(*options.pause_frames, endpoint=True))
    number, start = parts[-1]
    needed = start + num_label_frames(recordings[number], spec) + tail
    fitting = [bucket for bucket in options.buckets if bucket >= needed]
    return parts, fitting[0] if fitting else -(-needed // longest) * longest


class _Noises:
    """What noise is made of: voices, and recorded noise `(samples,)`, maybe none."""

    def __init__(self, babble, recorded):
        self.babble, self._recorded = babble, recorded
        self.kinds = (*_NOISES, _RECORDED) if len(recorded) else _NOISES

    def part(self, rng, num_samples):
        """Returns a part of the recorded noise, from a random place on."""
        start = int(rng.integers(len(self._recorded)))
        places = np.arange(start, start + num_samples)
        return augment.unit_level(self._recorded.take(places, mode="wrap"))


def _draw_noise(rng, num_samples, options, noises):
    snr_db = float(rng.uniform(*options.snr_db))
    kind = noises.kinds[int(rng.integers(len(noises.kinds)))]
    if rng.random() < options.clean_probability:
        return augment.white_noise(rng, num_samples), _CLEAN_SNR_DB, "none"
    if kind == "babble":
        noise = augment.babble_noise(rng, num_samples, noises.babble)
    elif kind == _RECORDED:
        noise = noises.part(rng, num_samples)
    else:
        make = augment.white_noise if kind == "white" else augment.pink_noise
        noise = make(rng, num_samples)
    return noise, snr_db, kind
