"""Runs the demo: the recipe on each fold, and the table of all of them."""

import dataclasses
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from keras_rnn2dnn.audio.corpora.recordings import Recording, write_wav
from keras_rnn2dnn.demo import left_on
from keras_rnn2dnn.demo.data import folds_of, split_recordings
from keras_rnn2dnn.demo.other_speech import other_speech
from keras_rnn2dnn.demo.plan import FULL, LEFT_ON, Plan
from keras_rnn2dnn.recipe.measured import MeasuredRun
from keras_rnn2dnn.recipe.run import RecipeRun
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.report import table
from keras_rnn2dnn.util.files import Audio, new_file
from keras_rnn2dnn.util.progress import StageProgress

_OTHER_SPEECH = {"train": 150, "development": 40, "test": 40}  # recordings
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
    plan: Plan = FULL,
    on_row: Callable[[str, dict, StageProgress], None] | None = None,
) -> list[dict]:
    """Distils a recurrent teacher into a small student and measures what it brings.

    A run that was stopped goes on when it is called again with the same arguments: what
    is finished is not done again, and a training goes on after its last whole epoch.

    Writes under `out`: `table.json`, `table.md` and `run.json` (its folds); for each
    fold a directory with the models, the decoder of each (`student.decoder.json`), the
    firmware bundle (`bundle/`), `features.json`, the strings (`calibration.npz`,
    `development.npz`, `test.npz`, `test_audio.npz`), the first one of the test to
    listen to (`example.wav`), what each system recognised (`hypotheses.json`), the
    course of the training (`history.json`, and `tensorboard/` for TensorBoard), the
    fold's own table, what its device finds when it is left switched on
    (`left_on.json`, as beside `table.json`), and what a later call goes on from
    (`steps/`).

    Args:
        recordings: of single words by several speakers.
        out: directory of the results.
        protocol: `"new-speaker"` or `"official"`; see `demo.data.split_recordings`.
        speaker: see `folds_of`.
        seed: of everything random.
        recipe: sizes and settings; those of the plan by default.
        synthetic: whether the speech is synthetic; it is said in the table.
        keep_alignments: whether the store of soft alignments that the distilled student
            learns from stays, in `student.align`.
        plan: how much is done.
        on_row: called with the name of the fold, "" if there is but one, the row of a
            system as soon as it is there, and the progress; in any thread. What
            compares the system with others may be None in the row.

    Returns:
        The rows of `table.json`: of all folds together.

    Raises:
        ValueError: if protocol or speaker are unknown, or there are too few
            recordings.
        OSError: if `out` cannot be written.
    """
    out = Path(out)
    if recipe is not None:
        plan = dataclasses.replace(plan, recipe=recipe)
    folds = folds_of(recordings, protocol, speaker, synthetic)
    splits = [split_recordings(recordings, protocol, held) for held in folds]
    names = [_fold_name(held) for held in folds]
    titles = names if len(folds) > 1 else [""]
    progress = _progress(plan, splits, titles)
    for name in names:  # what cannot be written is known before the training
        (out / name).mkdir(parents=True, exist_ok=True)
    outputs, left = [], []
    for held, split, name, title in zip(folds, splits, names, titles, strict=True):
        speech = _other_speech(split, seed) if synthetic else {}
        if plan.recipe.streams:
            split = dataclasses.replace(split, other_speech=speech.get("train", ()))
        given = plan.recipe, seed, progress, title, keep_alignments
        run = RecipeRun(split, out / name, *given)
        tell = _tell(on_row, title, progress)
        outputs.append(MeasuredRun(run, plan.trained, tell).outputs())
        progress.start(_stage(title, LEFT_ON))
        left.append(left_on.left_on_rows(run, speech, plan.block_s))
        progress.finish()
        table.write_hypotheses(out / name, outputs[-1])
        _write_example(out / name)
        heading = _title(protocol, held, synthetic, seed, plan)
        _write(out / name, heading, table.table_rows(outputs[-1]), left[-1])
    held = [name for fold in folds for name in fold]
    rows = table.table_rows(table.pooled(outputs))
    heading = _title(protocol, held, synthetic, seed, plan)
    _write(out, heading, rows, left_on.pooled(left))
    with new_file(out / "run.json") as path:
        path.write_text(json.dumps({"title": heading, "folds": names}, indent=2) + "\n")
    return rows


def _other_speech(split, seed):
    """Returns other speech by its use, of the voices that say the words."""
    return {
        use: other_speech(
            split.vocabulary,
            sorted({r.speaker for r in getattr(split, use)}),
            count,
            seed,
            use,
        )
        for use, count in _OTHER_SPEECH.items()
    }


def _write(directory, heading, rows, left):
    """Writes what the page and the table are made of."""
    left_on.write(directory, left)
    table.write_table(directory, heading, rows, left_on.to_markdown(left))


def _stage(title, stage):
    return f"{title}: {stage}" if title else stage


def _progress(plan, splits, titles):
    seconds = {
        _stage(title, stage): expected
        for split, title in zip(splits, titles, strict=True)
        for stage, expected in plan.stages(len(split.train)).items()
    }
    return StageProgress(len(seconds), seconds=seconds)


def _tell(on_row, title, progress):
    """Returns what makes rows of outputs, which come one after the other."""
    found = []

    def tell(output):
        found.append(output)
        on_row(title, table.table_rows(found)[-1], progress)

    return tell if on_row else None


def _write_example(folder):
    """Writes the first string of the test, to listen to and to recognise."""
    audio = Audio.load(folder / "test_audio.npz")
    samples = audio.samples[0].astype("float32") / 32768
    write_wav(folder / "example.wav", samples, audio.sample_rate_hz)


def _fold_name(held):
    """Returns the name of a directory: a speaker's may be any, such as `../x`."""
    if len(held) > 1:
        return "new-voices"
    name = _NO_NAME.sub(lambda found: f"%{ord(found[0]):02X}", "".join(held))
    if name and not name.strip("."):
        return name.replace(".", "%2E")
    return name or "official"


def _title(protocol, held, synthetic, seed, plan):
    source = "SYNTHETIC speech (espeak-ng)" if synthetic else "real recordings"
    heard = f", new: {', '.join(held)}" if held else ""
    said = f"Connected words, {source}; protocol {protocol}{heard}; seed {seed}."
    return f"{said} {plan.less(synthetic)}".rstrip()
