"""The word loop as a graph of transitions: all of its paths summed, with gradients."""

import functools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from keras_rnn2dnn.batches.padding import stacked
from keras_rnn2dnn.hmm.decoding import WordLoopDecoder
from keras_rnn2dnn.hmm.loop_sums import summed_paths
from keras_rnn2dnn.hmm.utterances import batches
from keras_rnn2dnn.util.errors import invalid

# A path may end inside of a word at this weight, so that some path always ends.
_ENDS_ANYWHERE = 1e-12


class LoopGraph:
    """Sums over all state paths through the word loop of a decoder.

    A path weighs what it does in `WordLoopDecoder`. As every word enters all others
    alike, a frame costs no more than there are states of all words.

    Args:
        decoder: gives topology, priors and their scale, penalty and self-loop.

    Raises:
        ValueError: if the decoder has a bigram.

    Example:
        >>> from keras_rnn2dnn.hmm import Topology
        >>> topology = Topology(("a", "b"), states_per_unit=1, silence=False)
        >>> graph = LoopGraph(WordLoopDecoder(topology, self_loop=0.6))
        >>> (occupancies,) = graph.occupancies([np.log([[0.9, 0.1], [0.5, 0.5]])])
        >>> occupancies.round(2).tolist()
        [[0.8..., 0.1...], [0.67..., 0.33...]]
    """

    def __init__(self, decoder: WordLoopDecoder):
        if decoder.bigram is not None:
            hint = "Its paths remember words: leave it out here"
            raise ValueError(invalid("decoder", "none with a bigram", "a bigram", hint))
        self.decoder = decoder
        topology = decoder.topology
        chains = topology.chains
        last = np.cumsum([len(chain) for chain in chains]) - 1
        first = last - [len(chain) - 1 for chain in chains]
        silence = [topology.num_states - 1] * topology.silence
        self.states = np.concatenate([*chains, silence]).astype("int32")
        in_order = np.arange(topology.num_states)
        self._shared = not np.array_equal(self.states, in_order)
        self._weights = self._transitions(first, last)
        final = np.full(len(self.states) + 1, _ENDS_ANYWHERE)
        final[last] = final[-1] = 1.0
        if topology.silence:
            final[-2] = 1.0
        self.final = final

    def _transitions(self, first, last):
        """Returns weights of the nodes; the last node stands before the start.

        `(6, nodes)`: of staying; of coming from the node before; of leaving for the
        start of a word, and for silence; whether a node is either.
        """
        move, enter = 1 - self.decoder.self_loop, np.exp(self.decoder.insertion_penalty)
        weights = np.zeros((6, len(self.states) + 1))
        stay, step, leave, pause, starts, silence = weights
        stay[:-1] = self.decoder.self_loop
        step[: last[-1] + 1] = move
        step[first] = 0
        leave[last], leave[-1], starts[first] = move * enter, enter, 1
        if self.decoder.topology.other:
            penalties = self.decoder.other_penalty, self.decoder.insertion_penalty
            starts[first[-1]] = np.exp(penalties[0] - penalties[1])
        if self.decoder.topology.silence:
            leave[-2] = move * enter
            pause[last], pause[-1], silence[-2] = move, 1, 1
        return weights

    @property
    def matrix(self) -> np.ndarray:
        """Weights from node to node, `(nodes, nodes)`; the last is before the start."""
        stay, step = self._weights[:2]
        shared = self._weights[2:4].T @ self._weights[4:]
        return np.diag(stay) + np.diag(step[1:], 1) + shared

    def scores(self, logits) -> tf.Tensor:
        """Returns logits `(..., states)` less the priors as the decoder scales them."""
        scores = tf.cast(logits, "float32")
        if self.decoder.prior_scale:
            scores -= self.decoder.prior_scale * self.decoder.log_priors
        if self.decoder.other_bias:
            topology = self.decoder.topology
            bias = self.decoder.other_bias
            scores += bias * tf.one_hot(topology.other_state, topology.num_states)
        return scores

    def log_sum(self, logits, weights) -> tf.Tensor:
        """Returns the log of the summed weights of all paths of each utterance.

        Args:
            logits: logits or log-posteriors `(batch, frames, states)`.
            weights: a frame without weight is left out, `(batch, frames)`.

        Returns:
            float32 `(batch,)`; its gradient by the logits is the occupancy of each
            state in each frame.
        """

        @tf.custom_gradient
        def log_sum(scores):
            totals, occupancies = self.paths(scores, weights)

            def gradient(upstream):
                return occupancies() * upstream[:, None, None]

            return totals, gradient

        return log_sum(self.scores(logits))

    def paths(self, scores, weights) -> tuple[tf.Tensor, Callable]:
        """Returns what `log_sum` does, and how to get its gradient.

        Args:
            scores: of `scores`, float32 `(batch, frames, states)`.
            weights: as of `log_sum`.

        Returns:
            `(totals, occupancies)`: float32 `(batch,)`, and a function without
            arguments that returns float32 `(batch, frames, states)`, 0 where no frame
            counts.
        """
        scores, counted = tf.stop_gradient(scores), tf.cast(weights, "float32") > 0
        if self._shared:
            scores = tf.gather(scores, self.states, axis=-1)
        totals, of_nodes = summed_paths(scores, counted, self._weights, self.final)

        def occupancies():
            found = of_nodes()
            if not self._shared:
                return found
            found = tf.transpose(found, (2, 0, 1))
            number = self.decoder.topology.num_states
            found = tf.math.unsorted_segment_sum(found, self.states, number)
            return tf.transpose(found, (1, 2, 0))

        return tf.cast(totals, "float32"), occupancies

    def occupancies(self, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns the posterior of every state given all paths through the loop.

        Args:
            outputs: logits or log-posteriors `(frames, states)` of each utterance.

        Returns:
            float32 `(frames, states)` for each; every frame sums to 1.
        """
        lengths, states = [len(o) for o in outputs], self.decoder.topology.num_states
        found = [np.zeros((0, states), "float32")] * len(outputs)
        for indices in batches(lengths, len(self.final)):
            if not any(lengths[n] for n in indices):
                continue
            logits = stacked(*[outputs[n] for n in indices], dtype="float32")
            counted = stacked(*[np.ones(lengths[n], "float32") for n in indices])
            occupied = self._occupancies(logits, counted).numpy()
            for n, frames in zip(indices, occupied, strict=True):
                found[n] = frames[: lengths[n]]
        return found

    @functools.cached_property
    def _occupancies(self):
        def of_batch(logits, counted):
            _, occupancies = self.paths(self.scores(logits), counted)
            return occupancies()

        states = self.decoder.topology.num_states
        signature = tf.TensorSpec((None, None, states)), tf.TensorSpec((None, None))
        return tf.function(of_batch, input_signature=signature)
