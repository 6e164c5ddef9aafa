"""Runs the demo: trains, converts, decodes and compares."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from keras_rnn2dnn.audio.corpora.recordings import (
    DIGITS,
    Recording,
    read_fsdd,
    synthetic_recordings,
)
from keras_rnn2dnn.recipe.run import NUM_STAGES, Fold
from keras_rnn2dnn.recipe.strings import split_recordings
from keras_rnn2dnn.recipe.student import Recipe
from keras_rnn2dnn.report import table
from keras_rnn2dnn.util.errors import invalid
from keras_rnn2dnn.util.files import new_file
from keras_rnn2dnn.util.progress import StageProgress

_NO_NAME = re.compile(r"[/\\\0-\x1f:%]")  # in the name of a directory
_SYNTHETIC_VOICES, _SYNTHETIC_NEW_VOICES, _SYNTHETIC_REPETITIONS = 12, 4, 40


def demo_recordings(
    directory: str | Path | None = None,
    words: Sequence[str] | None = None,
    seed: int = 0,
) -> list[Recording]:
    """Returns the demo's recordings: real ones, or speech synthesised on the spot.

    Args:
        directory: of the Free Spoken Digit Dataset; None for synthetic speech.
        words: vocabulary; the English digits by default.
        seed: of the synthesis.

    Returns:
        Recordings of single words.

    Raises:
        ImportError: if speech is to be synthesised and espeak-ng is missing.
        ValueError: if a word does not occur in the recordings.
    """
    if directory is None:
        return synthetic_recordings(
            words or DIGITS,
            num_voices=_SYNTHETIC_VOICES,
            repetitions=_SYNTHETIC_REPETITIONS,
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


def run_demo(
    recordings: Sequence[Recording],
    out: str | Path,
    protocol: str = "new-speaker",
    speaker: str | None = None,
    seed: int = 0,
    recipe: Recipe | None = None,
    synthetic: bool = False,
    keep_alignments: bool = False,
) -> list[dict]:
    """Distils a recurrent teacher into a small student and measures what it brings.

    Writes under `out`: `table.json`, `table.md` and `run.json` (its folds); for each
    fold a directory with the models, the decoder of each (`student.decoder.json`), the
    firmware bundle (`bundle/`), `features.json`, the strings (`calibration.npz`,
    `development.npz`, `test.npz`, `test_audio.npz`), what each system recognised
    (`hypotheses.json`), the course of the training (`history.json`, and `tensorboard/`
    for TensorBoard) and the fold's own table.

    Args:
        recordings: of single words by several speakers.
        out: directory of the results.
        protocol: `"new-speaker"` or `"official"`; see `demo.data.split_recordings`.
        speaker: see `folds_of`.
        seed: of everything random.
        recipe: sizes and settings.
        synthetic: whether the speech is synthetic; it is said in the table.
        keep_alignments: whether the store of soft alignments that the distilled student
            learns from stays, in `student.align`.

    Returns:
        The rows of `table.json`: of all folds together.

    Raises:
        ValueError: if protocol or speaker are unknown, or there are too few
            recordings.
        OSError: if `out` cannot be written.
    """
    out, recipe = Path(out), recipe or Recipe()
    folds = folds_of(recordings, protocol, speaker, synthetic)
    splits = [split_recordings(recordings, protocol, held) for held in folds]
    progress = StageProgress((NUM_STAGES - 1 + recipe.rounds) * len(folds))
    for held in folds:  # what cannot be written is known before the training
        (out / _fold_name(held)).mkdir(parents=True, exist_ok=True)
    outputs = []
    for held, split in zip(folds, splits, strict=True):
        name = _fold_name(held)
        several = len(folds) > 1
        fold = Fold(split, out / name, seed, recipe, progress, several, keep_alignments)
        outputs.append(fold.run())
        table.write_hypotheses(out / name, outputs[-1])
        rows = table.table_rows(outputs[-1])
        table.write_table(out / name, _title(protocol, held, synthetic, seed), rows)
    held = [name for fold in folds for name in fold]
    rows = table.table_rows(table.pooled(outputs))
    title = _title(protocol, held, synthetic, seed)
    table.write_table(out, title, rows)
    with new_file(out / "run.json") as path:
        run = {"title": title, "folds": [_fold_name(held) for held in folds]}
        path.write_text(json.dumps(run, indent=2) + "\n")
    return rows


def _fold_name(held):
    """Returns the name of a directory: a speaker's may be any, such as `../x`."""
    name = _NO_NAME.sub(lambda found: f"%{ord(found[0]):02X}", "+".join(held))
    if name and not name.strip("."):
        return name.replace(".", "%2E")
    return name or "official"


def _title(protocol, held, synthetic, seed):
    source = "SYNTHETIC speech (espeak-ng)" if synthetic else "real recordings"
    heard = f", new: {', '.join(held)}" if held else ""
    return f"Connected words, {source}; protocol {protocol}{heard}; seed {seed}."
