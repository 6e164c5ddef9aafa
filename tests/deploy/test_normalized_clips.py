"""Spotters of clips that are normalized by themselves: numpy and C, bit by bit."""

import dataclasses
import functools
import shutil
import subprocess

import keras
import numpy as np
import pytest
from helpers import spotters
from helpers.bundles import assert_proven, needs_cores

from keras_rnn2dnn import LogMel, Recognizer, convert
from keras_rnn2dnn.deploy import bundle, load_bundle, toolchain, verify
from keras_rnn2dnn.deploy.device.normalizing import (
    newest_normalized,
    normalized_windows,
)
from keras_rnn2dnn.deploy.golden import event_bytes, pcm_bytes, read_pcm
from keras_rnn2dnn.deploy.recordings import compare_features
from keras_rnn2dnn.deploy.toolchain import Workbench
from keras_rnn2dnn.deploy.verify import normalized
from keras_rnn2dnn.deploy.verify.changes import unmet_bytes
from keras_rnn2dnn.deploy.verify.normalized import (
    clip_accuracy,
    exact_newest,
    heard_window,
)
from keras_rnn2dnn.hmm import Topology, WordLoopDecoder
from keras_rnn2dnn.recognition.streaming import LogitStream

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
        variance=None,
    ),
}


@functools.cache
def learnt(kind):
    """Features of clips as a student learns them, and a student of them."""
    spec = SPECS[kind]
    audio = np.stack(spotters.tones()).astype("float32") / 32768
    features = LogMel.from_spec(spec)(audio).numpy()
    keras.utils.set_random_seed(0)
    student = keras.models.clone_model(spotters.student())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    student.compile(keras.optimizers.Adam(0.03), loss)
    student.fit(features, np.arange(64) % 4, epochs=10, verbose=0)
    return features, student


def converted(folder, kind):
    features, student = learnt(kind)
    given = {"decode": spotters.SPOTTER, "recordings": [STREAM]}
    return convert(student, folder, features, feature_spec=SPECS[kind], **given)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Gives bundles by their kind, whose costs on cores were not measured."""

    @functools.cache
    def of(kind):
        folder = tmp_path_factory.mktemp(kind)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bundle, "measure_cores", lambda *arguments: None)
            converted(folder, kind)
        return folder

    return of


def test_windows_are_normalized_as_the_layer_does():
    x = np.random.default_rng(0).normal(-9, 3, (5, 49, 10)).astype(np.float32)
    for over, axes in (("all", (1, 2)), ("bins", (1,))):
        exact = x.astype("float64")
        centred = exact - exact.mean(axes, keepdims=True)
        expected = centred / exact.std(axes, keepdims=True)
        received = normalized_windows(x, over)
        assert received.dtype == np.float32
        # 59 sums of up to 4,900, each rounded to 24 bits, over 490; the logarithm.
        np.testing.assert_allclose(received, expected, atol=1e-5)
        np.testing.assert_array_equal(normalized_windows(0 * x, over), 0)


def test_digital_silence_stays_near_zero():
    """It is divided by 1 / sqrt(n), which makes much of what is rounded."""
    silence = np.full((1, 98, 40), np.log(1e-6), np.float32)
    for over in ("all", "bins"):
        assert np.abs(normalized_windows(silence, over)).max() < 2e-3


def test_each_newest_frame_is_normalized_by_its_window():
    x = np.random.default_rng(1).normal(-9, 3, (600, 3)).astype(np.float32)
    for over in ("all", "bins"):
        received = newest_normalized(x, 25, over)
        expected = exact_newest(x, 25, over)
        np.testing.assert_allclose(received, expected, atol=1e-4)
        first = np.repeat(x[:1], 20, axis=0)
        window = np.concatenate([first, x[:5]])[None]
        np.testing.assert_array_equal(
            received[4], normalized_windows(window, over)[0, -1]
        )
    assert newest_normalized(x[:0], 25, "all").shape == (0, 3)


@needs_cc
def test_the_inputs_of_the_network_are_golden_and_a_changed_window_is_caught(written):
    loaded = load_bundle(written("bins"))
    recordings = read_pcm(loaded.golden("recordings.pcm"))
    features = [loaded.recognizer.features(pcm) for pcm in recordings]
    inputs = np.frombuffer(loaded.golden("inputs.s8"), np.int8)
    assert len(inputs) == sum(x.size for x in features)
    assert (np.abs(inputs.astype(int)) < 127).mean() > 0.5  # nothing saturates
    (outcome,) = clip_accuracy(loaded, None, ())
    assert outcome.status == "passed"
    assert outcome.detail.startswith("99.9 % of")
    (change,) = heard_window(loaded)
    assert (change.table, change.stage) == ("FEATURES_WINDOW_FRAMES", "inputs")
    given = loaded.golden(change.given), loaded.golden(change.expected)
    assert unmet_bytes(loaded, change, *given) > len(inputs) // 4


def test_another_formula_is_found(written, monkeypatch):
    loaded = load_bundle(written("bins"))
    monkeypatch.setattr(normalized, "newest_normalized", lambda x, frames, over: x)
    (outcome,) = clip_accuracy(loaded, None, ())
    assert outcome.status == "FAILED"
    plain = dataclasses.replace(SPECS["bins"], example_norm="none")
    without = dataclasses.replace(loaded.recognizer, spec=plain)
    other = dataclasses.replace(loaded, recognizer=without)
    assert list(clip_accuracy(other, None, ())) == []


@pytest.mark.parametrize(
    "line",
    [
        "gcc -O3 -march=native -ffp-contract=fast",
        "clang -O3 -march=native -ffp-contract=fast -freciprocal-math",
        "g++ -std=c++98 -x c++ -O1",
    ],
)
@pytest.mark.parametrize("kind", ["all", "bins"])
def test_other_compilers_and_flags_change_no_bits(kind, line, written, tmp_path):
    folder = written(kind)
    if shutil.which(line.split()[0]) is None:
        pytest.skip(f"needs {line.split()[0]}")
    sources = [*sorted((folder / "c").glob("*.c")), *(folder / "check").glob("*.c")]
    program = tmp_path / "check"
    flags = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
    flags += [f"-I{folder / 'c'}", f"-I{folder / 'check'}", "-o", str(program)]
    subprocess.run([*line.split(), *flags, *map(str, sources)], check=True)
    for name in ("features.f32", "inputs.s8", "logits.s8", "words.u32"):
        given, out = folder / "golden/recordings.pcm", tmp_path / name
        stage = [name.partition(".")[0], str(given), str(out)]
        subprocess.run([str(program), *stage], check=True)
        assert out.read_bytes() == (folder / "golden" / name).read_bytes(), name


def test_a_long_stream_is_normalized_some_windows_at_a_time(written):
    recognizer = load_bundle(written("all")).recognizer
    pcm = np.tile(STREAM, 8)  # 800 windows and more
    expected = recognizer.logits(pcm)
    assert len(expected) > 800
    stream = LogitStream(recognizer.network, recognizer.spec)
    received = np.concatenate([stream.push(pcm), stream.finish()])
    np.testing.assert_array_equal(received, expected)


@needs_cc
@pytest.mark.parametrize("kind", SPECS)
def test_c_code_gives_the_bits_of_numpy(kind, written):
    loaded = load_bundle(written(kind))
    recognizer = loaded.recognizer
    recordings = [STREAM, STREAM[:1], *spotters.tones(3, seed=8)]
    logits = [recognizer.logits(pcm) for pcm in recordings]
    assert len({row.tobytes() for row in logits[0]}) > 20  # heard, not constant
    events = recognizer.events(logits)
    with Workbench(loaded.directory) as bench:
        data = pcm_bytes(recordings, [160])
        found = bench.run("host", "logits", data)
        words = bench.run("host", "words", data)
        sizes = np.frombuffer(bench.run("host", "sizes"), "<u4")
    assert found == b"".join(x.tobytes() for x in logits)
    assert words == event_bytes(events, recognizer.decoder.reporting)
    assert sizes[1] == loaded.report["firmware"]["ram_bytes"]["features"]
    streamed = Recognizer.load(loaded.directory, engine="numpy").stream()
    heard = [
        e
        for n in range(0, len(STREAM), 777)
        for e in streamed.push_events(STREAM[n : n + 777])
    ]
    heard += streamed.finish_events()
    assert [type(e) for e in heard] == [type(e) for e in events[0]]


def test_a_window_is_what_the_student_has_learnt(written):
    features, student = learnt("bins")
    recognizer = load_bundle(written("bins")).recognizer
    field = recognizer.network.field
    assert (field.window, field.right) == (25, 0) and 24 % field.stride == 0
    last = [recognizer.logits(pcm)[24 // field.stride] for pcm in spotters.tones()[:24]]
    expected = student(features[:24]).numpy()
    received = recognizer.network.dequantized(np.array(last))
    assert (received.argmax(1) == expected.argmax(1)).mean() > 0.9
    assert np.abs(received - expected).mean() < 0.05 * np.abs(expected).max()


def test_recordings_are_compared_clip_by_clip():
    """One example of soft and loud clips would have another deviation than each."""
    clips = spotters.tones(8)
    for kind in ("all", "cepstra"):
        given = SPECS[kind], learnt(kind)[0][:8]
        for pcm in (clips, [np.concatenate(clips)]):
            found = compare_features(pcm, *given)
            assert found["feature_shift"] < 0.2
            assert 0.8 < found["feature_spread"] < 1.25
        short = compare_features([clips[0][:2000], clips[1]], *given)
        assert short["feature_shift"] < 1.5


def test_what_has_no_clips_is_refused(written, tmp_path):
    spec = SPECS["all"]
    with pytest.raises(ValueError) as error:
        spotters.converted(tmp_path, feature_spec=spec, keep_images=True)
    assert "Invalid value for `keep_images`. Expected False: a window that is" in str(
        error.value
    )
    student = load_bundle(written("all")).student
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
    report = converted(tmp_path, "all")
    found = verify(tmp_path, stream_s=20.0)
    assert_proven(found)
    assert "features: normalized, float64" in str(found)
    status = {one.stage: one.status for one in found.outcomes}
    assert status["mutation: a frame of the clip"] == "passed"
    for stage in ("features", "words", "stream"):
        for place in ("C on the host", "QEMU Cortex-M4F"):
            assert status[f"{stage}: {place}"] == "passed"
    counted = report.firmware["cores"]["m4"]["instructions_per_frame"]
    assert 3 * counted["network"] > report.multiply_accumulates
