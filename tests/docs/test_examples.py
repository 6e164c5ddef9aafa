import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.tone_words import tone_words
from helpers.word_corpora import write_folders

from keras_rnn2dnn import Recognizer, deploy, recipe, word_error_rate
from keras_rnn2dnn.audio.corpora import write_wav
from keras_rnn2dnn.deploy import bundle

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow
def test_a_ctc_recogniser_is_distilled_in_a_few_added_lines(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    path = EXAMPLES / "ctc_keras_asr.py"
    runpy.run_path(str(path), run_name="__main__")
    found = re.findall(r"(\w+): .* (\d+) of 800 letters", capsys.readouterr().out)
    assert [name for name, _ in found] == ["teacher", "student"]
    assert all(int(errors) < 40 for _, errors in found)
    assert (tmp_path / "bundle" / "student.tflite").is_file()


def test_the_added_lines_are_few_and_touch_nothing_else():
    before, added, _ = re.split(
        r"# -+ added: \w+ here\n", (EXAMPLES / "ctc_keras_asr.py").read_text()
    )
    assert "keras_rnn2dnn" not in before.partition('"""\n\n')[2]
    assert len([line for line in added.splitlines() if line.strip()]) <= 15


@pytest.mark.slow
def test_a_model_of_ones_own_is_distilled_and_converted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = EXAMPLES / "distil_your_model.py"
    names = runpy.run_path(str(path), run_name="__main__")
    assert names["student"].output_shape == (None, None, 51)
    assert "KL(float || int8)" in capsys.readouterr().out
    assert (tmp_path / "bundle" / "student.tflite").is_file()


def test_a_corpus_of_ones_own_takes_one_call(monkeypatch, capsys):
    calls = []

    class Found:
        bundle, report = Path("out/bundle"), Path("out/report.html")

        def __str__(self):
            return "the table"

    def train(corpus, out, **options):
        options.pop("tell")("4 speakers")
        calls.append((corpus, out, options))
        return Found()

    monkeypatch.setattr(recipe, "train_corpus", train)
    path = EXAMPLES / "own_corpus.py"
    monkeypatch.setattr(sys, "argv", [str(path), "words", "out", "5"])
    runpy.run_path(str(path), run_name="__main__")
    assert calls == [("words", "out", {"minutes": 5.0})]
    assert capsys.readouterr().out.splitlines() == [
        *("4 speakers", "the table"),
        *("Firmware: out/bundle", "Report: out/report.html"),
    ]
    assert len(path.read_text().splitlines()) <= 30


@pytest.mark.slow
def test_keywords_are_spotted_from_a_directory_of_words(tmp_path, monkeypatch, capsys):
    write_folders(tmp_path / "words", tone_words(("ada", "bob", "eve", "joe")))
    monkeypatch.setattr(deploy, "verify", lambda folder: f"proven: {folder}")
    monkeypatch.setattr(bundle, "measure_cores", lambda *arguments: None)
    names = runpy.run_path(str(EXAMPLES / "keyword_spotting.py"))
    given = str(tmp_path / "words"), str(tmp_path / "bundle"), "up", "down"
    said = names["main"](*given, hours=0.05, epochs=2)
    assert said == f"proven: {tmp_path / 'bundle'}"
    assert re.search(r"ThresholdPoint\(.*false_per_hour=\d", capsys.readouterr().out)
    recognizer = Recognizer.load(tmp_path / "bundle")
    assert recognizer.labels == ("down", "up", "other")
    assert len((EXAMPLES / "keyword_spotting.py").read_text().splitlines()) <= 100


def sentences(seed, count):
    """Recordings of two or three tone words with pauses, and what is said in them."""
    rng, words = np.random.default_rng(seed), tone_words()
    for _ in range(count):
        chosen = [words[n] for n in rng.integers(len(words), size=rng.integers(2, 4))]
        pause = np.zeros(1200, "float32")
        parts = [part for word in chosen for part in (pause, word.samples)]
        samples = np.concatenate([*parts, pause])
        noise = rng.normal(0, 0.003, len(samples))
        yield samples + noise, [word.words[0] for word in chosen]


@pytest.mark.slow
def test_transcripts_of_any_recogniser_teach(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bundle, "measure_cores", lambda *arguments: None)
    lines = []
    for number, (samples, words) in enumerate(sentences(0, 60)):
        write_wav(tmp_path / "audio" / f"{number}.wav", samples, 8000)
        text = ", ".join(words).capitalize() + "."
        lines.append({"audio": f"{number}.wav", "text": text})
    lines[0]["text"] = "Thanks for watching, " * 20  # made up, longer than it can be
    heard = tmp_path / "heard.jsonl"
    heard.write_text("\n".join(map(json.dumps, lines)))
    names = runpy.run_path(str(EXAMPLES / "transcripts_from_recogniser.py"))
    given = str(tmp_path / "audio"), str(heard), str(tmp_path / "bundle")
    report = names["main"](*given, "up", "down")
    assert report.comparison["wer_device"] < 0.1
    recognizer = Recognizer.load(tmp_path / "bundle")
    unheard, said = zip(*sentences(1, 20), strict=True)
    found = [str(recognizer.transcribe(x)).split() for x in unheard]
    assert word_error_rate(list(said), found).wer < 0.15
    assert (
        len((EXAMPLES / "transcripts_from_recogniser.py").read_text().splitlines())
        <= 100
    )


@pytest.mark.slow
def test_a_teacher_hears_samples_and_its_student_features(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(bundle, "measure_cores", lambda *arguments: None)
    write_folders(tmp_path / "words", tone_words(("ada", "bob", "eve", "joe")))
    names = runpy.run_path(str(EXAMPLES / "raw_audio_teacher.py"))
    given = str(tmp_path / "words"), str(tmp_path / "bundle")
    teacher, student = names["main"](*given, epochs=4)
    assert teacher.input_shape == (None, 8000)
    assert student.input_shape == (None, 49, 10)
    kl = re.findall(r"kl: ([\d.e-]+)", capsys.readouterr().out)
    assert float(kl[-1]) < 0.5 * float(kl[0])
    assert Recognizer.load(tmp_path / "bundle").labels == ("down", "up")
    assert len((EXAMPLES / "raw_audio_teacher.py").read_text().splitlines()) <= 100
