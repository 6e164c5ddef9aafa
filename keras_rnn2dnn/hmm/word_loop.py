"""Viterbi search through the loop of words, for many utterances at once."""

import copy

import numpy as np

from keras_rnn2dnn.hmm.topology import NEVER


class WordLoop:
    """The nodes of the loop: the chain of each word, then its following silence.

    Other speech, where the topology has it, is a word more, of a penalty of its own.
    There is one silence for each previous word, so that it is remembered, and one for
    the start of the utterance. Backwards, an entered node comes from the node before
    it in its word; the first node of a word from the `source` of that frame, which is
    the end of a word or, where `paused`, the silence after it.
    """

    def __init__(self, decoder):
        topology = decoder.topology
        chains = topology.chains
        sizes = np.array([len(chain) for chain in chains])
        self.num_words, self.num_listed = len(chains), len(topology.words)
        self.num_inner = sizes.sum()
        self.last = np.cumsum(sizes) - 1
        self.first = self.last - sizes + 1
        self.silence = topology.silence
        silences = np.full((self.num_words + 1) * self.silence, topology.num_states - 1)
        self.states = np.concatenate([*chains, silences])
        # Relative to staying, so that staying costs nothing and needs no addition.
        self.move = np.float32(np.log((1 - decoder.self_loop) / decoder.self_loop))
        self.penalty = np.full(self.num_words, decoder.insertion_penalty, np.float32)
        self.penalty[self.num_listed :] = decoder.other_penalty
        self.bigram = decoder.bigram
        # The last entry is of no node: of an utterance that is over.
        self.word_entered = np.full(len(self.states) + 1, -1)
        self.word_entered[self.first] = np.arange(self.num_words)
        self.is_first = self.word_entered >= 0
        self.before = np.arange(len(self.states) + 1) - 1
        if self.silence:  # that after word w is entered from the last node of w
            self.before[self.num_inner :][: self.num_words] = self.last

    def with_penalty(self, insertion_penalty: float) -> "WordLoop":
        """Returns the loop of a decoder that has another insertion penalty."""
        loop = copy.copy(self)
        loop.penalty = self.penalty.copy()
        loop.penalty[: self.num_listed] = insertion_penalty
        return loop

    def search(self, scores, lengths):
        """Returns the word that starts in each frame or -1, int `(batch, frames)`."""
        num_frames, _, batch = scores.shape
        num_nodes, words, inner = len(self.states), self.num_words, self.num_inner
        entered = np.zeros((num_frames, num_nodes + 1, batch), bool)
        paused = np.zeros((num_frames, words + 1, batch), bool)
        paused[:, words] = self.silence
        exits = np.full((num_frames, words + 1, batch), NEVER)
        finals = np.zeros(batch, np.intp)
        path = self._start(batch) + scores[0, self.states]
        candidate = np.full((num_nodes, batch), NEVER)
        emitted, ends = np.empty_like(path), path[self.last]
        for t in range(num_frames):
            if t:
                best = self._best_entries(exits[t - 1])
                np.add(path[: inner - 1], self.move, out=candidate[1:inner])
                candidate[self.first] = best + (self.move + self.penalty)[:, None]
                if self.silence:
                    candidate[inner:-1] = ends + self.move
                np.greater(candidate, path, out=entered[t, :-1])
                np.maximum(candidate, path, out=path)
                path += np.take(scores[t], self.states, 0, emitted, "clip")
            ends = path[self.last]
            if self.silence:
                np.greater(path[inner:-1], ends, out=paused[t, :words])
                np.maximum(ends, path[inner:-1], out=exits[t, :words])
                exits[t, words] = path[-1]
            else:
                exits[t, :words] = ends
            ending = np.flatnonzero(lengths == t + 1)
            if ending.size:
                best = exits[t][:, ending].argmax(axis=0)
                finals[ending] = self._exit_node(best, paused[t, best, ending])
        return self._trace(entered, paused, exits, finals, lengths)

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
        """Returns the best weight of entering each word.

        `(words, batch)` with a bigram, else `(batch,)` for all words.
        """
        if self.bigram is None:
            return exits.max(axis=0)
        return (exits + self.bigram.T[:, :, None]).max(axis=1)

    def _sources(self, exits, words):
        """Returns after which word each of these was entered, `(words,)`.

        Args:
            exits: weights of leaving each word before, `(words + 1, words)`.
            words: that were entered.
        """
        weights = exits if self.bigram is None else exits + self.bigram[:, words]
        return weights.argmax(axis=0)

    def _exit_node(self, word, paused):
        """Returns the last node of a word, or the silence after it where paused."""
        last = np.append(self.last, 0)[word]
        return np.where(paused, self.num_inner + word, last)

    def _trace(self, entered, paused, exits, final, lengths):
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
                previous = self._sources(exits[t - 1][:, starts], word)
                pause = paused[t - 1, previous, starts]
                before[starts] = self._exit_node(previous, pause)
            node = before
        node = np.where(lengths == 1, final, node)
        first = self.word_entered[node]
        words[:, 0] = np.where(lengths > 0, first, -1)
        return words
