import dataclasses
import io

import numpy as np
import pytest
from helpers.tone_words import TINY, tone_words

from keras_rnn2dnn import hmm
from keras_rnn2dnn.audio.streams import StreamOptions
from keras_rnn2dnn.recipe import RecipeRun, Split, material
from keras_rnn2dnn.util.files import Utterances
from keras_rnn2dnn.util.progress import StageProgress


def sentences(speakers, number):
    """Recordings of two words each, of the tones of `tone_words`."""
    words = tone_words(speakers, per_word=number)
    half = len(words) // len(speakers) // 2
    found = []
    for place, one in enumerate(words):
        other = words[(place + half) % len(words)]
        samples = np.concatenate([one.samples, other.samples])
        found.append(
            dataclasses.replace(one, samples=samples, words=one.words + other.words)
        )
    return found


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Sentences of two words, some without transcripts; nothing for a test."""
    unlabelled = [
        dataclasses.replace(r, words=()) for r in sentences(("eve",), number=4)
    ]
    monkeypatch.setattr(material, "_ADAPTATION_STRINGS", 20)
    split = Split(
        sentences(("ada", "bob"), number=6), sentences(("joe",), 4), unlabelled
    )
    progress = StageProgress(14, io.StringIO())
    return RecipeRun(split, tmp_path, TINY, seed=0, progress=progress)


def test_recordings_of_several_words_are_aligned_and_strung_together(run):
    material = run.material
    assert material.topology.words == ("down", "up")
    assert material.test == []
    (transcribed,), (mixed,) = material.transcribed, material.mixed
    assert [s.states is None for s in mixed] == [False] * 24 + [True] * 8
    for string in transcribed:
        assert len(string.words) % 2 == 0 and len(string.words) >= 4
        entered = [
            word
            for before, state in zip(string.states, string.states[1:], strict=False)
            for word in material.topology.words
            if state == material.topology.states_of(word)[0] != before
        ]
        assert entered == list(string.words)


@pytest.mark.slow
def test_a_corpus_without_a_test_becomes_a_bundle(run, tmp_path):
    assert (run.bundle / "student.tflite").is_file()
    found = {path.name for path in tmp_path.iterdir()}
    assert {"teacher.keras", "student.keras", "features.json"} <= found
    assert "test.npz" not in found and "student_soft.keras" not in found
    assert len(Utterances.load(tmp_path / "development.npz").features) == 6
    history = run.distilled.history
    assert {len(numbers) for numbers in history.values()} == {TINY.student_epochs}


def test_streams_have_pcen_and_a_state_of_other_speech(run, tmp_path):
    other = tuple(dataclasses.replace(r, words=()) for r in sentences(("eve",), 3))
    split = dataclasses.replace(run.split, other_speech=other)
    streams = StreamOptions(pause_s=(0.3, 0.6), other_s=(0.5, 1.0))
    recipe = dataclasses.replace(TINY, features="pcen", streams=streams)
    progress = StageProgress(14, io.StringIO())
    heard = RecipeRun(split, tmp_path / "heard", recipe, 0, progress)
    material = heard.material
    assert material.layer.spec.compression == "pcen"
    assert material.topology == hmm.Topology(("down", "up"), other=8)
    assert material.untuned.topology == material.topology
    (transcribed,), (mixed,) = material.transcribed, material.mixed
    other_state = material.topology.other_state
    for stream in transcribed:
        other = (stream.states == other_state).sum()
        assert other >= 8 if "<unk>" in stream.words else other == 0
    assert any("<unk>" in s.words for s in transcribed)
    assert [s.states is None for s in mixed].count(True) > 0
    assert len(material.development[0].samples) > 0


def test_labels_as_heard_are_of_the_noisy_strings(run, tmp_path, monkeypatch):
    recipe = dataclasses.replace(TINY, labels="as heard")
    progress = StageProgress(14, io.StringIO())
    heard = RecipeRun(run.split, tmp_path / "heard", recipe, 0, progress)
    (transcribed,), (mixed,) = heard.material.transcribed, heard.material.mixed
    assert [s.states is None for s in mixed] == [False] * 24 + [True] * 8
    assert all(a is b for a, b in zip(transcribed[:24], mixed[:24], strict=True))
    states = [s.states for s in transcribed]
    assert [len(s) for s in states] == [len(s.noisy) for s in transcribed]
    silence = heard.topology.silence_state
    # Words are heard where there is sound.
    loud = np.concatenate([s.clean.mean(axis=1) for s in transcribed])
    spoken = np.concatenate(states) != silence
    assert loud[spoken].mean() > loud[~spoken].mean() + 0.3
    expected = states
    # Going on takes what is kept.
    monkeypatch.setattr(hmm, "flat_start", None)
    again = RecipeRun(run.split, tmp_path / "heard", recipe, 0, progress)
    again = again.material.transcribed[0]
    for found, wanted in zip(again, expected, strict=True):
        np.testing.assert_array_equal(found.states, wanted)
