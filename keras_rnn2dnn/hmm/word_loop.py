"""Viterbi search through the loop of words, for many utterances at once."""

import numpy as np

from keras_rnn2dnn.hmm.topology import NEVER


class WordLoop:
    """The nodes of the loop: the chain of each word, then its following silence.

    There is one silence for each previous word, so that it is remembered, and one for
    the start of the utterance. Backwards, an entered node comes from the node before
    it in its word; the first node of a word from the `source` of that frame, which is
    the end of a word or, where `paused`, the silence after it.
    """

    def __init__(self, decoder):
        topology = decoder.topology
        chains = [topology.states_of(word) for word in topology.words]
        sizes = np.array([len(chain) for chain in chains])
        self.num_words = len(chains)
        self.num_inner = sizes.sum()
        self.last = np.cumsum(sizes) - 1
        self.first = self.last - sizes + 1
        self.silence = topology.silence
        silences = np.full((self.num_words + 1) * self.silence, topology.num_states - 1)
        self.states = np.concatenate([*chains, silences])
        # Relative to staying, so that staying costs nothing and needs no addition.
        self.move = np.float32(np.log((1 - decoder.self_loop) / decoder.self_loop))
        self.penalty = np.float32(decoder.insertion_penalty)
        self.bigram = decoder.bigram
        # The last entry is of no node: of an utterance that is over.
        self.word_entered = np.full(len(self.states) + 1, -1)
        self.word_entered[self.first] = np.arange(self.num_words)
        self.is_first = self.word_entered >= 0
        self.before = np.arange(len(self.states) + 1) - 1
        if self.silence:  # that after word w is entered from the last node of w
            self.before[self.num_inner :][: self.num_words] = self.last

    def search(self, scores, lengths):
        """Returns the word that starts in each frame or -1, int `(batch, frames)`."""
        num_frames, _, batch = scores.shape
        num_nodes, words, inner = len(self.states), self.num_words, self.num_inner
        entered = np.zeros((num_frames, num_nodes + 1, batch), bool)
        paused = np.zeros((num_frames, words + 1, batch), bool)
        paused[:, words] = self.silence
        sources = []
        finals = np.zeros(batch, np.intp)
        path = self._start(batch) + scores[0, self.states]
        candidate = np.full((num_nodes, batch), NEVER)
        exits = np.full((words + 1, batch), NEVER)
        for t in range(num_frames):
            if t:
                best, source = self._best_entries(exits)
                sources.append(source)
                np.add(path[: inner - 1], self.move, out=candidate[1:inner])
                candidate[self.first] = best + (self.move + self.penalty)
                if self.silence:
                    candidate[inner:-1] = path[self.last] + self.move
                np.greater(candidate, path, out=entered[t, :-1])
                np.maximum(candidate, path, out=path)
                path += scores[t, self.states]
            exits[:words] = path[self.last]
            if self.silence:
                np.greater(path[inner:-1], exits[:words], out=paused[t, :words])
                exits[:words] = np.maximum(exits[:words], path[inner:-1])
                exits[words] = path[-1]
            ending = np.flatnonzero(lengths == t + 1)
            if ending.size:
                best = exits[:, ending].argmax(axis=0)
                finals[ending] = self._exit_node(best, paused[t, best, ending])
        return self._trace(entered, paused, sources, finals, lengths)

    def _start(self, batch):
        """Returns the weights of starting in each node, `(nodes, batch)`."""
        start = np.full((len(self.states), 1), NEVER)
        start[self.first, 0] = self.penalty
        if self.bigram is not None:
            start[self.first, 0] += self.bigram[-1]
        if self.silence:
            start[-1] = 0
        return np.repeat(start, batch, axis=1)

    def _best_entries(self, exits):
        """Returns the best weight of entering each word, and after which word.

        Both are `(words, batch)` with a bigram, else `(1, batch)` for all words.
        """
        weights = exits[None]
        if self.bigram is not None:
            weights = weights + self.bigram.T[:, :, None]
        kind = np.int8 if self.num_words < 127 else np.int32
        return weights.max(axis=1), weights.argmax(axis=1).astype(kind)

    def _exit_node(self, word, paused):
        """Returns the last node of a word, or the silence after it where paused."""
        last = np.append(self.last, 0)[word]
        return np.where(paused, self.num_inner + word, last)

    def _trace(self, entered, paused, sources, final, lengths):
        """Follows the best paths backwards; see `search`."""
        num_frames, _, batch = entered.shape
        columns = np.arange(batch)
        ending = {t: np.flatnonzero(lengths == t + 1) for t in set(lengths - 1)}
        words = np.full((batch, num_frames), -1)
        node = np.full(batch, len(self.states))  # of utterances that are over
        for t in range(num_frames - 1, 0, -1):
            if t in ending:
                node[ending[t]] = final[ending[t]]
            moved = entered[t, node, columns]
            starts = np.flatnonzero(moved & self.is_first[node])
            before = np.where(moved, self.before[node], node)
            if starts.size:
                word = self.word_entered[node[starts]]
                words[starts, t] = word
                source = sources[t - 1]
                row = word if len(source) > 1 else 0
                previous = source[row, starts]
                pause = paused[t - 1, previous, starts]
                before[starts] = self._exit_node(previous, pause)
            node = before
        node = np.where(lengths == 1, final, node)
        first = self.word_entered[node]
        words[:, 0] = np.where(lengths > 0, first, -1)
        return words
