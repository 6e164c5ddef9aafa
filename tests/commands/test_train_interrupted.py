import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.tone_words import tone_words
from helpers.word_corpora import write_folders

import keras_rnn2dnn

# The command with tiny numbers; it tells after which epochs the teacher's training
# begins and goes on.
COMMAND = """
import dataclasses, sys, keras
from helpers.tone_words import TINY
from keras_rnn2dnn import cli
from keras_rnn2dnn.recipe import run
from keras_rnn2dnn.recipe.from_corpus import train
from keras_rnn2dnn.recipe.from_corpus.plan import Plan

def train_on_states(model, banks, *, callbacks, backup, **options):
    print("after", backup.epoch, flush=True)
    tell = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: print("trained", epoch + 1, flush=True))
    learn(model, banks, callbacks=[*callbacks, tell], backup=backup, **options)

recipe = dataclasses.replace(TINY, labels="as heard", teacher_epochs=1000)
train.make_plan = lambda *given, **options: Plan(recipe, {})
learn, run.teacher.train_on_states = run.teacher.train_on_states, train_on_states
sys.exit(cli.main())
"""


def interrupted(corpus, out):
    """Returns what the command wrote until Ctrl-C behind the third epoch."""
    paths = [Path(keras_rnn2dnn.__file__).parents[1], Path(__file__).parents[1]]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "train", str(corpus), "--out", str(out)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        # In the background of a shell it would be ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines, seen = [], 0
    for line in process.stdout:
        lines.append(line.strip())
        seen += line.startswith("trained ")
        if seen == 3:
            process.send_signal(signal.SIGINT)
            break
    rest, errors = process.communicate(timeout=120)
    numbers = [int(s.split()[1]) for s in lines if s.startswith(("after ", "trained "))]
    last = [int(s.split()[1]) for s in rest.splitlines() if s.startswith("trained ")]
    assert process.returncode == 130, errors
    return numbers[0], max([*numbers, *last]), errors


@pytest.mark.slow
def test_ctrl_c_costs_an_epoch_at_most(tmp_path):
    write_folders(tmp_path / "words", tone_words(("ada", "bob", "eve"), per_word=3))
    first, trained, errors = interrupted(tmp_path / "words", tmp_path / "out")
    assert first == 0 and trained >= 3
    assert errors.endswith(
        "rnn2dnn: interrupted; finished files are whole. The same command again goes "
        "on from them\n"
    )
    assert "Traceback" not in errors
    again, *_ = interrupted(tmp_path / "words", tmp_path / "out")
    assert trained - 1 <= again <= trained
