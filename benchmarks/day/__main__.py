"""What a device that is left switched on finds in hours of audio, and what it invents.

Trains a student on streams, converts it, chooses on a day of development speakers a
threshold for each number of false words an hour that is allowed, and lets the bundle
hear a day of test speakers with it: the integers of the device, in numpy and in C.

Can be stopped and called again; what is finished in --out is kept. With --bundle
another bundle hears the days in the place of a trained one, such as a keyword spotter.
"""

import argparse
import dataclasses
import math
from pathlib import Path

from benchmarks.day.hearing import detections
from benchmarks.day.tasks import read_task
from keras_rnn2dnn.audio.streams.day import BACKGROUNDS, make_day
from keras_rnn2dnn.deploy import load_bundle
from keras_rnn2dnn.recipe import Recipe, RecipeRun
from keras_rnn2dnn.scoring.detections import (
    detection_curve,
    reported,
    score_detections,
)
from keras_rnn2dnn.scoring.thresholds import best_point
from keras_rnn2dnn.util.progress import StageProgress

ALLOWED = (0.5, 1.0, 10.0, math.inf)  # false words an hour; inf: without a threshold
QUICK = {
    "transcribed_strings": 150,
    "unlabelled_strings": 0,
    "teacher_epochs": 3,
    "student_epochs": 3,
}
QUICK |= {"num_banks": 1, "development_strings": 20, "speeds": (1.0,), "rounds": 1}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--task", choices=["digits", "commands", "keywords"], required=True
    )
    parser.add_argument("--data", type=Path, required=True, help="recordings of words")
    parser.add_argument("--other", type=Path, required=True, help="other speech")
    parser.add_argument("--out", type=Path, help="of the results")
    parser.add_argument(
        "--bundle", type=Path, help="hears the days; nothing is trained then"
    )
    parser.add_argument("--hours", type=float, default=3.5, help="of either day")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--units", default="128,128", help="of the student")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--quick", action="store_true", help="minutes: too little of all"
    )
    options = parser.parse_args()
    if (options.out is None) == (options.bundle is None):
        parser.error("expected --out, or --bundle")
    task = read_task(options.task, options.data, options.other)
    directory, heading = options.bundle, f"bundle {options.bundle}"
    if directory is None:
        directory, heading = _trained(task, options)
    hear_days(task, directory, heading, options)


def _trained(task, options):
    """Trains a student by the recipe; returns its bundle, and what it is."""
    recipe = Recipe(
        teacher_epochs=options.epochs,
        student_epochs=options.epochs,
        student_units=tuple(map(int, options.units.split(","))),
        test_strings=200,
        agreed_by="itself",
    )
    if options.quick:
        recipe = dataclasses.replace(recipe, **QUICK, test_strings=20)
    run = RecipeRun(task.split, options.out, recipe, options.seed, StageProgress(14))
    units = "-".join(map(str, recipe.student_units))
    heading = f"student {units}, {recipe.student_epochs} epochs, seed {options.seed}"
    return run.bundle, heading


def hear_days(task, directory, heading, options):
    """Lets a bundle hear both days, and prints the tables."""
    bundle = load_bundle(directory)
    days = {}
    for number, use in enumerate(("development", "test")):
        blocks = make_day(
            getattr(task.split, use),
            getattr(task, f"{use}_others"),
            getattr(task, f"{use}_speech"),
            options.hours,
            options.seed + number,
            bundle.recognizer.spec,
        )
        days[use] = blocks, detections(bundle, directory, blocks)
    print_tables(bundle, days, heading, options)


def print_tables(bundle, days, heading, options):
    """Prints what is found at each threshold, and by background."""
    suppress_ms = bundle.recognizer.decoder.reporting.suppress_ms
    spec = bundle.recognizer.spec
    joined = _joined(*days["development"], spec)
    curve = detection_curve(*joined, suppress_ms=suppress_ms)
    blocks, found = days["test"]
    words = sum(len(block.words) for block in blocks)
    print(
        f"Task {options.task}, {heading}, {bundle.report['bytes']:,} bytes; "
        f"{options.hours:g} hours with {words} words of test speakers\n"
    )
    print(
        "| false words an hour: allowed on development | found on test | hits | ",
        end="",
    )
    print("another word | missed | latency, median | 99 % |\n" + "|---:" * 7 + "|")
    for allowed in ALLOWED:
        least = allowed < math.inf
        threshold = best_point(curve, allowed).threshold if least else None
        shown = "none" if threshold is None else f"{threshold:.2f}"
        kept = _reported(found, threshold, suppress_ms)
        spoken, kept, duration = _joined(blocks, kept, spec)
        score = score_detections(spoken, kept, duration)
        cells = [
            f"{allowed:g} (threshold {shown})" if least else "any",
            f"{score.false_per_hour:.1f}",
            *_shares(score),
            *(f"{score.latency_ms(p):.0f} ms" for p in (50, 99)),
        ]
        print("|", " | ".join(cells), "|")
    threshold = best_point(curve, 1.0).threshold
    print(
        "\n| background, at 1 an hour | words | hits | another word | missed |", end=""
    )
    print(" false words an hour |\n|---|" + "---:|" * 5)
    for kind in BACKGROUNDS:
        places = [n for n, block in enumerate(blocks) if block.background == kind]
        if not places:
            continue
        kept = _reported([found[n] for n in places], threshold, suppress_ms)
        score = score_detections(*_joined([blocks[n] for n in places], kept, spec))
        cells = [kind, str(score.words), *_shares(score), f"{score.false_per_hour:.1f}"]
        print("|", " | ".join(cells), "|")


def _shares(score):
    counts = score.hits, score.substitutions, score.misses
    if not score.words:
        return ["-"] * 3
    return [f"{100 * count / score.words:.1f} %" for count in counts]


def _reported(found, threshold, suppress_ms):
    return [reported(block, threshold, suppress_ms) for block in found]


def _joined(blocks, found, spec):
    """Returns words and detections on one axis of time, and its length."""
    spoken, kept, start = [], [], 0.0
    for block, detected in zip(blocks, found, strict=True):
        spoken += [word.later(start) for word in block.words]
        kept += [word.later(start) for word in detected]
        start += 1000 * len(block.pcm) / spec.sample_rate_hz
    return spoken, kept, start


if __name__ == "__main__":
    main()
