"""The decoders of the device in numpy: the same integers, the same words.

See `firmware/c/decoder.c` for the search; here all utterances move together.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.hmm import WordLoopDecoder
from keras_rnn2dnn.util.errors import invalid

MOST_NODES = MOST_FRAMES = (1 << 16) - 1  # nodes or labels, and frames of a word
_DEAD = -(1 << 28)
_HOPELESS = _DEAD // 2
_MOST_BITS = 16
_SAFE = 1 << 24  # of what one frame may add; DEAD + 2^24 cannot come alive
_NEVER = -1  # no record
_LEAST_SLOPE = 16  # a step of the logits; rounded to 3 % at worst

Words = list[tuple[int, int, int]]


@dataclasses.dataclass(frozen=True, eq=False)
class WordLoopTables:
    """A word loop in fixed point, for one int8 student.

    A frame adds `slope * logit + offset[state]` to each path: the score of
    `WordLoopDecoder` but for a constant, in units of 2^-bits nats.

    Args:
        words: the vocabulary.
        state_of_node: state of each node: those of each word, then silence.
        first_node: of each word.
        last_node: of each word.
        silence: whether the last node is silence.
        slope: of the logits.
        offset: of each state.
        move: added for leaving a node rather than staying.
        penalty: added for entering a word.
        history_frames: output frames after which a word is decided at the latest.
        bits: of the fraction.
    """

    words: tuple[str, ...]
    state_of_node: np.ndarray
    first_node: np.ndarray
    last_node: np.ndarray
    silence: bool
    slope: int
    offset: np.ndarray
    move: int
    penalty: int
    history_frames: int
    bits: int


def word_loop_tables(
    decoder: WordLoopDecoder, scale: float, history_frames: int = 200
) -> WordLoopTables:
    """Rounds a decoder to the integers of the device.

    Args:
        decoder: without a bigram.
        scale: of the int8 logits.
        history_frames: output frames after which a word is decided at the latest.

    Returns:
        The tables.

    Raises:
        ValueError: if the decoder has a bigram, or its numbers are too large.
    """
    if decoder.bigram is not None:
        expected = "a word loop without a bigram, as the C code has none"
        raise ValueError(invalid("decode", expected, "a bigram", "Leave it out"))
    topology = decoder.topology
    priors = np.zeros(topology.num_states)
    if decoder.prior_scale:
        priors = -decoder.prior_scale * decoder.log_priors.astype(np.float64)
    move = np.log((1 - decoder.self_loop) / decoder.self_loop)
    summands = (abs(move), abs(decoder.insertion_penalty))
    largest = 128 * scale + np.abs(priors).max() + sum(summands)
    bits = min(_MOST_BITS, int(np.floor(np.log2(_SAFE / largest))))
    unit = 2.0**bits
    if round(scale * unit) < _LEAST_SLOPE:
        expected = "penalties and logits of reasonable size"
        raise ValueError(invalid("decode", expected, f"{largest:.3g} nats in a frame"))
    chains = [topology.states_of(word) for word in topology.words]
    ends = np.cumsum([len(chain) for chain in chains])
    states = max(int(ends[-1]) + topology.silence, topology.num_states)
    if states > MOST_NODES:
        expected = f"at most {MOST_NODES:,} states, as the C code counts in 16 bits"
        raise ValueError(invalid("decode", expected, f"{states:,} states"))
    silence = [[topology.silence_state]] if topology.silence else []
    return WordLoopTables(
        words=topology.words,
        state_of_node=np.concatenate([*chains, *silence]).astype(np.int64),
        first_node=np.append(0, ends[:-1]),
        last_node=ends - 1,
        silence=topology.silence,
        slope=round(scale * unit),
        offset=np.rint(priors * unit).astype(np.int64),
        move=round(move * unit),
        penalty=round(decoder.insertion_penalty * unit),
        history_frames=history_frames,
        bits=bits,
    )


def search(tables: WordLoopTables, logits: Sequence[np.ndarray]) -> list[Words]:
    """Finds the words of utterances, as the device does in a stream.

    Args:
        tables: of `word_loop_tables`.
        logits: int8 `(frames, states)` of each utterance.

    Returns:
        For each utterance `(word, start, end)` in output frames, `end` not included.
    """
    for number, z in enumerate(logits):
        if z.dtype != np.int8:
            raise ValueError(invalid(f"logits[{number}]", "int8 values", z.dtype.name))
    lengths = np.array([len(z) for z in logits], int)
    order = np.argsort(-lengths, kind="stable")  # so that those that go on come first
    padded = np.zeros((len(order), lengths.max(initial=0), len(tables.offset)), np.int8)
    for row, index in enumerate(order):
        padded[row, : lengths[index]] = logits[index]
    paths = Paths(tables, len(order))
    for t in range(padded.shape[1]):
        alive = int((lengths > t).sum())
        paths.step(t, padded[:alive, t])
        for row in np.flatnonzero(lengths[order] == t + 1):
            paths.finish(row, t + 1)
    found: list[Words] = [[] for _ in order]
    for row, index in enumerate(order):
        found[index] = paths.words[row]
    return found


class Paths:
    """The best path into each node, `(utterances, nodes)`; records are by frame."""

    def __init__(self, tables, utterances):
        self.tables = tables
        shape = (utterances, len(tables.state_of_node))
        inner = np.arange(len(tables.state_of_node) - tables.silence)
        self.later = np.setdiff1d(inner, tables.first_node)  # nodes within words
        self.score = np.full(shape, _DEAD, np.int64)
        self.score[:, tables.first_node] = tables.penalty
        if tables.silence:
            self.score[:, -1] = 0
        self.since = np.zeros(shape, np.int64)
        self.last = np.full(shape, _NEVER)  # frame of the last record
        self.first = np.full(shape, _NEVER)  # and of the oldest that is pending
        self.records: list[dict] = [{} for _ in range(utterances)]
        self.words: list[Words] = [[] for _ in range(utterances)]

    def step(self, t, logits):
        """Moves the first `len(logits)` utterances by one frame."""
        count = len(logits)
        if t:
            self._decide(t, count)
            self._move(t, count)
        score = self.score[:count]
        added = self.tables.slope * logits.astype(np.int64) + self.tables.offset
        score += added[:, self.tables.state_of_node]
        score -= score.max(axis=1, keepdims=True)
        self._kill(*np.nonzero(score <= _HOPELESS))
        while True:  # commit what all agree on
            alive, first = score > _HOPELESS, self.first[:count]
            low = np.where(alive, first, np.iinfo(np.int64).max).min(axis=1)
            high = np.where(alive, first, _NEVER).max(axis=1)
            rows = np.flatnonzero((low == high) & (high != _NEVER))
            if not len(rows):
                return
            for row in rows:
                self._commit(row, int(high[row]))

    def finish(self, row, frames):
        """Ends an utterance with the words on its best path."""
        ends = self.score[row, self.tables.last_node]
        word = int(ends.argmax())
        node = int(self.tables.last_node[word])
        paused = self.tables.silence and self.score[row, -1] > ends[word]
        node = len(self.tables.state_of_node) - 1 if paused else node
        if self.score[row, node] <= _HOPELESS:
            return
        since = max(int(self.since[row, node]), frames - MOST_FRAMES)
        while self.first[row, node] != _NEVER:
            self._commit(row, int(self.first[row, node]))
        if not paused:
            self.words[row].append((word, since, frames))

    def _kill(self, rows, nodes):
        self.score[rows, nodes] = _DEAD
        self.last[rows, nodes] = self.first[rows, nodes] = _NEVER

    def _commit(self, row, record):
        """Takes a record off all paths that begin with it."""
        records = self.records[row]
        nodes = np.flatnonzero(self.first[row] == record)
        ends = self.last[row, nodes]
        for end in np.unique(ends):
            same, following = nodes[ends == end], int(end)
            if following == record:
                self.last[row, same] = self.first[row, same] = _NEVER
                continue
            while records[following][2] != record:
                following = records[following][2]
            self.first[row, same] = following
        word, since, _ = records[record]
        self.words[row].append((word, since, record))

    def _decide(self, t, count):
        """Decides on the record that is `history_frames` old, by the best path."""
        oldest = t - self.tables.history_frames
        waiting = self.first[:count] == oldest
        for row in np.flatnonzero(waiting.any(axis=1)) if oldest >= 0 else ():
            best = int(self.score[row].argmax())
            chosen = bool(waiting[row, best])
            others = np.flatnonzero(waiting[row] != chosen)
            self._kill(np.full(len(others), row), others)
            if chosen:
                self._commit(row, oldest)
            self.records[row] = {
                k: v for k, v in self.records[row].items() if k > oldest
            }

    def _move(self, t, count):
        tables, rows = self.tables, np.arange(count)
        score, since = self.score[:count], self.since[:count]
        last, first = self.last[:count], self.first[:count]
        word = score[:, tables.last_node].argmax(axis=1)
        end = tables.last_node[word]
        for row in rows:  # a record in each frame, of the best word that may end
            before = int(last[row, end[row]])
            start = max(int(since[row, end[row]]), t - MOST_FRAMES)
            self.records[row][t] = (int(word[row]), start, before)
        end_score = score[rows, end].copy()
        end_first = first[rows, end]
        end_first = np.where(end_first == _NEVER, t, end_first)
        source = end_score, np.full(count, t), end_first
        if tables.silence:
            paused = score[:, -1] > end_score
            pause = score[:, -1].copy(), last[:, -1].copy(), first[:, -1].copy()
            source = tuple(
                np.where(paused, *p) for p in zip(pause, source, strict=True)
            )
            better = end_score + tables.move > score[:, -1]
            score[better, -1] = end_score[better] + tables.move
            last[better, -1], first[better, -1] = t, end_first[better]
        self._advance(score, since, last, first)
        entry = (source[0] + tables.move + tables.penalty)[:, None]
        utterances, words = np.nonzero(entry > score[:, tables.first_node])
        nodes = tables.first_node[words]
        score[utterances, nodes], since[utterances, nodes] = entry[utterances, 0], t
        last[utterances, nodes] = source[1][utterances]
        first[utterances, nodes] = source[2][utterances]

    def _advance(self, *fields):
        """Moves paths to the next node of their word where that is better."""
        nodes = self.later
        candidate = fields[0][:, nodes - 1] + self.tables.move
        better = candidate > fields[0][:, nodes]
        for field in fields[1:]:
            field[:, nodes] = np.where(better, field[:, nodes - 1], field[:, nodes])
        fields[0][:, nodes] = np.where(better, candidate, fields[0][:, nodes])
