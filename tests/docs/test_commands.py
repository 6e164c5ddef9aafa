"""Every command line in the README and the documentation is one that exists."""

import json
import re
import shlex

import numpy as np
import pytest
from helpers import pages

from keras_rnn2dnn import SoftAlignments, cli, hmm, rnn_teacher
from keras_rnn2dnn.util.files import Utterances

LINES = [(page, line) for page in pages.PAGES for line in pages.command_lines(page)]
SPANS = [(page, span) for page in pages.PAGES for span in pages.command_spans(page)]


@pytest.mark.parametrize(("page", "line"), LINES)
def test_a_command_line_is_understood(page, line):
    arguments = shlex.split(line.partition(" > ")[0], comments=True)[1:]
    if arguments[-1] == "...":
        pytest.skip("the line is left open")
    if arguments[0].startswith("--"):  # answered at once
        with pytest.raises(SystemExit) as stopped:
            cli._parser().parse_args(arguments)
        assert stopped.value.code == 0
        return
    assert cli._parser().parse_args(arguments).command == arguments[0]


@pytest.mark.parametrize(("page", "span"), SPANS)
def test_the_options_of_a_mention_exist(page, span, run):
    command = span.split()[1]
    of_all = command.startswith("--")  # an option of `rnn2dnn` itself
    code, text, _ = run(*([] if of_all else [command]), "--help")
    assert code == 0, command
    for option in re.findall(r"--[\w-]+", span):
        assert re.search(rf"{option}\b", text), option


@pytest.mark.parametrize("page", list(pages.PAGES))
def test_the_targets_of_make_exist(page):
    makefile = (pages.ROOT / "Makefile").read_text()
    for target in pages.make_targets(page):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.slow  # many trainings
def test_the_commands_of_soft_alignments_run(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    features = np.random.default_rng(0).normal(size=(6, 20, 4))
    Utterances(list(features), ["no", "yes no"] * 3).save("features.npz")
    Utterances(list(features)).save("unlabelled.npz")
    topology = hmm.Topology(("no", "yes"), states_per_unit=2)
    decoder = hmm.WordLoopDecoder(topology, np.zeros(5)).to_dict()
    (tmp_path / "decoder.json").write_text(json.dumps(decoder))
    rnn_teacher(4, 5, units=(3,)).save("teacher.keras")
    for line in pages.command_lines("soft_alignments"):
        code, _, error = run(*shlex.split(line, comments=True)[1:])
        assert code == 0, (line, error)
    assert SoftAlignments("merged.align").num_frames == 120
    assert SoftAlignments("matched.align").top_k == 1
    for name in ("student", "paths"):
        assert (tmp_path / f"{name}.keras").is_file()
