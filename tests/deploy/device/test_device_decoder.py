import itertools

import numpy as np
import pytest

from keras_rnn2dnn.deploy.device.decoder import word_loop_tables
from keras_rnn2dnn.deploy.device.paths import search as found_by
from keras_rnn2dnn.hmm import Reporting, Topology, WordLoopDecoder

SCALE = 0.125  # of the logits: exact in 16 bits
UNIT = 2**16
NEVER = -(10**18)

TOPOLOGIES = {
    "one state": Topology("a b", 1),
    "two states": Topology("a b", 2),
    "no silence": Topology("a b c", 1, silence=False),
    "shared phones": Topology(
        "no on o", 1, lexicon={"no": "n o", "on": "o n", "o": "o"}
    ),
    "one word": Topology("a", 2, silence=False),
}
LONG = {
    "words": Topology("a b c d", 3),
    "no silence": Topology("a b c", 2, silence=False),
    "shared phones": Topology(
        "no on oh noon",
        2,
        lexicon={"no": "n o", "on": "o n", "oh": "o", "noon": "n o o n"},
    ),
}
OPTIONS = {
    "plain": {},
    "even": {"self_loop": 0.5, "insertion_penalty": -2.5},
    "fast": {"self_loop": 0.3, "insertion_penalty": -4.0},
    "rewarded": {"self_loop": 0.7, "insertion_penalty": 1.25},
    "priors": {"prior_scale": 0.5, "insertion_penalty": -1.0},
}


def search(tables, logits):
    """Returns words and times."""
    return [[word[:3] for word in words] for words in found_by(tables, logits)]


def made(topology, name, margin=1e6):
    options = {**OPTIONS[name], "reporting": Reporting(margin=margin)}
    if "prior_scale" in options:  # exact in 16 bits
        steps = np.random.default_rng(9).integers(1, 1000, topology.num_states)
        options["log_priors"] = -steps / 128
    return WordLoopDecoder(topology, **options)


def logits_of(topology, frames, seed, level=60):
    """Random logits, each row like the one before."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(frames + 4, topology.num_states)) * level
    smooth = sum(noise[k : k + frames] for k in range(4)) / 2
    return np.clip(np.rint(smooth), -128, 127).astype(np.int8)


class Weights:
    """What the device adds, in Python integers."""

    def __init__(self, decoder):
        priors = decoder.log_priors if decoder.prior_scale else None
        count = decoder.topology.num_states
        self.offsets = [0] * count
        if priors is not None:
            self.offsets = [
                round(-decoder.prior_scale * p * UNIT) for p in priors.tolist()
            ]
        loop = decoder.self_loop
        self.move = round(np.log((1 - loop) / loop) * UNIT)
        self.penalty = round(decoder.insertion_penalty * UNIT)
        words = decoder.topology.words
        self.chains = [decoder.topology.states_of(word).tolist() for word in words]
        self.silence = decoder.topology.silence_state

    def of(self, row):
        slope = round(SCALE * UNIT)
        return [slope * int(z) + o for z, o in zip(row, self.offsets, strict=True)]


def all_paths(weights, logits):
    """Yields score and words with times of every path: all nodes, all moves."""
    scores = [weights.of(row) for row in logits]
    words = range(len(weights.chains))

    def walk(t, word, place, since, score, found):
        state = weights.silence if word is None else weights.chains[word][place]
        score += scores[t][state]
        ends = word is None or place == len(weights.chains[word]) - 1
        if t == len(scores) - 1:
            if ends:
                yield score, found if word is None else (*found, (word, since, t + 1))
            return
        yield from walk(t + 1, word, place, since, score, found)
        moved = score + weights.move
        if not ends:
            yield from walk(t + 1, word, place + 1, since, moved, found)
            return
        if word is not None:
            found = (*found, (word, since, t + 1))
            if weights.silence is not None:
                yield from walk(t + 1, None, 0, 0, moved, found)
        for following in words:
            entered = moved + weights.penalty
            yield from walk(t + 1, following, 0, t + 1, entered, found)

    for word in words:
        yield from walk(0, word, 0, 0, weights.penalty, ())
    if weights.silence is not None:
        yield from walk(0, None, 0, 0, 0, ())


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_words_and_times_are_those_of_the_best_of_all_paths(name, options):
    decoder = made(TOPOLOGIES[name], options)
    tables, weights = word_loop_tables(decoder, SCALE), Weights(decoder)
    logits = [logits_of(decoder.topology, 1 + k % 5, k, level=25) for k in range(15)]
    found = search(tables, logits)
    spoken = 0
    for z, words in zip(logits, found, strict=True):
        paths = list(all_paths(weights, z))
        best = max((score for score, _ in paths), default=None)
        ways = {way for score, way in paths if score == best} or {()}
        assert tuple(words) in ways
        spoken += len(words) * (len(ways) == 1)
    assert spoken >= 5


def score_of(weights, logits, words, times=None):
    """The best score of the paths through words, perhaps with these times."""
    frames, pause = len(logits), weights.silence
    ends = [0, *(end for _, _, end in times or ())]
    starts = [*(start for _, start, _ in times or ()), frames]
    nodes = []  # state, cost of entering, optional, first frame, end

    def add_pause(number):
        if pause is not None:
            span = (ends[number], starts[number]) if times else (0, frames)
            nodes.append((pause, 0, True, *span))

    add_pause(0)
    for number, word in enumerate(words):
        span = times[number][1:] if times else (0, frames)
        for place, state in enumerate(weights.chains[word]):
            cost = 0 if place else weights.penalty
            nodes.append((state, cost, False, *span))
        add_pause(number + 1)
    before = None
    for t, row in enumerate(logits):
        scores, now = weights.of(row), []
        for i, (state, cost, _, start, end) in enumerate(nodes):
            if t == 0:
                reached = i == 0 or (i == 1 and nodes[0][2])
                best = cost if reached else NEVER
            else:
                best = before[i]
                for back in (1, 2):
                    skipped = back == 1 or (i > 1 and nodes[i - 1][2])
                    if i >= back and skipped:
                        best = max(best, before[i - back] + weights.move + cost)
            now.append(best + scores[state] if start <= t < end else NEVER)
        before = now
    ending = [s for k, s in enumerate(before) if all(n[2] for n in nodes[k + 1 :])]
    return max(ending)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", LONG)
def test_words_are_those_of_the_decoder_in_floats(name, options):
    decoder = made(LONG[name], options)
    tables, weights = word_loop_tables(decoder, SCALE), Weights(decoder)
    logits = [logits_of(decoder.topology, 41 + k, k) for k in range(6)]
    found = search(tables, logits)
    expected = decoder([SCALE * z.astype(np.float32) for z in logits])
    names = decoder.topology.words
    for z, words, texts in zip(logits, found, expected, strict=True):
        spoken = [word for word, _, _ in words]
        best = score_of(weights, z, spoken)
        assert score_of(weights, z, spoken, words) == best
        if [names[word] for word in spoken] != texts:  # as good but for float32
            other = score_of(weights, z, [names.index(text) for text in texts])
            assert 0 <= best - other < 0.01 * UNIT
        assert len(spoken) >= 2


def test_scores_by_segments_are_those_of_all_paths():
    """The score by which the words above are compared, by enumeration."""
    decoder = made(TOPOLOGIES["one state"], "fast")
    weights, z = Weights(decoder), logits_of(TOPOLOGIES["one state"], 5, 4)
    best = {}
    for score, words in all_paths(weights, z):
        best[words] = max(score, best.get(words, NEVER))
    for words, score in best.items():
        if words:
            assert score_of(weights, z, [w for w, _, _ in words], words) == score
    by_words = {}
    for words, score in best.items():
        key = tuple(word for word, _, _ in words)
        by_words[key] = max(score, by_words.get(key, NEVER))
    assert len(by_words) > 30
    for words, score in by_words.items():
        assert score_of(weights, z, words) == score


def stream(weights, logits, history, margin=10**18):
    """The search with whole paths, frame by frame: nothing is shared or packed."""
    nodes = [
        (word, place)
        for word, c in enumerate(weights.chains)
        for place in range(len(c))
    ]
    states = list(itertools.chain(*weights.chains))
    if weights.silence is not None:
        nodes, states = [*nodes, (None, 0)], [*states, weights.silence]
    firsts = [k for k, (_, place) in enumerate(nodes) if not place]
    lasts = [nodes.index((word, len(c) - 1)) for word, c in enumerate(weights.chains)]
    # Of each node: score, start of its word, words that are not emitted yet.
    paths = [None] * len(nodes)
    for k in firsts:
        paths[k] = (weights.penalty if nodes[k][0] is not None else 0, 0, ())
    emitted = []

    def score(k):
        return NEVER if paths[k] is None else paths[k][0]

    def emit(word):
        emitted.append(word)
        for k, path in enumerate(paths):  # others end, but for a silence all the time
            silent = weights.silence is not None and k == len(paths) - 1
            if path and path[2][:1] != (word,) and not (silent and not path[2]):
                paths[k] = None
        for k, path in enumerate(paths):
            if path and path[2][:1] == (word,):
                paths[k] = (*path[:2], path[2][1:])

    for t, row in enumerate(logits):
        if t:
            old = [bool(p and p[2] and p[2][0][2] == t - history) for p in paths]
            if any(old):
                best = max(range(len(nodes)), key=score)
                if old[best]:
                    emit(paths[best][2][0])
                else:
                    paths = [None if o else p for p, o in zip(paths, old, strict=True)]
            before, paths = paths, list(paths)
            end = max(lasts, key=lambda k: NEVER if before[k] is None else before[k][0])
            source = None
            if before[end]:
                value, since, words = before[end]
                source = value, t, (*words, (nodes[end][0], since, t))
            entry = source
            if weights.silence is not None:
                pause = before[-1]
                if pause and (source is None or pause[0] > source[0]):
                    entry = pause
                if source and source[0] + weights.move > (pause or (NEVER,))[0]:
                    paths[-1] = source[0] + weights.move, 0, source[2]
            for k, (word, place) in enumerate(nodes):
                if word is None:
                    continue
                come = before[k - 1] if place else entry
                cost = weights.move + (0 if place else weights.penalty)
                if come and come[0] + cost > (before[k] or (NEVER,))[0]:
                    since = come[1] if place else t
                    paths[k] = come[0] + cost, since, come[2]
        scores = weights.of(row)
        for k, path in enumerate(paths):
            if path:
                paths[k] = path[0] + scores[states[k]], *path[1:]
        while True:
            least = max(path[0] for path in paths if path) - margin
            heads = {path[2][:1] for path in paths if path and path[0] >= least}
            if len(heads) != 1 or heads == {()}:
                break
            emit(heads.pop()[0])
    best = max(lasts, key=score) if logits.size else None
    if best is not None and weights.silence is not None and score(-1) > score(best):
        best = len(nodes) - 1
    if best is None or paths[best] is None:
        return emitted
    _, since, words = paths[best]
    if nodes[best][0] is not None:
        words = (*words, (nodes[best][0], since, len(logits)))
    return emitted + list(words)


HISTORIES = (1, 2, 3, 5, 9, 16, 200)


@pytest.mark.parametrize("margin", [1e6, 3.0])
@pytest.mark.parametrize("options", ["plain", "fast", "rewarded"])
@pytest.mark.parametrize("name", LONG)
def test_words_are_those_of_a_search_with_whole_paths(name, options, margin):
    decoder = made(LONG[name], options, margin)
    weights = Weights(decoder)
    logits = [logits_of(decoder.topology, 60, 30 + k, level=20) for k in range(3)]
    changed = 0
    for history in HISTORIES:
        tables = word_loop_tables(decoder, SCALE, history)
        assert tables.history_frames == history
        found = search(tables, logits)
        steps = int(margin * UNIT)
        assert found == [stream(weights, z, history, steps) for z in logits]
        changed += found != search(
            word_loop_tables(made(LONG[name], options), SCALE, 60), logits
        )
    assert changed >= 1  # a short history has its price


@pytest.mark.parametrize("history", [4, 200])
@pytest.mark.parametrize("name", LONG)
def test_of_equal_paths_the_one_of_the_device_wins(name, history):
    """Scores are multiples of the penalty's half: ties in nearly every frame."""
    decoder = made(LONG[name], "even")
    tables, weights = word_loop_tables(decoder, SCALE, history), Weights(decoder)
    generator = np.random.default_rng(7)
    shape = (4, 50, decoder.topology.num_states)
    logits = list((generator.integers(-2, 3, shape) * 10).astype(np.int8))
    found = search(tables, logits)
    assert found == [stream(weights, z, history) for z in logits]
    assert sum(map(len, found)) >= 12


def test_a_long_utterance_of_low_scores_keeps_its_words():
    decoder = WordLoopDecoder(TOPOLOGIES["two states"], self_loop=0.5)
    tables = word_loop_tables(decoder, SCALE)
    states = [0, 0, 1, 2, 3, 3, 3, 4, 4] * 300  # a, b, silence
    logits = np.where(np.eye(5)[states] > 0, -100, -128).astype(np.int8)
    expected = [
        (word, 9 * k + start, 9 * k + end)
        for k in range(300)
        for word, start, end in ((0, 0, 3), (1, 3, 7))
    ]
    assert search(tables, [logits]) == [expected]


@pytest.mark.parametrize("history", [1, 3, 8])
def test_a_short_history_still_decides(history):
    """Logits that say nothing: no word is ever agreed on."""
    decoder = WordLoopDecoder(LONG["no silence"], self_loop=0.5, insertion_penalty=1.0)
    tables = word_loop_tables(decoder, SCALE, history)
    (words,) = search(tables, [np.zeros((50, 6), np.int8)])
    assert [start for _, start, _ in words] == [0, *(end for _, _, end in words[:-1])]
    assert words[-1][2] == 50
    assert len(words) == 25  # each worth its reward, of two frames at least
    assert search(tables, [np.zeros((50, 6), np.int8)]) == [words]


def test_a_long_history_changes_nothing():
    decoder = made(LONG["words"], "plain")
    logits = [logits_of(decoder.topology, n, n) for n in (90, 30)]
    found = [
        search(word_loop_tables(decoder, SCALE, n), logits) for n in (90, 91, 10**6)
    ]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("history", [2, 7, 20])
def test_words_older_than_the_history_are_final(history):
    decoder = made(LONG["shared phones"], "fast")
    tables = word_loop_tables(decoder, SCALE, history)
    logits = logits_of(decoder.topology, 60, 5, level=20)
    (whole,) = search(tables, [logits])
    for frames, words in enumerate(search(tables, [logits[:n] for n in range(61)])):
        final = [word for word in whole if word[2] < frames - history]
        assert words[: len(final)] == final
    assert len(final) >= 3


def test_utterances_in_a_batch_are_those_by_themselves():
    decoder = made(LONG["words"], "even")
    tables = word_loop_tables(decoder, SCALE, 12)
    lengths = (7, 0, 33, 1, 64, 64, 2, 0, 15)
    logits = [logits_of(decoder.topology, n, k) for k, n in enumerate(lengths)]
    found = search(tables, logits)
    assert found == [search(tables, [z])[0] for z in logits]
    assert [bool(words) for words in found] == [n > 2 for n in lengths]


def test_utterances_of_no_and_of_one_frame():
    rows = np.array([[9, -5, 0], [-5, 9, 0], [0, 0, 1]], np.int8)
    one = word_loop_tables(WordLoopDecoder(TOPOLOGIES["one state"]), SCALE)
    logits = [rows[:0], rows[:1], rows[1:2], rows[2:]]
    assert search(one, logits) == [[], [(0, 0, 1)], [(1, 0, 1)], []]
    short = word_loop_tables(WordLoopDecoder(TOPOLOGIES["one word"]), SCALE)
    frames = np.zeros((2, 2), np.int8)
    assert search(short, [frames[:0], frames[:1], frames]) == [[], [], [(0, 0, 2)]]
