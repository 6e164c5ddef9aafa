"""Whose recordings the demo is of, and who of them is heard when."""

from collections.abc import Sequence
from pathlib import Path

from keras_rnn2dnn.audio.corpora.recordings import (
    DIGITS,
    Recording,
    read_fsdd,
    synthetic_recordings,
)
from keras_rnn2dnn.demo.plan import FULL, Plan
from keras_rnn2dnn.recipe.split import Split
from keras_rnn2dnn.util.errors import invalid

PROTOCOLS = ("new-speaker", "official")
_SYNTHETIC_NEW_VOICES = 4


def demo_recordings(
    directory: str | Path | None = None,
    words: Sequence[str] | None = None,
    seed: int = 0,
    plan: Plan = FULL,
) -> list[Recording]:
    """Returns the demo's recordings: real ones, or speech synthesised on the spot.

    Args:
        directory: of the Free Spoken Digit Dataset; None for synthetic speech.
        words: vocabulary; the English digits by default.
        seed: of the synthesis.
        plan: how much of it.

    Returns:
        Recordings of single words.

    Raises:
        ImportError: if speech is to be synthesised and espeak-ng is missing.
        ValueError: if a word does not occur in the recordings.
    """
    if directory is None:
        return synthetic_recordings(
            words or DIGITS,
            num_voices=plan.voices,
            repetitions=plan.repetitions,
            seed=seed,
        )
    recordings = read_fsdd(directory)
    known = {word for recording in recordings for word in recording.words}
    unknown = sorted(set(words or ()) - known)
    if unknown:
        raise ValueError(invalid("words", f"words among {sorted(known)}", unknown))
    return [r for r in recordings if not words or set(r.words) <= set(words)]


def folds_of(
    recordings: Sequence[Recording], protocol: str, speaker: str | None, synthetic: bool
) -> list[tuple[str, ...]]:
    """Returns the held-out speakers of each fold.

    Args:
        recordings: of all speakers.
        protocol: `"official"` or `"new-speaker"`.
        speaker: name, `"all"` for every one in turn, or None for the default: the
            first in alphabetical order, of synthetic voices the last four together.
        synthetic: whether the voices are synthetic.

    Raises:
        ValueError: if the speaker is unknown.
    """
    speakers = sorted({recording.speaker for recording in recordings})
    if protocol == "official":
        return [()]
    if speaker == "all":
        return [(name,) for name in speakers]
    if speaker is None:
        return [tuple(speakers[-_SYNTHETIC_NEW_VOICES:] if synthetic else speakers[:1])]
    if speaker not in speakers:
        raise ValueError(invalid("speaker", f"one of {speakers} or 'all'", speaker))
    return [(speaker,)]


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
