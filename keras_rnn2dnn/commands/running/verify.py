"""`rnn2dnn verify`: proves a firmware bundle."""

import argparse
import json

from keras_rnn2dnn.commands.running import inputs
from keras_rnn2dnn.commands.terminal import GREEN, RED, YELLOW, say, say_coloured
from keras_rnn2dnn.deploy import load_bundle, verify
from keras_rnn2dnn.util.progress import StageProgress

_COLOURS = {"passed": GREEN, "FAILED": RED, "NOT RUN": YELLOW}


def run(options: argparse.Namespace) -> int:
    """Verifies a bundle; returns the exit code."""
    recordings = ()
    if options.recordings:
        spec = load_bundle(options.bundle).report["feature_spec"] or {}
        rate = spec.get("sample_rate_hz")
        recordings = inputs.audio(options.recordings, rate, options.strict).samples
    progress = StageProgress(num_stages=1)
    progress.start(f"verify {options.bundle}")
    found = verify(
        options.bundle,
        recordings,
        on_progress=lambda _, share: progress.update(share),
        stream_s=60 * options.minutes,
    )
    progress.finish()
    if options.json:
        say(json.dumps(found.to_dict(), indent=2))
    else:
        say_coloured(str(found), _COLOURS)
    return 0 if found.verdict == "verified" else 1
