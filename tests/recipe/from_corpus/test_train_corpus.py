import dataclasses
import json

import keras
import numpy as np
import pytest
from helpers.tone_words import TINY, tone_words
from helpers.word_corpora import write_folders, write_sentences

import keras_rnn2dnn
from keras_rnn2dnn import web
from keras_rnn2dnn.audio.corpora import write_wav
from keras_rnn2dnn.deploy import Verification
from keras_rnn2dnn.deploy.verify import Outcome
from keras_rnn2dnn.recipe import material, run, train_corpus
from keras_rnn2dnn.recipe.from_corpus import outcome, student_size, train
from keras_rnn2dnn.recipe.from_corpus.plan import Plan

PROVEN = Verification((Outcome("files", "passed", "all"),))
SYSTEMS = [
    "RNN teacher",
    "student, hard labels",
    "student, distilled without the RNN",
    "student, distilled",
    "student, distilled, int8",
    "student, distilled, device arithmetic",
]


@pytest.fixture
def tiny(monkeypatch):
    """The smallest numbers, and nothing that is built; counts the trainings."""
    plans = []

    def plan(split, num_states, own_teacher, minutes, sparse, push_to_talk, **sizes):
        recipe = dataclasses.replace(TINY, rounds=1, **sizes)
        plans.append(Plan(recipe, {"verify": 1.0}))
        return plans[-1]

    monkeypatch.setattr(train, "make_plan", plan)
    monkeypatch.setattr(train, "verify", lambda bundle, on_progress: PROVEN)
    monkeypatch.setattr(material, "_ADAPTATION_STRINGS", 20)
    return plans


@pytest.mark.slow
def test_folders_become_a_verified_bundle_and_a_teacher_teaches_again(
    tiny, tmp_path, monkeypatch
):
    words = tone_words(("ada", "bob", "eve", "joe"), per_word=6)
    write_folders(tmp_path / "words", words, {"up": "上", "down": "下"})
    told, out = [], tmp_path / "out"
    monkeypatch.setattr(web, "is_installed", web.compiler.is_installed)
    found = train_corpus(tmp_path / "words", out, tell=told.append)
    page = found.bundle / web.PLACE
    assert page.is_file() == web.is_installed()
    assert ("bundle/web/index.html" in found.report.read_text()) == page.is_file()
    assert [row["system"] for row in found.rows] == SYSTEMS
    assert found.rows == json.loads((out / "table.json").read_text())
    names = {path.name for path in out.iterdir()}
    assert names >= {
        *("teacher.keras", "student.keras", "features.json", "decoder.json"),
        *("bundle", "report.html", "table.json"),
    }
    assert (found.bundle / "c").is_dir()
    decoder = json.loads((out / "decoder.json").read_text())
    assert decoder["topology"]["words"] == ["上", "下"]
    assert "Left out: " not in found.report.read_text().partition("Flash")[0]
    assert any(sentence.startswith("Split by speaker: ") for sentence in told)
    title = (out / "table.md").read_text().partition("\n")[0]
    assert title == "words: 2 words, split by speaker; seed 0"

    # The same again trains nothing, and plans nothing.
    with monkeypatch.context() as patch:
        patch.setattr(run.teacher, "train_on_states", None)
        patch.setattr(run.student, "distil", None)
        patch.setattr(train, "verify", None)
        again = train_corpus(tmp_path / "words", out)
    assert again.rows == found.rows and len(tiny) == 1

    # Its teacher is one that exists: it is not trained, and stays as it is.
    calls, told = [], []
    with monkeypatch.context() as patch:
        patch.setattr(run.teacher, "new_teacher", lambda *given: calls.append(given))
        other = train_corpus(
            tmp_path / "words",
            tmp_path / "other",
            teacher=out / "teacher.keras",
            tell=told.append,
        )
    assert calls == []
    assert any("is trained for push-to-talk" in sentence for sentence in told)
    assert [row["system"] for row in other.rows] == SYSTEMS
    weights = [
        keras.saving.load_model(path / "teacher.keras").get_weights()
        for path in (out, tmp_path / "other")
    ]
    assert all((a == b).all() for a, b in zip(*weights, strict=True))


@pytest.mark.slow
def test_sentences_in_noise_and_speech_without_words_become_a_small_bundle(
    tiny, tmp_path, monkeypatch
):
    corpus = write_sentences(tmp_path)
    noise = 0.1 * np.random.default_rng(0).normal(size=8000)
    write_wav(tmp_path / "noise" / "hiss.wav", noise, 8000)
    write_folders(tmp_path / "new", tone_words(("joe",), per_word=3))
    heard = []
    learn = run.student.distil

    def distil(teacher, student, banks, *given, **options):
        heard.extend(string for bank in banks for string in bank)
        return learn(teacher, student, banks, *given, **options)

    monkeypatch.setattr(run.student, "distil", distil)
    found = train_corpus(
        corpus,
        tmp_path / "out",
        noise=tmp_path / "noise",
        unlabelled=tmp_path / "new",
        max_bytes=9000,
    )
    assert found.row(SYSTEMS[-1])["bytes"] <= 9000
    assert found.row(SYSTEMS[-1])["words"] > 0 and found.by_speaker
    mixed = [False] * 24 + [True] * 8
    assert [s.states is None for s in heard] == 2 * mixed  # with the RNN and without


@pytest.mark.slow
def test_three_recordings_a_word_of_two_rates_and_broken_files_become_a_bundle(
    tiny, tmp_path
):
    pytest.importorskip("soxr", reason="needs the extra `audio`")
    corpus, out = tmp_path / "words", tmp_path / "out"
    recordings = tone_words(("",), per_word=3)  # nobody tells who speaks
    write_folders(corpus, recordings)
    write_folders(corpus, recordings[::3], rate=16000)
    (corpus / "nothing").mkdir()
    (corpus / "up" / "003.wav").write_bytes(b"RIFF")
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text("UP AH P\nDOWN D AW N\n")
    told = []
    found = train_corpus(corpus, out, lexicon=lexicon, tell=told.append)
    assert "4 of 8000 Hz, 2 of 16000 Hz" in "\n".join(told)
    assert not found.by_speaker
    assert "The same speakers may be heard in training and test" in str(found)
    title = (out / "table.md").read_text().partition("\n")[0]
    assert title == (
        "words: 2 words, split by file: the same speakers may be heard in training and "
        "test; seed 0"
    )
    decoder = json.loads((out / "decoder.json").read_text())
    assert decoder["topology"]["lexicon"]["up"] == ["AH", "P"]
    assert [row["system"] for row in found.rows] == SYSTEMS


def test_the_plan_of_the_same_run_is_kept(tmp_path, monkeypatch):
    path, plan, other = (
        tmp_path / "plan.json",
        Plan(TINY, {"verify": 1.0}),
        Plan(TINY, {}),
    )
    asked = {"minutes": 3, "student_units": (8, 8)}
    assert train._kept_plan(path, asked, lambda: plan) == plan
    assert train._kept_plan(path, asked, lambda: other) == plan
    monkeypatch.setattr(keras_rnn2dnn, "__version__", "0.0.0")
    assert train._kept_plan(path, asked, lambda: other) == other
    assert train._kept_plan(path, {"minutes": 4}, lambda: plan) == plan


@pytest.mark.parametrize(
    ("kept", "received"),
    [
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2"),
        ("{}", "'asked'"),
        ("[]", "list indices must be integers or slices, not str"),
        ('{"sha256": "0"}', "its `sha256` is not that of its content: it is damaged"),
    ],
)
def test_a_damaged_plan_is_refused_as_another_would_throw_away_the_run(
    kept, received, tmp_path
):
    path = tmp_path / "plan.json"
    path.write_text(kept)
    with pytest.raises(ValueError) as error:
        train._kept_plan(path, {}, lambda: pytest.fail("planned anew"))
    assert str(error.value).startswith(
        f"Cannot go on with '{tmp_path}': plan.json is damaged. Expected the plan of "
        f"an earlier run. Received: {received}"
    )
    assert str(error.value).endswith(". Remove it to begin anew")


def rows(hard, distilled, alone=60, words=1000, spread=0.01):
    errors = [50, hard, alone, distilled, distilled, distilled]
    return [
        {
            "system": system,
            "errors": number,
            "words": words,
            "wer": number / words,
            "ci95": [number / words - spread, number / words + spread],
            "relative_to_hard": None,
            "kl": 0.1,
            "agreement": 0.9,
            "parameters": 1000,
            "bytes": 400_000 if system == "RNN teacher" else 40_000,
        }
        for system, number in zip(SYSTEMS, errors, strict=True)
    ]


@pytest.mark.parametrize(
    ("alone", "distilled", "start", "chance"),
    [
        (100, 60, "helped: 60 errors of 1000 words against 100 (-40 %)", False),
        (60, 100, "did not help: 100 errors of 1000 words against 60 (+67 %)", False),
        (100, 90, "helped: 90 errors of 1000 words against 100 (-10 %)", True),
        (70, 70, "did not help: 70 errors of 1000 words against 70", False),
        (0, 70, "did not help: 70 errors of 1000 words against 0", False),
    ],
)
def test_a_sentence_says_whether_the_teacher_helped(
    alone, distilled, start, chance, tmp_path
):
    given = rows(120, distilled, alone)
    found = outcome.TrainedCorpus(tmp_path, given, PROVEN, by_speaker=True)
    assert found.helped == (
        f"The teacher {start} of the student that learns in the same way without it, "
        "and 120 of the student of hard labels"
        + ". The 95 % intervals overlap: it may be chance"
        * chance
    )
    assert found.on_device == (
        f"The device gets {distilled / 10:.1f} % of the words wrong, with 40,000 "
        "bytes; the teacher 5.0 %, with 10 times as many"
    )


@pytest.mark.parametrize("status", ["NOT RUN", "FAILED"])
def test_what_was_not_proven_is_said(status, tmp_path):
    lacking = Outcome("network: QEMU Cortex-M3", status, "qemu-system-arm missing")
    optional = Outcome("Ethos-U55 estimate", "NOT RUN", "vela missing", optional=True)
    proof = Verification((*PROVEN.outcomes, lacking, optional))
    found = outcome.TrainedCorpus(tmp_path, rows(9, 9), proof, by_speaker=False)
    assert found.proven == (
        f"Verification: {proof.verdict}; 1 of 3 checks passed\n"
        f"  network: QEMU Cortex-M3: {status}, qemu-system-arm missing\n"
        "  Ethos-U55 estimate: NOT RUN, vela missing"
    )
    assert str(found).startswith("| system ") and found.proven in str(found)
    assert "The same speakers may be heard in training and test" in str(found)


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"corpus": "none"}, FileNotFoundError, "No corpus '.*none'"),
        ({"teacher": "none.keras"}, FileNotFoundError, "No file 'none.keras'"),
        ({"noise": "none"}, ValueError, "`noise`. Expected a directory with audio"),
        ({"minutes": 0}, ValueError, "`minutes`. Expected a number > 0"),
        ({"max_bytes": 10}, ValueError, "`max_bytes`. Expected a size"),
        ({"words": ["lift"]}, ValueError, "`words`. Expected words among"),
        ({"speaker_pattern": "{who}"}, ValueError, "`speaker_pattern`"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(
    changed, error, text, tmp_path, monkeypatch
):
    monkeypatch.setattr(student_size, "_num_bytes", lambda *given: 5000)
    write_folders(tmp_path / "words", tone_words(("ada", "bob", "eve"), per_word=2))
    options = {"corpus": tmp_path / "words", "out": tmp_path / "out", **changed}
    with pytest.raises(error, match=text):
        train_corpus(**options)
    assert not (tmp_path / "out" / "steps").exists()


def test_an_empty_folder_is_no_corpus(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="No audio in .*Expected folders by word"
    ):
        train_corpus(tmp_path, tmp_path / "out")
