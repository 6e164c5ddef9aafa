"""Minutes of a device that is left switched on, as `verify` hears them."""

import itertools
import re
import shutil

import numpy as np
import pytest
from helpers.bundles import SPEC, recordings
from helpers.renewed import renew_sums

from keras_rnn2dnn.deploy import load_bundle, verify
from keras_rnn2dnn.deploy.toolchain import Workbench
from keras_rnn2dnn.deploy.verify.stream import stream_events, stream_of

RATE = SPEC.sample_rate_hz


def outcomes(folder, count=None):
    bundle = load_bundle(folder)
    with Workbench(folder) as bench:
        found = stream_events(bundle, bench, (), seconds=20.0)
        return {o.stage: o for o in itertools.islice(found, count)}


def test_a_stream_has_pauses_levels_and_backgrounds_and_is_the_same_for_a_seed():
    said = recordings(3)
    pcm = stream_of(said, 100, 0, SPEC)
    assert (len(pcm), pcm.dtype) == (100 * RATE, np.int16)
    assert np.array_equal(pcm, stream_of(said, 100, 0, SPEC))
    assert not np.array_equal(pcm, stream_of(said, 100, 1, SPEC))
    rms = pcm.astype(float).reshape(-1, RATE // 4).std(axis=1)
    silent = rms == 0
    assert 10 < silent[: 4 * 20].sum() < 80  # digital zeros behind the first words
    assert rms.max() > 3000 > 500 > np.median(rms) > 0
    short = stream_of(said, 0.01, 0, SPEC)
    assert len(short) == RATE // 100


def test_all_events_are_those_of_numpy_and_changed_times_are_caught(written):
    found = outcomes(written)
    host = found["stream: C on the host"]
    assert host.status == "passed", host.detail
    counts = re.fullmatch(
        r"0 of (\d+) events \((\d+) words, (\d+) ends of utterances\) in 0.333 minutes "
        "differ",
        host.detail,
    )
    events, words, ends = map(int, counts.groups())
    assert events == words + ends > 5
    changed = [o for stage, o in found.items() if stage.startswith("mutation: ")]
    # Words of this student are decided on long before they must be.
    assert [o.status for o in changed] == ["passed", "NOT RUN"]
    assert changed[0].detail.startswith("caught: ") and changed[1].optional


def test_c_code_that_reports_other_times_fails(written, tmp_path):
    """After 8 s, which no golden recording is long enough to hear."""
    folder = shutil.copytree(written, tmp_path / "bundle")
    path = folder / "c" / "recognizer.c"
    text = path.read_text()
    before = "samples * 1000u / FEATURES_SAMPLE_RATE_HZ)"
    assert before in text
    path.write_text(text.replace(before, f"{before} + (samples > 64000u)"))
    renew_sums(folder)
    found = outcomes(folder, 1)["stream: C on the host"]
    assert found.status == "FAILED"
    assert int(found.detail.partition(" of ")[0]) > 0


def test_a_stream_without_length_is_refused(written):
    with pytest.raises(ValueError, match="`stream_s`. Expected a number > 0. Received"):
        verify(written, stream_s=0)
