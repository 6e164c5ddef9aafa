"""Bundles of utterance-level students that listen in a stream."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from helpers import spotters
from helpers.bundles import assert_proven, needs_cores

from keras_rnn2dnn import Recognizer, cli
from keras_rnn2dnn.audio.corpora import write_wav
from keras_rnn2dnn.deploy import bundle, load_bundle, toolchain, verify
from keras_rnn2dnn.deploy.golden import event_bytes, pcm_bytes
from keras_rnn2dnn.deploy.threshold import measured_curve, with_threshold
from keras_rnn2dnn.deploy.toolchain import Workbench
from keras_rnn2dnn.hmm import Topology, WordLoopDecoder
from keras_rnn2dnn.util.files import Audio, Utterances

needs_cc = pytest.mark.skipif(
    not (shutil.which("make") and shutil.which("cc")),
    reason="needs make and a C compiler",
)
STREAM = spotters.stream()
OTHER = np.concatenate(spotters.tones(4, seed=3)[:1:-1] * 6)  # no tones


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A bundle whose costs on cores were not measured."""
    folder = tmp_path_factory.mktemp("spotter") / "bundle"
    recordings = Audio(
        [STREAM, *spotters.tones(2, 7)], 8000, ["low high", "low", "high"]
    )
    texts = ["low", "high", "", ""] * 16
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "measure_cores", lambda *arguments: None)
        report = spotters.converted(folder, recordings=recordings, references=texts)
    return folder, report


def test_the_report_speaks_of_the_window_that_moves_on(written):
    _, report = written
    rows = dict(report.rows)
    assert report.firmware["c"] == "recognizer"
    assert report.firmware["step_frames"] == 3
    assert rows["context"] == "a whole clip of 25 frames, which moves on by 3"
    assert rows["word error rate"] == "float 0.00%, int8 0.00%, device arithmetic 0.00%"
    assert report.decoder["kind"] == "keywords"
    # 49 frames of a second four times, in 196 of which there are 66 windows.
    assert report.firmware["counted"] == {"frames": 196, "inferences": 66}
    costs = {"instructions_per_frame": {"network": 33_000, "total": 34_000}}
    costs |= {"flash_bytes": 1, "stack_bytes": 1}
    firmware = {**report.firmware, "cores": {"m4": costs}}
    rows = dict(dataclasses.replace(report, firmware=firmware).rows)
    assert rows["m4 in a stream"] == (
        "98,000 instructions per inference, one every 60 ms: with all else 1.7 million "
        "a second"
    )


def test_words_are_found_where_they_are_said(written):
    loaded = load_bundle(written[0])
    recognizer = with_threshold(loaded.recognizer, 2.0)
    assert (loaded.network.field.is_clip, recognizer.network.field.stride) == (True, 3)
    (words,) = recognizer.recognize([STREAM])
    assert [word.text for word in words] == ["low", "high"]
    length = len(STREAM) / 13 / 8  # of a part in ms
    for word, place in zip(words, (2, 10), strict=True):
        assert (place - 1) * length < word.start_ms < (place + 0.5) * length
        assert place * length < word.end_ms < (place + 1.5) * length
        assert word.end_ms - word.start_ms == 360  # of 480, two steps less


def test_the_recognizer_on_the_host_hears_the_same_however_it_is_cut(written):
    recognizer = Recognizer.load(written[0])
    expected = load_bundle(written[0]).recognizer.hear([STREAM])[0]
    for size in (len(STREAM), 160, 777):
        stream, events = recognizer.stream(), []
        for start in range(0, len(STREAM), size):
            events += stream.push_events(STREAM[start : start + size])
        events += stream.finish_events()
        assert [(type(e), e.start_ms, e.end_ms) for e in events] == [
            (type(e), e.start_ms, e.end_ms) for e in expected
        ]
    assert len(expected) > 4
    recognizer.threshold = 2.0
    found = recognizer.transcribe(STREAM)
    assert found.text == "low high"
    assert found.delays_ms == (145, 145)  # two steps and a window of samples
    assert recognizer.latency.decoder_ms == 180.0
    recognizer.keywords = "high"
    assert recognizer.transcribe(STREAM).text == "high"


@needs_cc
def test_c_code_reports_the_same_events(written):
    loaded = load_bundle(written[0])
    recordings = [STREAM, STREAM[:1], *spotters.tones(3, seed=8)]
    events = loaded.recognizer.hear(recordings)
    with Workbench(written[0]) as bench:
        found = bench.run("host", "words", pcm_bytes(recordings, [160]))
    assert found == event_bytes(events, loaded.recognizer.decoder.reporting)
    assert sum(map(len, events)) > 8


def test_a_threshold_is_chosen_by_false_words(written):
    recognizer = load_bundle(written[0]).recognizer
    curve = measured_curve(recognizer, [OTHER], [STREAM], [["low", "high", "silence"]])
    assert curve[0].missed == 0.0
    assert curve[0].threshold is None and curve[0].false_per_hour > 0
    assert curve[-1].false_per_hour == 0


def test_commands_take_it_as_any_other(written, tmp_path, capsys):
    folder = shutil.copytree(written[0], tmp_path / "bundle")
    pcm = tmp_path / "pcm.npz"
    Audio([STREAM] * 2, 8000, ["low high"] * 2).save(pcm)
    other = tmp_path / "other.npz"
    Audio([OTHER], 8000).save(other)
    line = ["tune", str(folder), "--other", str(other), "--data", str(pcm), "--json"]
    assert cli.main([*line, "--false-per-hour", "0"]) == 0
    assert json.loads(capsys.readouterr().out)["chosen"]["false_per_hour"] == 0
    line = [
        "evaluate",
        str(folder),
        "--data",
        str(pcm),
        "--device-arithmetic",
        "--json",
    ]
    assert cli.main(line) == 0
    rate = json.loads(capsys.readouterr().out)
    assert (rate["wer"], rate["words"]) == (0.0, 4)
    # Of clips each is a word or none; no stream is made of them.
    clips = tmp_path / "clips.npz"
    Utterances(list(spotters.clips()), ["low", "high", "", ""] * 16).save(clips)
    assert cli.main(["evaluate", str(folder), "--data", str(clips), "--json"]) == 0
    rate = json.loads(capsys.readouterr().out)
    assert (rate["wer"], rate["words"]) == (0.0, 32)
    wav = tmp_path / "said.wav"
    write_wav(wav, STREAM / 32768, 8000)
    assert cli.main(["transcribe", str(folder), str(wav), "--times"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[2] for line in lines] == ["low", "high"]


def test_decoders_of_frames_and_of_clips_are_told_apart(written, tmp_path):
    recognizer = Recognizer.load(written[0])
    student, spec = load_bundle(written[0]).student, recognizer.spec
    loop = WordLoopDecoder(Topology("a b", 1, silence=False, other=0))
    with pytest.raises(ValueError, match=r"`decode`.*a KeywordSpotter, or a function"):
        Recognizer(student, spec, loop)
    frames = student.over(dataclasses.replace(student.receptive_field.moving(3)))
    with pytest.raises(ValueError, match=r"`decode`.*for a student \(batch, frames"):
        Recognizer(frames, spec, spotters.SPOTTER)
    labels = dataclasses.replace(spotters.SPOTTER, labels=(*spotters.LABELS, "more"))
    with pytest.raises(ValueError, match="a decoder of 4 labels.*'5 labels'"):
        Recognizer(student, spec, labels)


@needs_cc
def test_images_that_are_kept_change_no_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "measure_cores", lambda *arguments: None)
    decoder = dataclasses.replace(spotters.SPOTTER, step_ms=80.0)  # 4 frames
    report = spotters.converted(tmp_path, decode=decoder, keep_images=True)
    assert report.firmware["kept"] == {"bytes": 624, "multiply_accumulates": 2760}
    assert dict(report.rows)["kept between windows"] == (
        "624 bytes of images, 2,760 of 7,512 products per inference"
    )
    recognizer = load_bundle(tmp_path).recognizer
    recordings = [STREAM, STREAM[:4000], spotters.stream(6)]
    expected = b"".join(recognizer.logits(pcm).tobytes() for pcm in recordings)
    with Workbench(tmp_path) as bench:
        data = pcm_bytes(recordings, [160])
        assert bench.run("host", "logits", data) == expected
        sizes = np.frombuffer(bench.run("host", "sizes"), "<u4")
    kept, history = 624 + 4, spotters.FRAMES * spotters.BINS
    assert sizes[3] == kept + history
    ram = report.firmware["ram_bytes"]
    assert ram["network"] == kept + history


def test_images_are_kept_of_windows_that_have_some_in_common(tmp_path):
    with pytest.raises(ValueError, match="`keep_images`.*a step of 3 frames, a window"):
        spotters.converted(tmp_path, keep_images=True)
    with pytest.raises(ValueError, match="`keep_images`.*no window that moves on"):
        spotters.converted(tmp_path, decode=None, keep_images=True)


@needs_cores
@pytest.mark.slow
def test_verify_proves_it(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "measure_cores", toolchain.measure_cores)
    report = spotters.converted(tmp_path, recordings=[STREAM], prefix="kitchen")
    found = verify(tmp_path, stream_s=20.0)
    assert_proven(found)
    status = {one.stage: one.status for one in found.outcomes}
    for stage in ("words", "stream"):
        for place in ("C on the host", "QEMU Cortex-M4F"):
            assert status[f"{stage}: {place}"] == "passed"
    assert status["mutation: a class that is no keyword"] == "passed"
    assert status["mutation: an exponential of the posteriors"] == "passed"
    assert status["mutation: the windows that are averaged"] == "passed"
    counted = report.firmware["cores"]["m4"]["instructions_per_frame"]
    assert 3 * counted["network"] > report.multiply_accumulates
