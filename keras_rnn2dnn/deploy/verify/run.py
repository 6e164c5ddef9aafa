"""`verify`: proves that a bundle computes on a device what it computes in Python."""

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np

from keras_rnn2dnn.deploy.golden import int16_pcm
from keras_rnn2dnn.deploy.loading import load_bundle
from keras_rnn2dnn.deploy.toolchain import Workbench
from keras_rnn2dnn.deploy.verify import (
    costs,
    feature_accuracy,
    figures,
    mutations,
    normalized,
    outputs,
    stream,
)
from keras_rnn2dnn.deploy.verify.outcome import FAILED, NOT_RUN, Outcome, not_in_bundle
from keras_rnn2dnn.deploy.verify.summary import last_line
from keras_rnn2dnn.util.errors import invalid

_OF_NETWORK = (
    outputs.tflite_outputs,
    outputs.network_outputs,
    costs.memory_safety,
    costs.symbols,
    costs.core_costs,
    mutations.mutations,
)
_OF_RECOGNIZER = (
    feature_accuracy.against_formula,
    normalized.clip_accuracy,
    outputs.feature_bits,
    outputs.recognized_words,
)
# They begin first.
_LONGEST = ("stream_events", "recognized_words", "network_outputs", "feature_bits")
_STREAM_S = 600.0


@dataclasses.dataclass(frozen=True)
class Verification:
    """What `verify` found; printed, it is a table.

    Args:
        outcomes: of every stage.
    """

    outcomes: tuple[Outcome, ...]

    @property
    def verdict(self) -> str:
        """`"verified"`, `"FAILED"`, or `"not verified"` where a stage was not run."""
        if FAILED in {o.status for o in self.outcomes}:
            return FAILED
        lacking = any(o.status == NOT_RUN and not o.optional for o in self.outcomes)
        return "not verified" if lacking else "verified"

    def to_dict(self) -> dict:
        """Returns verdict and outcomes, for JSON."""
        outcomes = [dataclasses.asdict(outcome) for outcome in self.outcomes]
        return {"verdict": self.verdict, "outcomes": outcomes}

    def __str__(self) -> str:
        wide = max(len(o.stage) for o in self.outcomes)
        lines = [f"{o.stage:<{wide}}  {o.status:<7}  {o.detail}" for o in self.outcomes]
        return "\n".join([*lines, last_line(self.verdict, self.outcomes)])


def verify(
    bundle: str | Path,
    recordings: Sequence[np.ndarray] = (),
    on_progress: Callable[[str, float], None] | None = None,
    stream_s: float = _STREAM_S,
) -> Verification:
    """Checks a bundle stage by stage: numpy, C on the host, emulated cores.

    Args:
        bundle: directory that `convert` wrote.
        recordings: further PCM, int16 or floats in [-1, 1], `(samples,)` each, in
            which every build must find the same words as Python, beside those which
            the bundle holds.
        on_progress: called with the name of a stage that ended, and the share of the
            stages that are done; first with the share 0.
        stream_s: seconds of the stream of words, other speech, pauses, levels and
            backgrounds in which the same must be reported; see `stream.stream_of`.

    Returns:
        The outcome of every stage. A stage whose tool is missing is not run, and the
        verdict is then not "verified".

    Raises:
        FileNotFoundError: if there is no bundle, or one of its files is missing.
        ValueError: if a file was changed, there are recordings but no C code to hear
            them, or `stream_s` is no number above 0.
    """
    if not stream_s > 0:
        raise ValueError(invalid("stream_s", "a number > 0", stream_s))
    loaded = load_bundle(bundle)
    if len(recordings) and loaded.recognizer is None:
        expected = "none, as the C code of this bundle does not hear audio"
        received = f"{len(recordings)} recordings"
        raise ValueError(invalid("recordings", expected, received))
    pcm = [int16_pcm(recording) for recording in recordings]
    outcomes = [*outputs.files(loaded), *figures.report_sum(loaded)]
    stages = [outputs.generated_files, figures.report_figures, outputs.tflm_outputs]
    if loaded.network is None:
        outcomes.append(not_in_bundle("C code", loaded))
    else:
        stages += _OF_NETWORK
    if loaded.recognizer is not None:
        heard = functools.partial(stream.stream_events, seconds=stream_s)
        stages += [*_OF_RECOGNIZER, functools.update_wrapper(heard, heard.func)]
    elif loaded.network is not None:
        outcomes.append(not_in_bundle("features, words", loaded, optional=True))
    stages.append(costs.ethos_u)
    outcomes += _run(stages, loaded, pcm, on_progress or (lambda name, share: None))
    return Verification(tuple(outcomes))


def _run(stages, bundle, recordings, on_progress) -> list[Outcome]:
    """Runs the stages side by side: most of their time goes to other programs."""
    on_progress(_name(stages[0]), 0.0)
    places = {name: place for place, name in enumerate(_LONGEST)}
    order = sorted(stages, key=lambda s: places.get(s.__name__, len(places)))
    with (
        Workbench(bundle.directory) as bench,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        futures = {
            pool.submit(_guarded, stage, bundle, bench, recordings): stage
            for stage in order
        }
        for number, future in enumerate(as_completed(futures), 1):
            on_progress(_name(futures[future]), number / len(futures))
    found = {stage: future.result() for future, stage in futures.items()}
    return [outcome for stage in stages for outcome in found[stage]]


def _guarded(stage, bundle, bench, recordings) -> list[Outcome]:
    """Turns what a tool says when it fails into an outcome; the other stages go on."""
    outcomes = []
    try:
        outcomes.extend(stage(bundle, bench, recordings))
    except Exception as error:  # what a damaged bundle leads to is a failed stage
        text = " ".join(f"{type(error).__name__}: {error}".split())
        outcomes.append(Outcome(_name(stage), FAILED, text[:600]))
    return outcomes


def _name(stage):
    return stage.__name__.replace("_", " ")
