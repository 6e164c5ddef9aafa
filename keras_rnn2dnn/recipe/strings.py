"""The demo's data: who is heard when, word strings, features and labels."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn import hmm
from keras_rnn2dnn.audio import augment, resampling
from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.features import FeatureSpec, LogMel
from keras_rnn2dnn.audio.strings import WordString, make_strings, num_label_frames
from keras_rnn2dnn.batches.predicting import map_by_length
from keras_rnn2dnn.util.errors import invalid

PROTOCOLS = ("new-speaker", "official")
_HISS_RMS = 0.01
_ADAPTATION_STRINGS = 300


@dataclasses.dataclass(frozen=True)
class Split:
    """Recordings by their use; none stands in two of the lists.

    Args:
        train: transcribed, for teacher and students.
        development: transcribed, for the choices of the decoder.
        unlabelled: of the new speaker, without their transcripts.
        test: of the new speaker (or of all, in the official protocol).
    """

    train: list[Recording]
    development: list[Recording]
    unlabelled: list[Recording]
    test: list[Recording]


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureString:
    """Features of a word string.

    Args:
        noisy: `(frames, features)`.
        clean: the same without noise, `(frames, features)`.
        states: hard alignment `(frames,)`, int32, or None.
        words: what is said.
        samples: what `noisy` was computed from, float32 in [-1, 1], or None where it
            is not kept: it takes several times the memory of the features.
    """

    noisy: np.ndarray
    clean: np.ndarray
    states: np.ndarray | None
    words: tuple[str, ...]
    samples: np.ndarray | None = None


def split_recordings(
    recordings: Sequence[Recording], protocol: str, held_out: Sequence[str] = ()
) -> Split:
    """Splits recordings by their index, after the convention of FSDD.

    `official`: 0-4 test, 5-9 development, the rest training, of all speakers.
    `new-speaker`: of the held-out speakers 0-14 are the test and the rest is
    unlabelled; of the others 0-4 are development and the rest training.

    Args:
        recordings: of all speakers.
        protocol: `"official"` or `"new-speaker"`.
        held_out: the new speakers, in the new-speaker protocol.

    Returns:
        The `Split`.

    Raises:
        ValueError: if the protocol or a speaker is unknown, or a list stays empty.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(invalid("protocol", f"one of {PROTOCOLS}", protocol))
    speakers = sorted({r.speaker for r in recordings})
    for speaker in held_out:
        if speaker not in speakers:
            raise ValueError(invalid("speaker", f"one of {speakers}", speaker))
    new_speaker = protocol == "new-speaker"
    if not new_speaker:
        ours, new = recordings, recordings
        test, development = range(0, 5), range(5, 10)
    else:
        ours = [r for r in recordings if r.speaker not in held_out]
        new = [r for r in recordings if r.speaker in held_out]
        test, development = range(0, 15), range(0, 5)
    split = Split(
        train=[r for r in ours if r.index >= development.stop],
        development=[r for r in ours if r.index in development],
        unlabelled=[r for r in new if r.index not in test] if new_speaker else [],
        test=[r for r in new if r.index in test],
    )
    _check_split(split, protocol, speakers)
    return split


def _check_split(split, protocol, speakers):
    needed = ["train", "development", "test"]
    if protocol == "new-speaker":
        needed.append("unlabelled")
    for name in needed:
        if not getattr(split, name):
            raise ValueError(
                f"No recordings for {name} in the protocol {protocol!r}. Expected "
                f"several speakers with 20 or more recordings of each word. Received: "
                f"the speakers {speakers}"
            )


def at_speeds(
    recordings: Sequence[Recording], factors: Sequence[float]
) -> list[Recording]:
    """Returns copies of recordings at several speeds."""
    return [
        dataclasses.replace(r, samples=resampling.change_speed(r.samples, factor))
        if factor != 1.0
        else r
        for factor in factors
        for r in recordings
    ]


def align_recordings(
    recordings: Sequence[Recording],
    topology: hmm.Topology,
    layer: LogMel,
    seed: int,
) -> list[np.ndarray]:
    """Aligns recordings from their transcripts alone, by flat start.

    They are at a level of their own, and short: each has its own mean subtracted.

    Args:
        recordings: transcribed recordings.
        topology: of the words.
        layer: gives the features but for the mean.
        seed: of the mixtures.

    Returns:
        The state of each frame that begins inside of a recording, int32.
    """
    rng = np.random.default_rng(seed)
    waveforms = []
    for recording in recordings:
        samples = augment.unit_level(recording.samples)
        frames = num_label_frames(recording, layer.spec)
        padded = np.zeros(layer.spec.num_samples(frames), "float32")
        padded[: len(samples)] = samples[: len(padded)]
        padded += _HISS_RMS * augment.white_noise(rng, len(padded))
        waveforms.append(padded)
    layer = LogMel.from_spec(
        dataclasses.replace(layer.spec, centering="utterance", mean=None)
    )
    features = map_by_length(layer, waveforms)
    transcripts = [list(recording.words) for recording in recordings]
    return list(hmm.flat_start(features, transcripts, topology, seed=seed).alignments)


def feature_strings(
    strings: Sequence[WordString],
    layer: LogMel,
    alignments: Sequence[np.ndarray] | None = None,
    silence_state: int = 0,
) -> list[FeatureString]:
    """Computes the features of word strings, and their labels.

    Args:
        strings: word strings.
        layer: computes the features.
        alignments: states of the recordings which the strings are made of, to make
            labels; None for strings without labels.
        silence_state: label of the frames between them.

    Returns:
        One `FeatureString` for each string.
    """
    noisy = map_by_length(layer, [s.noisy for s in strings])
    clean = map_by_length(layer, [s.clean for s in strings])
    labels: list = [None] * len(strings)
    if alignments is not None:
        labels = [_string_states(s, alignments, silence_state) for s in strings]
    words = [s.words for s in strings]
    return [FeatureString(*f) for f in zip(noisy, clean, labels, words, strict=True)]


def _string_states(string, alignments, silence_state):
    states = np.full(string.num_frames, silence_state, "int32")
    for number, frame in string.parts:
        room = states[frame : frame + len(alignments[number])]
        room[:] = alignments[number][: len(room)]
    return states


def training_banks(
    split: Split,
    alignments: Sequence[np.ndarray],
    layer: LogMel,
    silence_state: int,
    sizes: tuple[int, int],
    num_banks: int,
    seed: int,
) -> tuple[list[list[FeatureString]], list[list[FeatureString]]]:
    """Makes the training strings of several epochs.

    Args:
        split: gives the transcribed and the unlabelled recordings.
        alignments: states of the transcribed ones.
        layer: computes the features.
        silence_state: see `feature_strings`.
        sizes: transcribed and unlabelled strings in a mixed bank.
        num_banks: how many banks.
        seed: of the first bank.

    Returns:
        Banks of transcribed strings alone, and as many mixed ones of the same size:
        some of the same strings, then strings of the unlabelled recordings. Where
        there are none, the two are the same.
    """
    kept, added = sizes
    banks, mixed = [], []
    for number in range(num_banks):
        strings = make_strings(
            split.train, kept + added, _seed(seed, "train", number), layer.spec
        )
        bank = feature_strings(strings, layer, alignments, silence_state)
        banks.append(bank)
        if split.unlabelled:
            strings = make_strings(
                split.unlabelled,
                added,
                _seed(seed, "unlabelled", number),
                layer.spec,
                babble=split.train,
            )
            bank = bank[:kept] + feature_strings(strings, layer)
        mixed.append(bank)
    return banks, mixed


def evaluation_strings(
    split: Split, use: str, number: int, layer: LogMel, seed: int
) -> list[FeatureString]:
    """Makes the strings for development or test.

    Args:
        split: gives the words, and for babble the training recordings.
        use: `"development"` or `"test"`.
        number: how many.
        layer: computes the features.
        seed: of everything random.

    Returns:
        Strings without labels, with their samples.
    """
    recordings = getattr(split, use)
    seed = _seed(seed, use, 0)
    strings = make_strings(recordings, number, seed, layer.spec, babble=split.train)
    strings = [  # as a converter clips them
        dataclasses.replace(s, noisy=np.clip(s.noisy, -1.0, 1.0)) for s in strings
    ]
    return [
        dataclasses.replace(features, samples=string.noisy)
        for string, features in zip(
            strings, feature_strings(strings, layer), strict=True
        )
    ]


def feature_spec(sample_rate_hz: int) -> FeatureSpec:
    """Returns the demo's features: 24 log-mel bins less a running mean.

    So a device can compute them in a stream. Where the running mean starts, and the
    variance, are for `feature_layer` to find.
    """
    return FeatureSpec(
        sample_rate_hz=sample_rate_hz,
        num_bins=24,
        low_hz=80.0,
        high_hz=min(3900.0, 0.4875 * sample_rate_hz),
        centering="running",
    )


def feature_layer(recordings: Sequence[Recording], seed: int) -> LogMel:
    """Returns the layer of `feature_spec`, adapted to noisy word strings.

    Args:
        recordings: of the training.
        seed: of the strings.

    Returns:
        The layer, with mean and variance.
    """
    layer = LogMel.from_spec(feature_spec(recordings[0].sample_rate_hz))
    seed = _seed(seed, "train", 0)  # the first strings of the first bank
    strings = make_strings(recordings, _ADAPTATION_STRINGS, seed, layer.spec)
    layer.adapt(string.noisy[None] for string in strings)
    return layer


def _seed(seed, use, bank):
    uses = ("train", "unlabelled", "development", "test")
    return int(
        np.random.SeedSequence((seed, uses.index(use), bank)).generate_state(1)[0]
    )
