"""Runs the demo: the recipe on each fold, and the table of all of them."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.demo.data import folds_of, split_recordings
from keras_rnn2dnn.recipe.measured import MeasuredRun
from keras_rnn2dnn.recipe.run import RecipeRun, num_stages
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.report import table
from keras_rnn2dnn.util.files import new_file
from keras_rnn2dnn.util.progress import StageProgress

_NO_NAME = re.compile(r"[/\\\0-\x1f:%]")  # in the name of a directory


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

    A run that was stopped goes on when it is called again with the same arguments: what
    is finished is not done again, and a training goes on after its last whole epoch.

    Writes under `out`: `table.json`, `table.md` and `run.json` (its folds); for each
    fold a directory with the models, the decoder of each (`student.decoder.json`), the
    firmware bundle (`bundle/`), `features.json`, the strings (`calibration.npz`,
    `development.npz`, `test.npz`, `test_audio.npz`), what each system recognised
    (`hypotheses.json`), the course of the training (`history.json`, and `tensorboard/`
    for TensorBoard), the fold's own table, and what a later call goes on from
    (`steps/`).

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
    progress = StageProgress(num_stages(recipe) * len(folds))
    for held in folds:  # what cannot be written is known before the training
        (out / _fold_name(held)).mkdir(parents=True, exist_ok=True)
    outputs = []
    for held, split in zip(folds, splits, strict=True):
        name = _fold_name(held)
        title = name if len(folds) > 1 else ""
        given = recipe, seed, progress, title, keep_alignments
        run = RecipeRun(split, out / name, *given)
        outputs.append(MeasuredRun(run).outputs())
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
