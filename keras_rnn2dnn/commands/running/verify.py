"""`rnn2dnn verify`: proves a firmware bundle."""

import json

from keras_rnn2dnn.commands.parser import add_command, add_strict, say
from keras_rnn2dnn.commands.running import inputs
from keras_rnn2dnn.deploy import load_bundle, verify
from keras_rnn2dnn.util.progress import StageProgress


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "verify",
        _run,
        "Prove that a firmware bundle computes what Python computes, to the bit: on "
        "this host and on emulated Cortex-M0, M3, M4F and M55, and RISC-V.",
        "rnn2dnn verify bundle --recordings test_audio.npz",
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="directory of `convert`")
    parser.add_argument(
        "--recordings",
        metavar="AUDIO",
        help="further PCM that every build must recognise as Python does: audio of any "
        "rate, or an .npz file of `samples`",
    )
    add_strict(parser)
    parser.add_argument(
        "--json", action="store_true", help="print all outcomes as JSON"
    )


def _run(options):
    recordings = ()
    if options.recordings:
        spec = load_bundle(options.bundle).report["feature_spec"] or {}
        rate = spec.get("sample_rate_hz")
        recordings = inputs.audio(options.recordings, rate, options.strict).samples
    progress = StageProgress(num_stages=1)
    progress.start(f"verify {options.bundle}")
    found = verify(
        options.bundle, recordings, on_progress=lambda _, share: progress.update(share)
    )
    progress.finish()
    say(json.dumps(found.to_dict(), indent=2) if options.json else str(found))
    return 0 if found.verdict == "verified" else 1
