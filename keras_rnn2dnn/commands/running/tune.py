"""`rnn2dnn tune`: the threshold of a bundle."""

import argparse
import dataclasses
import json
import math
import sys
from pathlib import Path

from keras_rnn2dnn.commands.running import inputs
from keras_rnn2dnn.commands.terminal import say
from keras_rnn2dnn.deploy import load_bundle
from keras_rnn2dnn.deploy.threshold import (
    check_tunable,
    measured_curve,
    write_threshold,
)
from keras_rnn2dnn.report.thresholds import picture
from keras_rnn2dnn.scoring.thresholds import ThresholdPoint, best_point
from keras_rnn2dnn.util.errors import invalid
from keras_rnn2dnn.util.files import new_file

_MOST_ROWS = 12
_NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'  # of a picture that is a file


def run(options: argparse.Namespace) -> None:
    """Chooses a threshold, and writes it into the bundle."""
    wanted = options.false_per_hour
    if not (math.isfinite(wanted) and wanted >= 0):
        raise ValueError(invalid("--false-per-hour", "a number >= 0", wanted))
    recognizer = load_bundle(options.bundle).recognizer
    check_tunable(recognizer)
    rate, spoken, references = recognizer.spec.sample_rate_hz, (), ()
    other = inputs.audio(options.other, rate, options.strict).samples
    if options.data:
        given = options.data, rate, options.strict, options.normalisation
        spoken, references = inputs.spoken_audio(*given)
    curve = measured_curve(recognizer, other, spoken, references)
    point, hours = best_point(curve, wanted), sum(map(len, other)) / rate / 3600
    rows, chosen = [dataclasses.asdict(p) for p in curve], dataclasses.asdict(point)
    found = json.dumps({"hours": hours, "chosen": chosen, "curve": rows}, indent=2)
    if options.json:
        say(found)
    else:
        say(table(curve, point))
    if 1 / hours > wanted:
        sys.stderr.write(
            f"{hours:.2g} hours of other recordings: one false word in them is more "
            f"than {wanted:g} an hour. Give more of them\n"
        )
    if options.plot:
        with new_file(options.plot) as file:
            drawn = picture(curve, point)
            file.write_text(drawn.replace("<svg", f"<svg {_NAMESPACE}", 1))
    if not options.dry_run:
        write_threshold(options.bundle, point.threshold)
        bundle = Path(options.bundle).resolve()
        with new_file(bundle.with_name(f"{bundle.name}.threshold.json")) as file:
            file.write_text(f"{found}\n")
        shown = "none" if point.threshold is None else f"{point.threshold:.3f} nats"
        sys.stderr.write(f"{options.bundle} has the threshold {shown} now\n")


def table(curve: list[ThresholdPoint], chosen: ThresholdPoint) -> str:
    """Returns a few points of a curve as lines, the chosen one marked."""
    step = max(1, -(-len(curve) // _MOST_ROWS))
    shown = [
        p for n, p in enumerate(curve) if n % step == 0 or p in (chosen, curve[-1])
    ]
    lines = ["threshold  false words an hour  missed"]
    for p in shown:
        threshold = "none" if p.threshold is None else f"{p.threshold:.3f}"
        missed = "unknown" if p.missed is None else f"{p.missed:.1%}"
        mark = "  chosen" if p == chosen else ""
        lines.append(f"{threshold:>9}  {p.false_per_hour:>19,.2f}  {missed:>7}{mark}")
    return "\n".join(lines)
