"""The search of the device in numpy: the same integers, the same words.

See `firmware/c/decoder.c` for the search; here all utterances move together.
"""

from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.deploy.device.decoder import DEAD, HOPELESS, WordLoopTables
from keras_rnn2dnn.deploy.device.events import (
    MOST_FRAMES,
    OVER,
    Found,
    Limits,
    confidence,
)
from keras_rnn2dnn.util.errors import invalid

_NEVER = -1  # no record
_NO_LIMITS = Limits()


def search(
    tables: WordLoopTables, logits: Sequence[np.ndarray], limits: Limits = _NO_LIMITS
) -> list[list[Found]]:
    """Finds the words of utterances, as the device does in a stream.

    Args:
        tables: of `word_loop_tables`.
        logits: int8 `(frames, states)` of each utterance.
        limits: of which silence and longest utterance count.

    Returns:
        For each utterance what was found.
    """
    for number, z in enumerate(logits):
        if z.dtype != np.int8:
            raise ValueError(invalid(f"logits[{number}]", "int8 values", z.dtype.name))
    lengths = np.array([len(z) for z in logits], int)
    order = np.argsort(-lengths, kind="stable")  # so that those that go on come first
    padded = np.zeros((len(order), lengths.max(initial=0), len(tables.offset)), np.int8)
    for row, index in enumerate(order):
        padded[row, : lengths[index]] = logits[index]
    paths = Paths(tables, len(order), limits)
    for t in range(padded.shape[1]):
        alive = int((lengths > t).sum())
        paths.step(t, padded[:alive, t])
        for row in np.flatnonzero(lengths[order] == t + 1):
            paths.finish(row, t + 1)
    found: list[list[Found]] = [[] for _ in order]
    for row, index in enumerate(order):
        found[index] = paths.found[row]
    return found


class Paths:
    """The best path into each node, `(utterances, nodes)`; records are by frame.

    Args:
        tables: of `word_loop_tables`.
        utterances: how many.
        limits: of which silence and longest utterance count.
    """

    def __init__(
        self, tables: WordLoopTables, utterances: int, limits: Limits = _NO_LIMITS
    ):
        self.tables, self.limits = tables, limits
        shape = (utterances, len(tables.state_of_node))
        inner = np.arange(len(tables.state_of_node) - tables.silence)
        self.later = np.setdiff1d(inner, tables.first_node)  # nodes within words
        self.score = np.full(shape, DEAD, np.int64)
        self.score[:, tables.first_node] = tables.penalties
        if tables.silence:
            self.score[:, -1] = 0
        self.since = np.zeros(shape, np.int64)
        self.base = np.zeros(shape, np.int64)  # score less background, as it began
        self.last = np.full(shape, _NEVER)  # frame of the last record
        self.first = np.full(shape, _NEVER)  # and of the oldest that is pending
        self.records: list[dict] = [{} for _ in range(utterances)]
        self.found: list[list[Found]] = [[] for _ in range(utterances)]
        self.background = np.zeros(utterances, np.int64)  # its path, never pruned
        self.silent = np.zeros(utterances, np.int64)  # frames of silence so far
        self.spoken = np.zeros(utterances, np.int64)  # frames of the utterance

    def step(self, t, logits):
        """Moves the first `len(logits)` utterances by one frame."""
        count = len(logits)
        if t:
            self._decide(t, count)
            self._move(t, count)
        score = self.score[:count]
        added = self.tables.slope * logits.astype(np.int64) + self.tables.offset
        score += added[:, self.tables.state_of_node]
        best = score.max(axis=1)
        score -= best[:, None]
        self.background[:count] += added[:, self.tables.background].max(axis=1) - best
        self._kill(*np.nonzero(score <= HOPELESS))
        self._commit_agreed(count)
        self._end_utterances(t, count)

    def finish(self, row, frames):
        """Ends an utterance with the words on its best path."""
        ends = self.score[row, self.tables.last_node]
        word = int(ends.argmax())
        node = int(self.tables.last_node[word])
        paused = self.tables.silence and self.score[row, -1] > ends[word]
        node = len(self.tables.state_of_node) - 1 if paused else node
        if self.score[row, node] <= HOPELESS:
            return
        since = max(int(self.since[row, node]), frames - MOST_FRAMES)
        gain = self._gain(row, node)
        while self.first[row, node] != _NEVER:
            self._commit(row, int(self.first[row, node]))
        if not paused:
            self._emit(row, word, since, frames, gain)

    def _emit(self, row, word, start, end, gain):
        found = Found(word, start, end, confidence(gain, end - start))
        self.found[row].append(found)

    def _gain(self, row, node):
        """Returns by how much a path beats the background since its word began."""
        score = int(self.score[row, node] - self.background[row])
        gain = (score >> self.tables.gain_shift) - int(self.base[row, node])
        return (gain + (1 << 31)) % (1 << 32) - (1 << 31)  # as the device counts

    def _kill(self, rows, nodes):
        self.score[rows, nodes] = DEAD
        self.last[rows, nodes] = self.first[rows, nodes] = _NEVER

    def _commit_agreed(self, count):
        """Commits what all paths agree on that are near the best one."""
        margin = self.tables.margin
        least = HOPELESS if margin is None else -margin - 1
        while True:
            near, first = self.score[:count] > least, self.first[:count]
            low = np.where(near, first, np.iinfo(np.int64).max).min(axis=1)
            high = np.where(near, first, _NEVER).max(axis=1)
            rows = np.flatnonzero((low == high) & (high != _NEVER))
            if not len(rows):
                return
            for row in rows:
                self._choose(row, int(high[row]))

    def _choose(self, row, record):
        """Commits a record; the paths without it end.

        But for one that was silent all the time, which may have come from it too.
        """
        others = self.first[row] != record
        if self.tables.margin is not None and self.tables.silence:
            others[-1] &= self.first[row, -1] != _NEVER
        nodes = np.flatnonzero(others)
        self._kill(np.full(len(nodes), row), nodes)
        self._commit(row, record)

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
        word, since, _, gain = records[record]
        self._emit(row, word, since, record, gain)

    def _decide(self, t, count):
        """Decides on the record that is `history_frames` old, by the best path."""
        oldest = t - self.tables.history_frames
        waiting = self.first[:count] == oldest
        for row in np.flatnonzero(waiting.any(axis=1)) if oldest >= 0 else ():
            best = int(self.score[row].argmax())
            if waiting[row, best]:
                self._choose(row, oldest)
            else:
                nodes = np.flatnonzero(waiting[row])
                self._kill(np.full(len(nodes), row), nodes)
            self.records[row] = {
                k: v for k, v in self.records[row].items() if k > oldest
            }

    def _end_utterances(self, t, count):
        """Ends those that are silent, or last, for long enough."""
        limits, best = self.limits, self.score[:count].argmax(axis=1)
        silent, spoken = self.silent[:count], self.spoken[:count]
        is_silent = np.zeros(count, bool)
        if self.tables.silence:
            is_silent = self.score[:count, -1] == 0
        silent[:] = np.where(is_silent, silent + 1, 0)
        spoken[:] = np.where((spoken > 0) | ~is_silent, spoken + 1, 0)
        quiet = is_silent & (silent == limits.silence)
        over = quiet | (spoken >= limits.longest if limits.longest else False)
        for row in np.flatnonzero(over):
            node = -1 if is_silent[row] else int(best[row])
            self._end(row, t, node, quiet[row])
            spoken[row] = 0
        if limits.silence:
            spoken[silent >= limits.silence] = 0

    def _end(self, row, t, node, is_quiet):
        """Ends an utterance by the path of a node, which goes on."""
        while (record := int(self.first[row, node])) != _NEVER:
            self._choose(row, record)
        if is_quiet:  # words that began before the silence are none of its
            age = np.minimum(t + 1 - self.since[row], MOST_FRAMES)
            long = age > self.silent[row]
            nodes = np.flatnonzero(long[:-1] | (self.first[row, :-1] != _NEVER))
            self._kill(np.full(len(nodes), row), nodes)
        self.found[row].append(Found(OVER, t + 1, t + 1, 0))

    def _move(self, t, count):
        tables, rows = self.tables, np.arange(count)
        score, since, base = (x[:count] for x in (self.score, self.since, self.base))
        last, first = self.last[:count], self.first[:count]
        word = score[:, tables.last_node].argmax(axis=1)
        end = tables.last_node[word]
        for row in rows:  # a record in each frame, of the best word that may end
            before = int(last[row, end[row]])
            start = max(int(since[row, end[row]]), t - MOST_FRAMES)
            gain = self._gain(row, end[row])
            self.records[row][t] = (int(word[row]), start, before, gain)
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
        self._advance(score, since, base, last, first)
        entry = (source[0] + tables.move)[:, None] + tables.penalties
        utterances, words = np.nonzero(entry > score[:, tables.first_node])
        nodes = tables.first_node[words]
        score[utterances, nodes], since[utterances, nodes] = entry[utterances, words], t
        begun = (source[0] - self.background[:count]) >> tables.gain_shift
        base[utterances, nodes] = begun[utterances]
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
