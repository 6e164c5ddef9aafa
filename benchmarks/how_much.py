"""How much must be recorded: speakers and recordings of a word against word errors.

    python benchmarks/how_much.py ../shared/commands --words yes no up down --out out

For each number of speakers, and of recordings of each word by each of them, teacher and
student learn on these alone, with labels as heard; the strings that are recognised are
the same for all, of speakers whom none has heard. Every row is printed as soon as it is
measured; a run that was stopped goes on. It has no notion of int8: that costs nothing.
"""

import argparse
import dataclasses
import io
import json
from pathlib import Path

import numpy as np

from keras_rnn2dnn import word_error_rate
from keras_rnn2dnn.audio.word_strings import StringOptions
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.recipe import Recipe, RecipeRun
from keras_rnn2dnn.recipe.from_corpus.parts import read_parts
from keras_rnn2dnn.report.svg import OKABE_ITO, Plot
from keras_rnn2dnn.util.progress import StageProgress

_OF_FILES = 'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="12"'
GRID = "18x10 18x3 18x1 6x10 2x10"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", metavar="CORPUS", help="as of `rnn2dnn train`")
    parser.add_argument("--out", required=True, metavar="OUT")
    parser.add_argument("--words", nargs="+", metavar="WORD")
    parser.add_argument("--grid", default=GRID, help=f"SPEAKERSxTIMES; default: {GRID}")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--strings", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--svg", metavar="FILE", help="where the curve is drawn")
    options = parser.parse_args()
    parts = read_parts(options.corpus, options.words, seed=options.seed)
    if not parts.split.by_speaker:
        parser.error("the speakers of the corpus are not known")
    recipe = Recipe(
        features="running mean",
        streams=None,
        transcribed_strings=options.strings,
        unlabelled_strings=0,
        rounds=1,
        teacher_epochs=options.epochs,
        student_epochs=options.epochs,
        development_strings=120,
        test_strings=200,
        strings=StringOptions(active_level=True),
    )
    print(f"{parts.told[-1]}; {len(parts.split.vocabulary)} words")
    print(
        f"{recipe.student_epochs} epochs of {options.strings} strings, "
        f"seed {options.seed}"
    )
    print("speakers  of each  of a word   teacher errors   student errors   words")
    rows = []
    for pair in options.grid.split():
        speakers, times = map(int, pair.split("x"))
        split = some(parts.split, speakers, times, options.seed)
        out = Path(options.out, pair)
        out.mkdir(parents=True, exist_ok=True)
        progress = StageProgress(99, io.StringIO())
        run = RecipeRun(split, out, recipe, options.seed, progress)
        rows.append({"speakers": speakers, "times": times, **errors(run)})
        print(line(rows[-1]), flush=True)
    if options.svg:
        Path(options.svg).write_text(curve(rows) + "\n")


def some(split, speakers, times, seed):
    """Returns the split with few speakers in its training, and few words of each."""
    names = sorted({r.speaker for r in split.train})
    if speakers > len(names):
        raise SystemExit(f"{speakers} speakers were asked for, of {len(names)}")
    chosen = np.random.default_rng(seed).permutation(names)[:speakers]
    kept = [r for r in split.train if r.speaker in chosen and r.index < times]
    return dataclasses.replace(split, train=kept)


def errors(run):
    """Returns the errors of teacher and student, or what was found before."""
    if (kept := run.steps.result("errors")) is not None:
        return kept
    found = {}
    for name in ("teacher", "distilled"):
        trained = getattr(run, name)
        strings = run.material.test
        logits = predict_utterances(trained.model, [s.noisy for s in strings])
        rate = word_error_rate([s.words for s in strings], trained.decoder(logits))
        found |= {name: rate.errors, "words": rate.words}
    run.steps.finish("errors", found)
    return json.loads(json.dumps(found))


def line(row):
    """Returns a row of the table."""
    text = (
        f"{row['speakers']:>8} {row['times']:>8} {row['speakers'] * row['times']:>10}"
    )
    for name in ("teacher", "distilled"):
        share = 100 * row[name] / row["words"]
        text += f"{row[name]:>9} {share:5.1f} %"
    return f"{text}{row['words']:>8}"


def curve(rows):
    """Draws the student's errors by the recordings of a word; a line for speakers."""
    points = {}
    for row in rows:
        place = row["speakers"] * row["times"], 100 * row["distilled"] / row["words"]
        points.setdefault(row["speakers"], []).append(place)
    every = [place for places in points.values() for place in places]
    plot = Plot(
        (0, max(x for x, _ in every)),
        (0, 1.1 * max(y for _, y in every)),
        "recordings of each word (lines: " + ", ".join(map(str, points)) + " speakers)",
        "% of the words wrong",
    )
    for places, colour in zip(points.values(), OKABE_ITO.values(), strict=False):
        plot.line(sorted(places), colour, dots=True)
    picture = plot.picture("Word errors by recordings of each word, and by speakers")
    head, _, rest = picture.partition(">")
    return f'{head} {_OF_FILES}><rect width="100%" height="100%" fill="#fff"/>{rest}'


if __name__ == "__main__":
    main()
