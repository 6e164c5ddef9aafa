"""Recognition: the best word sequence through a loop of all words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from keras_rnn2dnn.errors import invalid
from keras_rnn2dnn.hmm.topology import NEVER, Topology
from keras_rnn2dnn.hmm.utterances import (
    as_utterances,
    batches,
    check_scores,
    check_self_loop,
)

_FLOOR = np.float32(-1e6)


@dataclass(frozen=True, eq=False)
class WordLoopDecoder:
    """Finds the best words by Viterbi search over a loop of the vocabulary.

    With `a` the self-loop probability, the words `w[1], ..., w[n]` on the state path
    `j[0], ..., j[T - 1]` weigh

        sum_t (log_posteriors[t, j[t]] - prior_scale * log_priors[j[t]])
        + stays * log(a) + moves * log(1 - a)
        + sum_i (insertion_penalty + bigram[w[i - 1], w[i]])

    (hybrid decoding: Bourlard and Morgan, "Connectionist speech recognition", 1994).
    Silence, where the topology has it, may stand between words and at both ends.
    Words may share states: the search runs over the positions inside each word. With
    a bigram, every frame costs the square of the vocabulary: keep that one small.

    Args:
        topology: the states of the words.
        log_priors: log-probability of each state, `(states,)`; see
            `estimate_log_priors`. Needed where `prior_scale` is not 0.
        prior_scale: how much of the priors is taken away from the posteriors.
        insertion_penalty: added at each word entry; negative gives fewer words.
        bigram: log-probabilities `(words + 1, words)` of each word (column) after
            each word (row); the last row is the start of the utterance. The previous
            word is remembered through silence. -inf forbids a pair.
        self_loop: probability of staying in a state from one frame to the next.

    Raises:
        ValueError: if the shape of `log_priors` or `bigram` does not fit the topology,
            a number is not finite, or `prior_scale` has no priors.

    Example:
        >>> topology = Topology(("a", "b"), states_per_unit=1)
        >>> decoder = WordLoopDecoder(topology, insertion_penalty=-1.0)
        >>> posteriors = [[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1]]
        >>> decoder([np.log(posteriors)])
        [['a', 'b']]
    """

    topology: Topology
    log_priors: np.ndarray | None = None
    prior_scale: float = 0.0
    insertion_penalty: float = 0.0
    bigram: np.ndarray | None = None
    self_loop: float = 0.7

    def __post_init__(self):
        check_self_loop(self.self_loop)
        for name in ("prior_scale", "insertion_penalty"):
            value = float(getattr(self, name))
            if not np.isfinite(value):
                raise ValueError(invalid(name, "a finite number", value))
            object.__setattr__(self, name, value)
        words, states = len(self.topology.words), self.topology.num_states
        if self.log_priors is not None:
            self._set_array("log_priors", (states,), floor=None)
        elif self.prior_scale:
            expected = "state log-priors, as prior_scale is not 0"
            hint = "See estimate_log_priors"
            raise ValueError(invalid("log_priors", expected, None, hint))
        if self.bigram is not None:
            self._set_array("bigram", (words + 1, words), floor=NEVER)

    def __eq__(self, other):
        same = isinstance(other, WordLoopDecoder)
        return same and self.to_dict() == other.to_dict()

    def __call__(
        self,
        log_posteriors: np.ndarray | Sequence[np.ndarray],
        num_frames: np.ndarray | None = None,
    ) -> list[list[str]]:
        """Returns `decode(log_posteriors, num_frames)`."""
        return self.decode(log_posteriors, num_frames)

    def decode(
        self,
        log_posteriors: np.ndarray | Sequence[np.ndarray],
        num_frames: np.ndarray | None = None,
    ) -> list[list[str]]:
        """Returns the best words of every utterance.

        Args:
            log_posteriors: `(batch, frames, states)`, or a list of
                `(frames, states)`. A constant per frame changes nothing: logits do.
            num_frames: frames that count `(batch,)`; the others are padding at the
                end. Not with a list.

        Returns:
            A list of words for each utterance; empty where nothing but silence was
            found, or the utterance has too few frames for any word.

        Raises:
            ValueError: if shapes do not fit, or a score is NaN or positive infinity.
        """
        utterances = as_utterances(log_posteriors, num_frames, "log_posteriors")
        check_scores(utterances, self.topology.num_states, "log_posteriors")
        loop = _WordLoop(self)
        hypotheses = [[] for _ in utterances]
        lengths = np.array([len(u) for u in utterances])
        for indices in batches(lengths, len(loop.states)):
            if lengths[indices].max() == 0:
                continue
            scores = self._scores([utterances[i] for i in indices])
            entries = loop.search(scores, lengths[indices])
            for index, row in zip(indices, entries, strict=True):
                words = row[row >= 0]
                hypotheses[index] = [self.topology.words[word] for word in words]
        return hypotheses

    def to_dict(self) -> dict:
        """Returns the arguments of the constructor, ready for JSON."""
        arrays = {"log_priors": self.log_priors, "bigram": self.bigram}
        return {
            "topology": self.topology.to_dict(),
            "prior_scale": self.prior_scale,
            "insertion_penalty": self.insertion_penalty,
            "self_loop": self.self_loop,
            **{k: None if v is None else v.tolist() for k, v in arrays.items()},
        }

    @classmethod
    def from_dict(cls, config: Mapping) -> "WordLoopDecoder":
        """Rebuilds a decoder from `to_dict()`.

        Example:
            >>> decoder = WordLoopDecoder(Topology(("yes", "no")), self_loop=0.6)
            >>> WordLoopDecoder.from_dict(decoder.to_dict()) == decoder
            True
        """
        return cls(**{**config, "topology": Topology.from_dict(config["topology"])})

    def _set_array(self, name, shape, floor):
        """Replaces a field by a read-only float32 array of this shape."""
        array = np.array(getattr(self, name), np.float32)
        if array.shape != shape:
            received = f"an array of shape {array.shape}"
            raise ValueError(invalid(name, f"an array of shape {shape}", received))
        array = array if floor is None else np.maximum(array, floor)
        if not np.isfinite(array).all():
            raise ValueError(invalid(name, "finite log-probabilities", array))
        array.flags.writeable = False
        object.__setattr__(self, name, array)

    def _scores(self, utterances):
        """Returns `(frames, states, batch)`, the best score of each frame 0."""
        longest = max(map(len, utterances))
        shape = (len(utterances), longest, self.topology.num_states)
        scores = np.zeros(shape, np.float32)
        for row, utterance in zip(scores, utterances, strict=True):
            frames = np.maximum(utterance, NEVER)
            if self.prior_scale:
                frames -= np.float32(self.prior_scale) * self.log_priors
            frames -= frames.max(axis=1, keepdims=True)
            np.maximum(frames, _FLOOR, out=row[: len(frames)])
        return np.ascontiguousarray(scores.transpose(1, 2, 0))


class _WordLoop:
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
        self.word_entered = np.full(len(self.states), -1)
        self.word_entered[self.first] = np.arange(self.num_words)

    def search(self, scores, lengths):
        """Returns the word that starts in each frame or -1, int `(batch, frames)`."""
        num_frames, _, batch = scores.shape
        num_nodes, words, inner = len(self.states), self.num_words, self.num_inner
        entered = np.zeros((num_frames, num_nodes, batch), bool)
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
                np.greater(candidate, path, out=entered[t])
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

    def _trace(self, entered, paused, sources, node, lengths):
        """Follows the best paths backwards; see `search`."""
        num_frames, _, batch = entered.shape
        columns = np.arange(batch)
        words = np.full((batch, num_frames), -1)
        final, node = node, np.zeros(batch, np.intp)
        for t in range(num_frames - 1, 0, -1):
            node = np.where(t == lengths - 1, final, node)
            moved = entered[t, node, columns] & (t < lengths)
            word = self.word_entered[node]
            starts = np.flatnonzero(moved & (word >= 0))
            # The silence after word w is entered from the last node of w.
            after = np.clip(node - self.num_inner, 0, self.num_words - 1)
            before = np.where(node < self.num_inner, node - 1, self.last[after])
            node = np.where(moved, before, node)
            if starts.size:
                word = word[starts]
                words[starts, t] = word
                source = sources[t - 1]
                row = word if len(source) > 1 else 0
                previous = source[row, starts]
                pause = paused[t - 1, previous, starts]
                node[starts] = self._exit_node(previous, pause)
        node = np.where(lengths == 1, final, node)
        first = self.word_entered[node]
        words[:, 0] = np.where(lengths > 0, first, -1)
        return words
