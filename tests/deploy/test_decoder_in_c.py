"""The decoders in C against those in numpy: random logits, all options."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from keras_rnn2dnn import deploy
from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.deploy.bundle import check_reporting
from keras_rnn2dnn.deploy.decoder_table import decoder_header
from keras_rnn2dnn.deploy.device.decoder import ctc_tables, word_loop_tables
from keras_rnn2dnn.deploy.device.events import Limits
from keras_rnn2dnn.deploy.device.keywords import (
    SpotterTables,
    keywords_of,
    spotter_tables,
)
from keras_rnn2dnn.deploy.device.labels import best_labels
from keras_rnn2dnn.deploy.device.paths import search
from keras_rnn2dnn.hmm import Reporting, Topology, WordLoopDecoder
from keras_rnn2dnn.hmm.reporting import EARLIER
from keras_rnn2dnn.keywords import KeywordSpotter
from keras_rnn2dnn.quantization.receptive_field import ReceptiveField

SOURCES = Path(deploy.__file__).parent / "firmware" / "c"
MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include "decoder.h"
static decoder_state state;
static void on_word(const decoder_word *word, void *context)
{
    (void)context;
    printf("%u %u %u %d\\n", word->word, word->start, word->end, word->confidence);
}
int main(int count, char **given)
{
    static int8_t logits[CLASSES];
    (void)count;
    state.clock.silence = (uint32_t)atol(given[1]);
    state.clock.longest = (uint32_t)atol(given[2]);
    decoder_init(&state);
    state.frame = (uint32_t)atol(given[3]); /* as if it had run for so long */
    while (fread(logits, 1, CLASSES, stdin) == CLASSES)
        if (decoder_step(&state, logits, on_word, 0))
            printf("-1 %u %u 0\\n", state.frame, state.frame);
    decoder_finish(&state, on_word, 0);
    return 0;
}
"""


def built(folder, tables, limits, classes):
    """Builds the decoder of these tables; returns what runs it."""
    header = decoder_header(tables, limits, Reporting())
    (folder / "decoder_table.h").write_text(header)
    (folder / "decoder.h").write_text((SOURCES / "decoder.h").read_text())
    (folder / "main.c").write_text(MAIN)
    own = "decoder_keywords.c" if isinstance(tables, SpotterTables) else "decoder.c"
    names = own, "decoder_labels.c"
    for name in names:
        (folder / name).write_text((SOURCES / name).read_text())
    line = ["cc", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    line += ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
    line += [f"-DCLASSES={classes}", "-o", "main", "main.c", *names]
    subprocess.run(line, cwd=folder, check=True)

    def run(logits, begin=0):
        numbers = [limits.silence, limits.longest, begin]
        done = subprocess.run(
            [str(folder / "main"), *map(str, numbers)],
            input=logits.tobytes(),
            capture_output=True,
            check=True,
        )
        return [tuple(map(int, line.split())) for line in done.stdout.splitlines()]

    return run


def logits_of(frames, classes, seed, quiet):
    """Random logits, smooth in time, with stretches in which one class wins."""
    rng = np.random.default_rng(seed)
    noise = 40 * rng.normal(size=(frames + 4, classes))
    smooth = sum(noise[k : k + frames] for k in range(4)) / 2
    smooth[:, quiet] += np.where(np.arange(frames) // 40 % 3 == 2, 90, 0)
    return np.clip(np.rint(smooth), -128, 127).astype(np.int8)


CASES = {
    "other": (
        Topology("a b c", 2, other=3),
        {"other_penalty": -1.0, "other_bias": 0.7},
    ),
    "silence": (Topology("a b", 3), {"self_loop": 0.4}),
    "phones": (Topology("no on", 1, lexicon={"no": "n o", "on": "o n"}, other=1), {}),
    "neither": (Topology("a b c", 2, silence=False), {}),
    "other, no silence": (Topology("a b", 2, other=2, silence=False), {}),
}
LIMITS = [Limits(30, 12, 100), Limits(7, 5, 0), Limits(1, 0, 25)]


@pytest.mark.parametrize("name", CASES)
def test_the_word_loop_finds_the_same_to_the_bit(name, tmp_path):
    topology, options = CASES[name]
    found = 0
    for number, limits in enumerate(LIMITS[: 3 if name == "other" else 1]):
        reporting = Reporting(margin=(20.0, 4.0, 1e5)[number])
        decoder = WordLoopDecoder(
            topology, insertion_penalty=-3.0, reporting=reporting, **options
        )
        tables = word_loop_tables(decoder, 0.125, limits.history)
        run = built(tmp_path, tables, limits, topology.num_states)
        logits = logits_of(2000, topology.num_states, number, topology.num_states - 1)
        (expected,) = search(tables, [logits], limits)
        assert run(logits) == expected
        found += len(expected)
    assert found > 50


def test_the_best_path_of_ctc_is_the_same_to_the_bit(tmp_path):
    tables, limits = ctc_tables(GreedyDecoder("abcd", 2), 0.07), Limits(1, 6, 50)
    logits = logits_of(2000, 4, 5, 2)
    expected = best_labels(tables, logits, limits)
    assert built(tmp_path, tables, limits, 4)(logits) == expected
    assert len(expected) > 100


def spotter(classes, scale=0.125, smoothing_ms=300.0):
    """A spotter of so many classes, and its tables; the first two are no keywords."""
    labels = tuple(f"w{k}" for k in range(classes))
    decoder = KeywordSpotter(labels, labels[:2], smoothing_ms=smoothing_ms)
    return spotter_tables(decoder, scale, ReceptiveField(48, 0, 10))


@pytest.mark.parametrize(
    ("classes", "scale", "smoothing_ms"),
    [(3, 0.125, 300), (12, 0.002, 100), (201, 0.3, 25_500), (3400, 3.0, 700)],
)
def test_keywords_are_the_same_to_the_bit(classes, scale, smoothing_ms, tmp_path):
    tables, limits = spotter(classes, scale, smoothing_ms), Limits(1, 6, 50)
    logits = logits_of(600, classes, 5, 1)
    logits[300:310] = 127  # all of them as likely
    logits[310:320] = np.where(np.arange(classes) == 2, 127, -128)
    expected = keywords_of(tables, logits, limits)
    assert built(tmp_path, tables, limits, classes)(logits) == expected
    assert len({found.confidence for found in expected}) > 80


@pytest.mark.parametrize("kind", ["loop", "ctc", "keywords"])
def test_a_decoder_runs_for_weeks(kind, tmp_path):
    """Where its counter of frames passes 2^16, 2^31 and 2^32, nothing changes."""
    limits = Limits(30, 12, 100)
    if kind == "ctc":
        tables = ctc_tables(GreedyDecoder("abcd"), 0.07)
    elif kind == "keywords":
        tables = spotter(4)
    else:
        decoder = WordLoopDecoder(CASES["other"][0], insertion_penalty=-3.0)
        tables = word_loop_tables(decoder, 0.125, limits.history)
    classes = 8 if kind == "loop" else 4
    run, logits = (
        built(tmp_path, tables, limits, classes),
        logits_of(700, classes, 3, 0),
    )
    expected = run(logits)
    assert len(expected) > 20
    for passed in (2**16, 2**31, 2**32):
        begin = passed - 350
        shifted = [
            (word, (start + begin) % 2**32, (end + begin) % 2**32, value)
            for word, start, end, value in expected
        ]
        assert run(logits, begin) == shifted


def test_c_code_that_decides_as_earlier_bundles_did_is_refused():
    decoder = WordLoopDecoder(Topology("a"), reporting=EARLIER)
    with pytest.raises(ValueError, match="`reporting.decide_ms`. Expected a time"):
        check_reporting(decoder)
    check_reporting(WordLoopDecoder(Topology("a")))
    check_reporting(None)
