"""The C code of a bundle as a library finds what numpy finds, to the bit."""

import logging
import shutil

import numpy as np
import pytest
from helpers import bundles, spotters

from keras_rnn2dnn import Recognizer, convert
from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.deploy.loading import load_host_parts
from keras_rnn2dnn.hmm import Reporting, Topology, WordLoopDecoder
from keras_rnn2dnn.recognition import compiled, library

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None, reason="needs a C compiler: apt install gcc libc6-dev"
)
LONG = np.concatenate(bundles.recordings(6, seed=3))
PARTS = ("network", "spec", "decoder", "features")
OTHER = WordLoopDecoder(
    Topology(("up", "down"), states_per_unit=1, other=4),
    insertion_penalty=-1.0,
    reporting=Reporting(threshold=0.1, suppress_ms=200, silence_ms=100),
)
TWO = GreedyDecoder(("", "ä", "b", " ", "c"), reporting=Reporting(keywords=("ä", "c")))


@pytest.fixture(autouse=True)
def with_compiler(no_costs, tmp_path_factory, monkeypatch):
    """The compiler that other tests do without, and a cache for this file alone."""
    monkeypatch.setattr(library, "compiler", lambda: ["cc", "-O0"])
    cache = tmp_path_factory.getbasetemp() / "libraries"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return cache


@pytest.fixture(scope="module")
def made(tmp_path_factory, spotter):
    """Bundles of every kind of decoder, one of them with a prefix."""
    folder = tmp_path_factory.mktemp("made")
    data = {"calibration": bundles.features(), "feature_spec": bundles.SPEC}
    convert(bundles.student(classes=4), folder / "loop", decode=OTHER, **data)
    convert(bundles.student(), folder / "ctc", decode=TWO, prefix="hall", **data)
    return {"loop": folder / "loop", "ctc": folder / "ctc", "spotter": spotter}


def heard(recognizer, pcm, sizes):
    """Returns events with the samples that made them certain, and the transcript."""
    stages, stream, found, at = recognizer.stages(), recognizer.stream(), [], 0
    while at < len(pcm):
        size = int(sizes())
        found += stages.push(pcm[at : at + size])
        stream.push(pcm[at : at + size])
        at += size
    stream.finish()
    return found + stages.finish(), stream.transcript


@pytest.mark.parametrize("name", ["loop", "ctc", "spotter"])
def test_events_are_those_of_numpy(name, made):
    in_c = Recognizer.load(made[name])
    in_numpy = Recognizer.load(made[name], engine="numpy")
    assert (in_c.engine, in_numpy.engine) == ("c", "numpy")
    pcm = spotters.stream(seed=8) if name == "spotter" else LONG
    rng = np.random.default_rng(0)
    events, found = heard(in_c, pcm, lambda: rng.integers(1, 900))
    whole, expected = heard(in_numpy, pcm, lambda: len(pcm))
    assert events == whole and len(events) > 3
    assert found.words == expected.words and found.utterances == expected.utterances
    assert found.delays_ms == expected.delays_ms
    for recognizer in (in_c, in_numpy):
        recognizer.threshold = float(np.median([w.confidence for w in found.words]))
        recognizer.keywords = found.words[0].text
    events, fewer = heard(in_c, pcm, lambda: 80)
    assert events == heard(in_numpy, pcm, lambda: 5000)[0]
    assert len(fewer.words) < len(found.words)
    assert in_c.transcribe(pcm[:7]).words == ()


def test_a_library_is_compiled_once(made, with_compiler, monkeypatch):
    expected = Recognizer.load(made["loop"]).transcribe(LONG)
    kept = sorted((with_compiler / "keras-rnn2dnn").iterdir())
    assert {path.suffix for path in kept} == {".so"}
    monkeypatch.setattr(library, "compiler", lambda: None)
    again = Recognizer.load(made["loop"])
    assert again.engine == "c" and again.transcribe(LONG).words == expected.words
    (with_compiler / "keras-rnn2dnn").chmod(0o777)  # anybody's library
    assert Recognizer.load(made["loop"]).engine == "numpy"
    (with_compiler / "keras-rnn2dnn").chmod(0o700)


@pytest.fixture
def changed(made, tmp_path, monkeypatch):
    """A bundle whose C code is not that of this version, though its sums are right."""
    folder = shutil.copytree(made["loop"], tmp_path / "changed")
    (folder / "c" / "recognizer.c").write_text("#error others\n")
    parts = load_host_parts(made["loop"])
    parts.report["files"]["c/recognizer.c"] = str(tmp_path)
    monkeypatch.setattr(
        "keras_rnn2dnn.recognition.recognizer.load_host_parts",
        lambda directory: library.HostParts(
            folder, parts.report, *(getattr(parts, name) for name in PARTS)
        ),
    )
    return folder


def test_code_of_others_is_compiled_only_where_it_is_asked_for(changed, caplog):
    with caplog.at_level(logging.INFO):
        assert Recognizer.load(changed).engine == "numpy"
    assert "not the one that this version writes" in caplog.text
    with pytest.raises(RuntimeError, match="Cannot run the C code of .*#error others"):
        Recognizer.load(changed, engine="c")


def test_what_does_not_compute_right_is_not_kept(
    made, changed, with_compiler, monkeypatch, caplog
):
    kept = with_compiler / "keras-rnn2dnn"
    before = sorted(kept.iterdir())
    shutil.copy(made["loop"] / "c" / "recognizer.c", changed / "c")
    monkeypatch.setattr(library, "is_own", lambda parts: True)
    monkeypatch.setattr(library, "meets_golden", lambda *arguments: False)
    assert Recognizer.load(changed).engine == "numpy"
    assert "does not find the golden words. In its place: numpy" in caplog.text
    assert sorted(kept.iterdir()) == before
    monkeypatch.setattr(library, "compiler", lambda: None)
    with pytest.raises(RuntimeError, match="no C compiler. On Debian: apt install gcc"):
        Recognizer.load(changed, engine="c")


def test_the_golden_words_tell_a_wrong_library(made, tmp_path):
    recognizer = Recognizer.load(made["spotter"], threshold=30.0)
    given = recognizer, recognizer._library
    assert compiled.meets_golden(*given, made["spotter"])
    shutil.copytree(made["spotter"] / "golden", tmp_path / "golden")
    words = (tmp_path / "golden" / "words.u32").read_bytes()
    (tmp_path / "golden" / "words.u32").write_bytes(b"\1" + words[1:])
    assert words[0] != 1 and not compiled.meets_golden(*given, tmp_path)


def test_times_of_more_than_49_days():
    class Spec:
        frame_step = 80

    class Fake:
        sample_rate_hz, labels, spec = 8000, ("", "yes"), Spec

    stages = object.__new__(compiled.CompiledStages)
    stages._recognizer, stages._samples = Fake, 8 * (2**32 + 5000)
    stages._most, stages._events = 2, (compiled._Event * 2)()
    stages._events[0] = compiled._Event(0, 1, 2**32 - 300, 200, 1500)
    stages._events[1] = compiled._Event(0, 2**32 - 1, 2**32 - 300, 5010, 1)
    (word, _), (utterance, _) = stages._found(2, lambda frame: 0)
    assert (word.start_ms, word.end_ms) == (2**32 - 300, 2**32 + 200)
    assert (word.text, word.confidence, utterance.end_ms) == ("yes", 1.5, 2**32 + 5010)


def test_an_engine_that_is_none_is_refused(made):
    with pytest.raises(ValueError, match="`engine`. Expected one of .*'fast'"):
        Recognizer.load(made["loop"], engine="fast")
