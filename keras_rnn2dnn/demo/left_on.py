"""What the demo's device finds when it is left switched on, and what it invents."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.streams.day import BACKGROUNDS, joined, make_day
from keras_rnn2dnn.deploy import load_bundle
from keras_rnn2dnn.deploy.device.recognizer import DeviceRecognizer
from keras_rnn2dnn.recipe.run import RecipeRun
from keras_rnn2dnn.recipe.split import Split
from keras_rnn2dnn.recognition.hearing import detections
from keras_rnn2dnn.report.table import aligned
from keras_rnn2dnn.scoring.detections import (
    detection_curve,
    reported,
    score_detections,
)
from keras_rnn2dnn.scoring.thresholds import best_point
from keras_rnn2dnn.util.files import new_file

FILE = "left_on.json"
ALLOWED = 20.0  # false words an hour in the stream of development: one in three minutes
_PAUSE_S = (0.3, 10.0)
_SUMS = ("minutes", "words", "hits", "substitutions", "misses", "false_words")
_HEADER = ("left switched on, device arithmetic", "minutes", "words", "hits")
_HEADER += ("another word", "missed", "false words an hour", "told after its end")


def left_on_rows(
    run: RecipeRun, speech: Mapping[str, Sequence[Recording]], block_s: float
) -> list[dict]:
    """Lets the bundle of a run hear minutes of its test: one stream, never reset.

    Args:
        run: whose bundle hears; what was measured is one of its finished steps.
        speech: other speech that is heard in `development` and in `test`.
        block_s: seconds of each background.

    Returns:
        A row without a threshold, and one at that which leaves few false words in
        another stream, of the development.
    """
    kept = run.steps.result("left_on")
    if kept is not None:
        return kept
    recognizer = load_bundle(run.bundle).recognizer
    heard = {
        use: _heard(recognizer, run.split, use, speech.get(use, ()), block_s, run.seed)
        for use in ("development", "test")
    }
    chosen = best_point(detection_curve(*heard["development"]), ALLOWED).threshold
    rows = [_row(*heard["test"], None)]
    rows.append(_row(*heard["test"], -np.inf if chosen is None else chosen))
    run.steps.finish("left_on", rows)
    return rows


def _heard(
    recognizer: DeviceRecognizer,
    split: Split,
    use: str,
    speech: Sequence[Recording],
    block_s: float,
    seed: int,
):
    """Returns what is said in a stream, what is found in it, and its milliseconds."""
    spec, blocks = recognizer.spec, len(BACKGROUNDS)
    blocks = make_day(
        getattr(split, use),
        [],
        speech,
        blocks * block_s / 3600,
        seed,
        spec,
        block_s,
        _PAUSE_S,
    )
    pcm, words = joined(blocks, spec.sample_rate_hz)
    found = detections(recognizer, recognizer.logits(pcm), len(pcm))
    return words, found, 1000 * len(pcm) / spec.sample_rate_hz


def _row(words, found, duration_ms, threshold):
    kept = reported(found, threshold)
    score = score_detections(words, kept, duration_ms)
    return {
        "threshold": threshold is not None,
        "minutes": duration_ms / 60_000,
        "words": score.words,
        "hits": score.hits,
        "substitutions": score.substitutions,
        "misses": score.misses,
        "false_words": len(score.false_words) + score.substitutions,
        "latencies_ms": [round(ms) for ms in score.latencies_ms],
    }


def pooled(folds: Sequence[Sequence[dict]]) -> list[dict]:
    """Adds the rows of several folds."""
    rows = []
    for same in zip(*folds, strict=True):
        row = {"threshold": same[0]["threshold"]}
        row |= {name: sum(one[name] for one in same) for name in _SUMS}
        row["latencies_ms"] = [ms for one in same for ms in one["latencies_ms"]]
        rows.append(row)
    return rows


def write(directory: Path, rows: Sequence[dict]) -> None:
    """Writes `left_on.json`."""
    with new_file(directory / FILE) as path:
        path.write_text(json.dumps(list(rows), indent=2) + "\n")


def read_markdown(directory: str | Path) -> str:
    """Returns the table of the rows in a directory; "" where there are none."""
    path = Path(directory) / FILE
    return to_markdown(json.loads(path.read_text())) if path.is_file() else ""


def to_markdown(rows: Sequence[dict]) -> str:
    """Returns the rows as an aligned table."""
    return aligned([_HEADER, *map(_cells, rows)])


def _cells(row):
    def share(name):
        return f"{100 * row[name] / row['words']:.1f} %" if row["words"] else "-"

    title = "every word"
    if row["threshold"]:
        title = f"threshold for {ALLOWED:g} an hour in development"
    late, hours = row["latencies_ms"], row["minutes"] / 60
    return (
        title,
        f"{row['minutes']:.3g}",
        str(row["words"]),
        *map(share, ("hits", "substitutions", "misses")),
        f"{row['false_words'] / hours:,.0f}",
        f"{np.median(late):.0f} ms" if late else "-",
    )
