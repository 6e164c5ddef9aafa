import numpy as np
import pytest

from keras_rnn2dnn.audio.corpora import write_wav
from keras_rnn2dnn.audio.loading import AudioFile
from keras_rnn2dnn.audio.manifests import write_manifest
from keras_rnn2dnn.commands import inputs


@pytest.fixture
def manifest(tmp_path):
    samples = 0.1 * np.random.default_rng(0).normal(size=(2, 1600))
    for number, x in enumerate(samples):
        write_wav(tmp_path / f"{number}.wav", x, 16000)
    (tmp_path / "2.wav").write_bytes(b"")
    files = [AudioFile(tmp_path / f"{n}.wav", str(n), f"word {n}") for n in range(3)]
    write_manifest(tmp_path / "a.jsonl", files)
    return tmp_path / "a.jsonl", samples


def test_a_corpus_is_read_as_pcm_with_its_transcripts(manifest):
    path, samples = manifest
    found = inputs.audio(path, 16000)
    assert (found.sample_rate_hz, found.transcripts) == (16000, ["word 0", "word 1"])
    np.testing.assert_allclose(found.samples, samples * 32768, atol=0.5001)
    assert inputs.audio(path.parent, 16000).transcripts is None  # the files alone
    with pytest.raises(ValueError, match="2.wav': it is empty. Remove it"):
        inputs.audio(path, 16000, strict=True)
    with pytest.raises(ValueError, match="Received: 1 files that cannot be decoded"):
        inputs.audio(path.parent / "2.wav", 16000)


def test_its_rate_is_changed(manifest):
    pytest.importorskip("soxr", reason="needs the extra `audio`")
    found = inputs.audio(manifest[0], 8000)
    assert [len(s) for s in found.samples] == [800, 800]
