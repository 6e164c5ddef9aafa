"""What `recognizer.c` reports, with settings that change at run time, for weeks."""

import subprocess

import numpy as np
import pytest
from helpers import spotters
from helpers.bundles import SPEC, features, recordings, student

from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.deploy import convert, load_bundle
from keras_rnn2dnn.deploy.device.events import NO_THRESHOLD, Reporter, Utterance
from keras_rnn2dnn.hmm import Reporting

MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include "recognizer.h"
static recognizer r;
static void on_word(const recognizer_word *word, void *context)
{
    (void)context;
    printf("%u %u %u %d\\n", word->index, word->start_ms, word->end_ms,
           word->confidence);
}
static void on_utterance(const recognizer_utterance *over, void *context)
{
    (void)context;
    printf("-1 %u %u %u\\n", over->start_ms, over->end_ms, over->words);
}
int main(int count, char **given)
{
    static uint8_t reported[DECODER_WORDS];
    static int16_t pcm[200000];
    const size_t samples = fread(pcm, 2, 200000, stdin);
    (void)count;
    recognizer_init(&r, on_word, 0);
    r.on_utterance = on_utterance;
    r.decoder.frame = (uint32_t)atol(given[1]); /* as if it had run for so long */
    recognizer_set_threshold(&r, atoi(given[2]));
    recognizer_set_suppression(&r, (uint32_t)atoi(given[3]));
    for (int k = 0; k < DECODER_WORDS && given[4][k]; k++)
        reported[k] = given[4][k] == '1';
    if (given[4][0]) /* "*": all words */
        recognizer_set_keywords(&r, given[4][0] == '*' ? NULL : reported);
    recognizer_push(&r, pcm, samples);
    recognizer_finish(&r);
    return 0;
}
"""
PCM = np.concatenate([*recordings(12), spotters.stream()])


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    """A bundle of CTC, whose keyword is "b"."""
    folder = tmp_path_factory.mktemp("labels") / "bundle"
    decoder = GreedyDecoder(("", *"abcd"), reporting=Reporting(keywords="b"))
    convert(student(), folder, features(), feature_spec=SPEC, decode=decoder)
    return folder


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """A bundle of a window that moves on, by 60 ms."""
    folder = tmp_path_factory.mktemp("windows") / "bundle"
    spotters.converted(folder)
    return folder


@pytest.fixture(scope="module", params=["loop", "labels", "windows"])
def built(request, tmp_path_factory, written):
    """A bundle, and its C code as a program."""
    folder = tmp_path_factory.mktemp("built")
    bundle = written
    if request.param != "loop":
        bundle = request.getfixturevalue(request.param)
    (folder / "main.c").write_text(MAIN)
    line = ["cc", "-O1", "-fsanitize=address,undefined", f"-I{bundle / 'c'}"]
    line += [str(folder / "main.c"), *map(str, (bundle / "c").glob("*.c"))]
    subprocess.run([*line, "-o", str(folder / "main")], check=True)
    return load_bundle(bundle).recognizer, folder / "main"


def said(program, *options):
    line = [str(program), *map(str, options)]
    done = subprocess.run(line, input=PCM.tobytes(), capture_output=True, check=True)
    return [tuple(map(int, line.split())) for line in done.stdout.splitlines()]


def frame_ms(recognizer):
    """Milliseconds from output frame to output frame."""
    stride = recognizer.network.field.stride
    return 1000 * stride * recognizer.spec.frame_step // recognizer.spec.sample_rate_hz


def expected(recognizer, begin=0, threshold=NO_THRESHOLD, suppress=0, keywords=None):
    """What numpy reports, as `said` gives it."""
    rows, labels, step_ms = [], recognizer.words, frame_ms(recognizer)

    def milliseconds(frame):
        return (frame + begin) % 2**32 * step_ms % 2**32

    reporter = Reporter(labels, keywords, threshold, suppress, milliseconds)
    for event in reporter.take(recognizer.found([recognizer.logits(PCM)])[0]):
        if isinstance(event, Utterance):
            rows.append((-1, event.start_ms, event.end_ms, event.words))
        else:
            times = event.start_ms, event.end_ms
            rows.append((event.index, *times, round(1000 * event.confidence)))
    return rows


@pytest.mark.parametrize("passed", [0, 2**16, 2**31, 2**32])
def test_weeks_change_nothing(passed, built):
    """Where its counter of frames passes 2^16, 2^31 and 2^32."""
    recognizer, program = built
    frames = len(recognizer.logits(PCM))
    begin = max(0, passed - frames // 2)
    rows = expected(recognizer, begin)
    assert said(program, begin, NO_THRESHOLD, 0, "*") == rows
    suppress = -(-700 // frame_ms(recognizer))
    fewer = expected(recognizer, begin, threshold=500, suppress=suppress)
    assert said(program, begin, 500, 700, "*") == fewer
    assert 3 < len(fewer) < len(rows)


def test_keywords_are_set_at_run_time(built):
    recognizer, program = built
    word = recognizer.words[1]
    rows = expected(recognizer, keywords=(word,))
    mask = "".join(str(int(label == word)) for label in recognizer.words)
    assert said(program, 0, NO_THRESHOLD, 0, mask) == rows
    assert {index for index, *_ in rows} == {-1, 1}
    of_bundle = expected(recognizer, keywords=recognizer.decoder.reporting.keywords)
    assert said(program, 0, NO_THRESHOLD, 0, "") == of_bundle
