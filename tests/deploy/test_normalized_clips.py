"""Spotters of clips that are normalized by themselves: numpy and C, bit by bit."""

import dataclasses
import shutil

import keras
import numpy as np
import pytest
from helpers import spotters
from helpers.bundles import needs_cores

from keras_rnn2dnn import LogMel, Recognizer, convert
from keras_rnn2dnn.deploy import bundle, load_bundle, toolchain, verify
from keras_rnn2dnn.deploy.device.normalizing import normalized_windows
from keras_rnn2dnn.deploy.golden import event_bytes, pcm_bytes
from keras_rnn2dnn.deploy.toolchain import Workbench
from keras_rnn2dnn.hmm import Topology, WordLoopDecoder

needs_cc = pytest.mark.skipif(
    not (shutil.which("make") and shutil.which("cc")),
    reason="needs make and a C compiler",
)
STREAM = spotters.stream()
SPECS = {
    "all": dataclasses.replace(spotters.SPEC, example_norm="all"),
    "bins": dataclasses.replace(spotters.SPEC, example_norm="bins", variance=None),
    "cepstra": dataclasses.replace(
        spotters.SPEC,
        **{"num_bins": 12, "num_cepstra": 8, "example_norm": "all", "mean": None},
    ),
    "pcen": dataclasses.replace(
        spotters.SPEC,
        **{"compression": "pcen", "example_norm": "bins", "mean": None},
    ),
}


def learnt(spec):
    """Features of clips as a student learns them, and a student of them."""
    audio = np.stack(spotters.tones()).astype("float32") / 32768
    features = LogMel.from_spec(spec)(audio).numpy()
    keras.utils.set_random_seed(0)
    student = keras.models.clone_model(spotters.student())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    student.compile(keras.optimizers.Adam(0.03), loss)
    student.fit(features, np.arange(64) % 4, epochs=10, verbose=0)
    return features, student


def converted(folder, spec, **options):
    features, student = learnt(spec)
    given = {"feature_spec": spec, "decode": spotters.SPOTTER, **options}
    return convert(student, folder, features, **given)


def test_windows_are_normalized_as_the_layer_does():
    x = np.random.default_rng(0).normal(-9, 3, (5, 49, 10)).astype(np.float32)
    for over, axes in (("all", (1, 2)), ("bins", (1,))):
        exact = x.astype("float64")
        centred = exact - exact.mean(axes, keepdims=True)
        expected = centred / exact.std(axes, keepdims=True)
        received = normalized_windows(x, over)
        assert received.dtype == np.float32
        # 490 terms of up to 20, each sum rounded to 24 bits, and the logarithm.
        np.testing.assert_allclose(received, expected, atol=2e-4)
        np.testing.assert_array_equal(normalized_windows(0 * x, over), 0)


@needs_cc
@pytest.mark.parametrize("kind", SPECS)
def test_c_code_gives_the_bits_of_numpy(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "measure_cores", lambda *arguments: None)
    report = converted(tmp_path, SPECS[kind])
    recognizer = load_bundle(tmp_path).recognizer
    recordings = [STREAM, STREAM[:1], *spotters.tones(3, seed=8)]
    logits = [recognizer.logits(pcm) for pcm in recordings]
    assert len({row.tobytes() for row in logits[0]}) > 20  # heard, not constant
    events = recognizer.events(logits)
    with Workbench(tmp_path) as bench:
        data = pcm_bytes(recordings, [160])
        found = bench.run("host", "logits", data)
        words = bench.run("host", "words", data)
        sizes = np.frombuffer(bench.run("host", "sizes"), "<u4")
    assert found == b"".join(x.tobytes() for x in logits)
    assert words == event_bytes(events, recognizer.decoder.reporting)
    assert sizes[1] == report.firmware["ram_bytes"]["features"]
    streamed = Recognizer.load(tmp_path, engine="numpy").stream()
    heard = [
        e
        for n in range(0, len(STREAM), 777)
        for e in streamed.push_events(STREAM[n : n + 777])
    ]
    heard += streamed.finish_events()
    assert [type(e) for e in heard] == [type(e) for e in events[0]]


def test_a_window_is_what_the_student_has_learnt(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "measure_cores", lambda *arguments: None)
    features, student = learnt(SPECS["bins"])
    given = {"feature_spec": SPECS["bins"], "decode": spotters.SPOTTER}
    convert(student, tmp_path, features, **given)
    recognizer = load_bundle(tmp_path).recognizer
    field = recognizer.network.field
    assert (field.window, field.right) == (25, 0) and 24 % field.stride == 0
    last = [recognizer.logits(pcm)[24 // field.stride] for pcm in spotters.tones()[:24]]
    expected = student(features[:24]).numpy()
    received = recognizer.network.dequantized(np.array(last))
    assert (received.argmax(1) == expected.argmax(1)).mean() > 0.9
    assert np.abs(received - expected).mean() < 0.05 * np.abs(expected).max()


def test_what_has_no_clips_is_refused(tmp_path):
    spec = SPECS["all"]
    with pytest.raises(ValueError) as error:
        spotters.converted(tmp_path, feature_spec=spec, keep_images=True)
    assert "Invalid value for `keep_images`. Expected False: a window that is" in str(
        error.value
    )
    converted(tmp_path, SPECS["all"])
    student = load_bundle(tmp_path).student
    frames = student.over(student.receptive_field.moving(3))
    loop = WordLoopDecoder(Topology("a b c", 1))
    with pytest.raises(ValueError) as error:
        Recognizer(frames, spec, loop)
    assert str(error.value) == (
        'Invalid value for `feature_spec`. Expected example_norm="none" for a student '
        "of frames. Received: feature_spec=\"example_norm='all'\". A stream has no "
        "examples. Compute the features, and train the student, with "
        'compression="pcen" or centering="running"'
    )


@needs_cores
@pytest.mark.slow
def test_verify_proves_a_spotter_of_normalized_clips(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "measure_cores", toolchain.measure_cores)
    report = converted(tmp_path, SPECS["all"], recordings=[STREAM])
    found = verify(tmp_path, stream_s=20.0)
    assert found.verdict in ("verified", "not verified"), str(found)
    status = {one.stage: one.status for one in found.outcomes}
    for stage in ("words", "stream"):
        for place in ("C on the host", "QEMU Cortex-M4F"):
            assert status[f"{stage}: {place}"] == "passed"
    counted = report.firmware["cores"]["m4"]["instructions_per_frame"]
    assert 3 * counted["network"] > report.multiply_accumulates
