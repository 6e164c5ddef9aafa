"""What is heard: clips of one second, shifted, at some level, before a background."""

import dataclasses

import numpy as np

from benchmarks.keywords.task import Task
from keras_rnn2dnn.audio import augment
from keras_rnn2dnn.audio.features import FeatureSpec, LogMel
from keras_rnn2dnn.audio.streams import backgrounds
from keras_rnn2dnn.deploy.device.features import device_features

FRAMES, CEPSTRA = 49, 10  # as of MLPerf Tiny
_SHIFT_S = 0.1  # to either side
_LEVEL_DB = (-10.0, 6.0)
_NOISY = 0.8  # of the clips of a training
_TRAINED_DB, _HEARD_DB = (0.0, 25.0), (0.0, 20.0)  # signal to noise
_SILENCE_RMS = 1000.0  # of 32,768, at most
_DIGITAL_SILENCE = 0.1
_NOISES, _NOISE_S = 150, 3.0
_RECORDED = 0.5  # of the backgrounds, where there are recorded ones
_BATCH = 500


@dataclasses.dataclass(frozen=True, eq=False)
class Heard:
    """Clips as they are heard.

    Args:
        pcm: int16 `(clips, samples)`.
        labels: `(clips,)`.
        speakers: of each clip; "" of silence.
    """

    pcm: np.ndarray
    labels: np.ndarray
    speakers: np.ndarray


class Room:
    """Lets clips of a task be heard.

    Args:
        task: of the clips.
        use: of `task.USES`; backgrounds are those of training, or of all else.
        seed: of everything random.
    """

    def __init__(self, task: Task, use: str, seed: int):
        self.task, self.use = task, use
        self.rng = np.random.default_rng((seed, *use.encode()))
        self.samples = task.sample_rate_hz
        self.words = task.clips[use]
        self.silence = len(task.labels) - 1
        recorded = task.backgrounds["train" if use == "train" else "test"]
        self.recorded = [r for r in recorded if len(r) >= self.samples]
        voices = [self.words[n].pcm / 32768 for n in self._some(200)]
        self.noises = [self._noise(voices) for _ in range(_NOISES)]

    def as_recorded(self) -> Heard:
        """Returns the clips as they are, and silence at several levels."""
        clips = [_fitted(clip.pcm, self.samples, 0) for clip in self.words]
        return self._with_silence([pcm.astype(np.float32) for pcm in clips])

    def in_noise(self) -> Heard:
        """Returns the clips shifted, at other levels, each with a background."""
        return self._with_silence([self._changed(c, 1, _HEARD_DB) for c in self.words])

    def bank(self) -> Heard:
        """Returns the clips as a training hears them."""
        changed = [self._changed(c, _NOISY, _TRAINED_DB) for c in self.words]
        return self._with_silence(changed)

    def _some(self, count):
        return self.rng.integers(0, len(self.words), count)

    def _noise(self, voices):
        if self.recorded and self.rng.random() < _RECORDED:
            return self.recorded[int(self.rng.integers(len(self.recorded)))]
        voices = [voice for voice in voices if np.any(voice)]
        return backgrounds.noise(self.rng, round(_NOISE_S * self.samples), voices)

    def _background(self):
        noise = self.noises[int(self.rng.integers(len(self.noises)))]
        start = int(self.rng.integers(len(noise) - self.samples + 1))
        return augment.unit_level(noise[start : start + self.samples])

    def _changed(self, clip, noisy, decibels):
        most = round(_SHIFT_S * self.samples)
        shift = int(self.rng.integers(-most, most, endpoint=True))
        level = 10 ** (self.rng.uniform(*_LEVEL_DB) / 20)
        heard = level * _fitted(clip.pcm, self.samples, shift).astype(np.float32)
        if self.rng.random() >= noisy or not heard.any():
            return heard
        return augment.add_noise(heard, self._background(), self.rng.uniform(*decibels))

    def _silent(self):
        if self.rng.random() < _DIGITAL_SILENCE:
            return np.zeros(self.samples, np.float32)
        level = backgrounds.log_uniform(self.rng, 1.0, _SILENCE_RMS)
        return level * self._background()

    def _with_silence(self, clips):
        """Adds as many clips of silence as there are of a keyword in the mean."""
        labels = [clip.label for clip in self.words]
        keywords = sum(label < self.silence - 1 for label in labels)
        count = max(1, round(keywords / (self.silence - 1)))
        pcm = np.stack([*clips, *(self._silent() for _ in range(count))])
        speakers = [clip.speaker or "" for clip in self.words] + [""] * count
        pcm = np.clip(np.rint(pcm), -32768, 32767).astype(np.int16)
        return Heard(pcm, np.array(labels + [self.silence] * count), np.array(speakers))


def _fitted(pcm, samples, shift):
    """Returns a second of a recording, which is heard later by a shift."""
    heard = np.zeros(samples, np.int16)
    first = max(0, (samples - len(pcm)) // 2) + shift
    last = min(samples, first + len(pcm))
    heard[max(0, first) : last] = pcm[max(0, -first) : last - first]
    return heard


def feature_spec(task: Task, heard: Heard) -> FeatureSpec:
    """Returns MFCC as keyword models have them, with mean and variance of clips."""
    layer = LogMel(
        task.sample_rate_hz,
        frame_length_ms=40.0,
        frame_step_ms=20.0,
        num_bins=40,
        low_hz=20.0,
        high_hz=4000.0,
        window="hann",
        num_cepstra=CEPSTRA,
    )
    layer.adapt(samples for samples in _batches(heard.pcm))
    return layer.spec


def features(heard: Heard, spec: FeatureSpec) -> np.ndarray:
    """Computes the features in TensorFlow, float32 `(clips, frames, cepstra)`."""
    layer = LogMel.from_spec(spec)
    return np.concatenate([layer(samples).numpy() for samples in _batches(heard.pcm)])


def exact_features(heard: Heard, spec: FeatureSpec) -> np.ndarray:
    """Computes the features as a device does, to the bit."""
    return np.stack([device_features(pcm, spec) for pcm in heard.pcm])


def _batches(pcm):
    for start in range(0, len(pcm), _BATCH):
        yield pcm[start : start + _BATCH].astype(np.float32) / 32768
