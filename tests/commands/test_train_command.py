import pytest

from keras_rnn2dnn.commands.running import train
from keras_rnn2dnn.deploy import Verification
from keras_rnn2dnn.deploy.verify import Outcome
from keras_rnn2dnn.recipe import TrainedCorpus

SYSTEMS = (
    *("RNN teacher", "student, hard labels"),
    *("student, distilled without the RNN", "student, distilled"),
    *("student, distilled, int8", "student, distilled, device arithmetic"),
)


def row(system):
    numbers = {"parameters": 10, "bytes": 40, "errors": 1, "words": 4, "wer": 0.25}
    chance = {"ci95": [0.2, 0.3], "relative_to_hard": 0.0, "kl": 0.1, "agreement": 0.9}
    return {"system": system, **numbers, **chance}


@pytest.mark.parametrize(
    ("status", "code"), [("passed", 0), ("NOT RUN", 0), ("FAILED", 1)]
)
def test_all_options_are_handed_on_and_the_end_says_what_comes_next(
    status, code, tmp_path, monkeypatch, run
):
    asked, out = {}, tmp_path / "my out"

    def trained(corpus, directory, *, tell, **options):
        asked.update(options, corpus=corpus)
        tell("4 speakers")
        proof = Verification((Outcome("network", status, "of all"),))
        return TrainedCorpus(out, [*map(row, SYSTEMS)], proof, by_speaker=True)

    monkeypatch.setattr(train, "train_corpus", trained)
    monkeypatch.setattr(train.compiler, "is_installed", lambda: True)
    found = run(
        *("train", "words", "--out", out, "--words", "up", "down"),
        *("--speaker-pattern", "{speaker}_{n}", "--noise", "street", "--seed", 3),
        *("--unlabelled", "new", "--teacher", "t.keras", "--lexicon", "espeak:de"),
        *("--max-bytes", "24k", "--minutes", "2.5"),
        *("--other", "talk", "--push-to-talk"),
    )
    assert found[0] == code and found[2] == ""
    assert asked == {
        "corpus": "words",
        "words": ["up", "down"],
        "speaker_pattern": "{speaker}_{n}",
        "noise": "street",
        "unlabelled": "new",
        "teacher": "t.keras",
        "lexicon": "espeak:de",
        "max_bytes": 24000,
        "minutes": 2.5,
        "other": "talk",
        "push_to_talk": True,
        "seed": 3,
    }
    lines = found[1].splitlines()
    assert lines[0] == "4 speakers" and lines[2].startswith("| system ")
    assert lines[-8:] == [
        f"Report: {out}/report.html",
        "",
        "Next:",
        f"  rnn2dnn transcribe '{out}/bundle' YOUR_RECORDING.wav",
        f"  rnn2dnn listen '{out}/bundle'",
        f"  rnn2dnn web '{out}/bundle' --serve",
        f"  rnn2dnn project '{out}/bundle' arduino --out library",
        f"  rnn2dnn evaluate '{out}/bundle' --device-arithmetic --data "
        f"'{out}/test_audio.npz'",
    ]


def test_a_corpus_that_is_none_is_one_line(tmp_path, run):
    code, _, error = run("train", tmp_path / "none", "--out", tmp_path / "out")
    assert code == 2 and "No corpus" in error
    assert len(error.strip().splitlines()) == 1
