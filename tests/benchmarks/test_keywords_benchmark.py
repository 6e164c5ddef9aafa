"""The benchmark of keyword classifiers: its task, its choice, and a whole run."""

import re

import keras
import numpy as np
import pytest
from helpers.tone_words import tone_words
from helpers.word_corpora import write_folders

from benchmarks.keywords import __main__ as command
from benchmarks.keywords import rows, task
from benchmarks.keywords import work as trainings
from benchmarks.keywords.clips import Room
from benchmarks.keywords.rows import FIRST, later_rows, soft_rows, with_labels
from benchmarks.keywords.table import Errors, chosen
from benchmarks.keywords.task import STANDARD, read_task
from keras_rnn2dnn.audio.corpora import write_wav
from keras_rnn2dnn.deploy import bundle

L = keras.layers
WORDS = (*STANDARD, "cat", "dog")
SPEAKERS = {"train": ("aa", "bb", "cc"), "validation": ("dd",), "testing": ("ee",)}


@pytest.fixture(scope="module")
def speech_commands(tmp_path_factory):
    """Speech Commands in small: each word a tone of its own; with the lists."""
    root, rng = tmp_path_factory.mktemp("speech_commands"), np.random.default_rng(0)
    t = np.arange(16_000) / 16_000
    for split, speakers in SPEAKERS.items():
        names = []
        for number, word in enumerate(WORDS):
            for speaker in speakers:
                for n in range(2):
                    hz = (200 + 250 * number) * rng.uniform(0.98, 1.02)
                    tone = 0.3 * np.sin(2 * np.pi * hz * t) * (t > 0.2) * (t < 0.7)
                    name = f"{word}/{speaker}_nohash_{n}.wav"
                    write_wav(root / name, tone + rng.normal(0, 0.003, len(t)), 16_000)
                    names.append(name)
        if split != "train":
            (root / f"{split}_list.txt").write_text("\n".join(names) + "\n")
    noise = rng.normal(0, 0.1, 5 * 16_000)
    write_wav(root / "_background_noise_" / "hiss.wav", noise, 16_000)
    return root


def test_the_standard_task_has_its_lists_and_twelve_classes(speech_commands):
    found = read_task(speech_commands)
    assert found.labels == (*STANDARD, "other", "silence")
    heard = {use: {c.speaker for c in clips} for use, clips in found.clips.items()}
    assert heard == {
        "train": {"aa", "bb", "cc"},
        "development": {"dd"},
        "test": {"ee"},
    }
    counts = np.bincount([clip.label for clip in found.clips["train"]], minlength=12)
    assert counts.tolist() == [6] * 10 + [6, 0]  # unknown: a tenth of 60
    lengths = {use: len(noises[0]) for use, noises in found.backgrounds.items()}
    assert lengths == {"train": 64_000, "test": 16_000}


def test_commands_have_development_speakers_among_those_of_the_training(
    tmp_path, monkeypatch
):
    words = tone_words(("ada", "bob", "eve", "joe"), per_word=2)
    for part in ("train", "development"):
        write_folders(tmp_path / part, words)
    with pytest.raises(ValueError, match=r"not there: \['close', 'left', 'no'"):
        read_task(tmp_path)
    monkeypatch.setattr(task, "KEYWORDS", ("up",))
    found = read_task(tmp_path)
    assert found.labels == ("up", "other", "silence") and found.others == 1
    heard = {use: {c.speaker for c in clips} for use, clips in found.clips.items()}
    everyone = {"ada", "bob", "eve", "joe"}
    assert heard == {
        "train": {"ada"},
        "development": everyone - {"ada"},
        "test": everyone,
    }


def test_clips_are_heard_as_they_are_and_in_noise(speech_commands):
    found = read_task(speech_commands)
    heard = Room(found, "test", 0).as_recorded()
    assert heard.pcm.shape == (22 + 2, 16_000) and heard.pcm.dtype == np.int16
    assert np.array_equal(heard.pcm[0], found.clips["test"][0].pcm)
    assert heard.labels[-2:].tolist() == [11, 11]
    assert heard.speakers[-2:].tolist() == ["", ""]
    noisy = Room(found, "test", 0).in_noise()
    assert noisy.labels.tolist() == heard.labels.tolist()
    quiet = slice(0, 1000)  # before the word
    levels = [np.std(h.pcm[:22, quiet].astype(float)) for h in (heard, noisy)]
    assert levels[1] > 3 * levels[0]
    again = Room(found, "test", 0).in_noise()
    assert np.array_equal(noisy.pcm, again.pcm)


def test_errors_are_counted_over_seeds_and_bounded_by_a_bootstrap():
    rng = np.random.default_rng(0)
    labels, speakers = rng.integers(3, size=400), np.repeat(["a", "b", "c", ""], 100)

    def outputs(share):
        wrong = rng.random(400) < share
        return np.eye(3)[(labels + wrong) % 3]

    systems = {"good": [outputs(0.1), outputs(0.1)], "bad": [outputs(0.2)]}
    errors = Errors(systems, labels, speakers)
    count = sum((z.argmax(1) != labels).sum() for z in systems["good"])
    assert errors.counts("good") == (count, 800)
    assert sum(errors.of_classes("good", [k]) for k in range(3)) == count
    accuracy, low, high = errors.accuracy("good")
    assert accuracy == pytest.approx(100 * (1 - count / 800))
    assert low < accuracy < high and high - low < 8
    change, low, high = errors.change("good", "bad")
    assert -80 < low < change < high < -20
    assert errors.change("bad", "bad") == pytest.approx((0, 0, 0))
    assert chosen(["bad", "good"], [errors]) == "good"


def test_the_best_candidate_is_learnt_from_in_later_rows():
    tried = soft_rows((1.0, 2.0))
    assert [(row.temperature, row.hard) for row in tried] == [(1.0, 0.0), (2.0, 0.0)]
    best = with_labels(tried[1])
    assert best.name == "DS-CNN, soft + hard, T = 2"
    later = later_rows(best, seeds=3)
    taught = [row for row in later if row.model]
    assert {(row.temperature, row.hard) for row in taught} == {(2.0, 0.3)}
    names = {row.name for row in FIRST}
    assert {row.taught_by for row in later} <= names
    assert not any(row.of_all_seeds for row in later_rows(best, seeds=1))


@pytest.fixture
def tiny(monkeypatch):
    """Few and tiny models, and no emulator."""

    def student(num_features, num_classes, frames):
        layers = [L.Reshape((frames, num_features, 1)), L.Conv2D(4, 5, 3)]
        layers += [L.ReLU(), L.GlobalAveragePooling2D(), L.Dense(num_classes)]
        return keras.Sequential([keras.Input((frames, num_features)), *layers])

    monkeypatch.setattr(trainings, "ds_cnn_student", student)
    monkeypatch.setattr(bundle, "measure_cores", lambda *arguments: None)
    names = [rows.LABELS, rows.DNN_LABELS, rows.DNN_DISTILLED]
    monkeypatch.setattr(rows, "on_device", lambda best, seeds: names)
    monkeypatch.setattr(rows, "in_bundles", lambda best: names[1:2])
    return trainings.Sizes(epochs=1, banks=1, teacher=3, dnn=4, temperatures=(2.0,))


@pytest.mark.slow
def test_a_run_prints_its_tables_and_goes_on_where_it_was_stopped(
    speech_commands, tmp_path, tiny
):
    given = speech_commands, tmp_path, tiny, [0]
    heading, floats, pairs, integers = command.run(*given)
    assert "training: 72 clips of 3 speakers, each in 1 copies" in heading
    assert "test: 24 clips of 1 speakers" in heading
    assert "Best on the development speakers: DS-CNN, soft" in heading
    assert re.search(r"\| DS-CNN, labels \| [\d,]+ \| \d+ \| \d+/24 \| \d+, \d", floats)
    assert re.search(r"\| DNN, distilled \| [\d ,]+ \| \d+/24 \| [\d.]+ \(", integers)
    assert re.search(
        r"\| DNN, labels \| [\d,]+ \| [\d,]+ \| - \| (0/288|-) \|", integers
    )
    assert re.search(r"\| DNN, distilled \| DNN, labels \| [+-][\d.]+ % \(", pairs)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    assert list(command.run(*given)) == [heading, floats, pairs, integers]
    assert kept == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    with pytest.raises(SystemExit, match=r"Expected a directory of results of .*\[1\]"):
        list(command.run(speech_commands, tmp_path, tiny, [1]))
