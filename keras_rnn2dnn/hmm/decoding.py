"""Recognition: the best word sequence through a loop of all words."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from keras_rnn2dnn.hmm.reporting import Reporting
from keras_rnn2dnn.hmm.topology import NEVER, OTHER, Topology
from keras_rnn2dnn.hmm.utterances import (
    as_utterances,
    batches,
    check_scores,
    check_self_loop,
)
from keras_rnn2dnn.hmm.word_loop import WordLoop
from keras_rnn2dnn.util.checksums import fields_of
from keras_rnn2dnn.util.errors import invalid

_FLOOR = np.float32(-1e6)
_OF_OTHER = ("other_penalty", "other_bias")


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
        other_penalty: added at each entry of other speech, which is never a word of
            the result; 0 where the topology has none.
        other_bias: added to the score of other speech in every frame; negative gives
            more words, right ones and false ones. 0 where the topology has none.
        reporting: which of the words a device and `Recognizer` report, and when.

    Raises:
        ValueError: if the shape of `log_priors` or `bigram` does not fit the topology,
            a number is not finite, `prior_scale` has no priors, or there is a bigram
            beside other speech.

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
    other_penalty: float = 0.0
    other_bias: float = 0.0
    reporting: Reporting = field(default_factory=Reporting)

    def __post_init__(self):
        check_self_loop(self.self_loop)
        self.reporting.check_keywords(self.topology.words)
        for name in ("prior_scale", "insertion_penalty", *_OF_OTHER):
            value = float(getattr(self, name))
            if not np.isfinite(value):
                raise ValueError(invalid(name, "a finite number", value))
            if name == "prior_scale" and value < 0:
                raise ValueError(invalid(name, "a number >= 0", value))
            if name in _OF_OTHER and value and not self.topology.other:
                expected = "0, as the topology has no other speech"
                raise ValueError(invalid(name, expected, value))
            object.__setattr__(self, name, value)
        words, states = len(self.topology.words), self.topology.num_states
        if self.log_priors is not None:
            self._set_array("log_priors", (states,), floor=None)
        elif self.prior_scale:
            expected = "state log-priors, as prior_scale is not 0"
            hint = "See estimate_log_priors"
            raise ValueError(invalid("log_priors", expected, None, hint))
        if self.bigram is not None and self.topology.other:
            expected = "none, as the topology has other speech"
            raise ValueError(invalid("bigram", expected, "a bigram"))
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
        keep_other: bool = False,
    ) -> list[list[str]]:
        """Returns the best words of every utterance.

        Args:
            log_posteriors: `(batch, frames, states)`, or a list of
                `(frames, states)`. A constant per frame changes nothing: logits do.
            num_frames: frames that count `(batch,)`; the others are padding at the
                end. Not with a list.
            keep_other: whether other speech stands as `<unk>` among the words.

        Returns:
            A list of words for each utterance; empty where nothing but silence was
            found, or the utterance has too few frames for any word.

        Raises:
            ValueError: if shapes do not fit, or a score is NaN or positive infinity.
        """
        utterances = as_utterances(log_posteriors, num_frames, "log_posteriors")
        check_scores(utterances, self.topology.num_states, "log_posteriors")
        (hypotheses,) = best_words([self], utterances, keep_other)
        return hypotheses

    def to_dict(self) -> dict:
        """Returns the arguments of the constructor, ready for JSON."""
        arrays = {"log_priors": self.log_priors, "bigram": self.bigram}
        of_other = {name: getattr(self, name) for name in _OF_OTHER}
        return {
            "topology": self.topology.to_dict(),
            "prior_scale": self.prior_scale,
            "insertion_penalty": self.insertion_penalty,
            "self_loop": self.self_loop,
            **{k: None if v is None else v.tolist() for k, v in arrays.items()},
            **{name: value for name, value in of_other.items() if value},
            "reporting": self.reporting.to_dict(),
        }

    @classmethod
    def from_dict(cls, config: Mapping) -> "WordLoopDecoder":
        """Rebuilds a decoder from `to_dict()`.

        Raises:
            ValueError: if a field is out of its range, or a sum in it, as the package
                writes it, is not that of the fields.

        Example:
            >>> decoder = WordLoopDecoder(Topology(("yes", "no")), self_loop=0.6)
            >>> WordLoopDecoder.from_dict(decoder.to_dict()) == decoder
            True
        """
        fields = fields_of(cls, config)
        fields["topology"] = Topology.from_dict(fields["topology"])
        if "reporting" in fields:
            fields["reporting"] = Reporting.from_dict(fields["reporting"])
        return cls(**fields)

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

    @functools.cached_property
    def _loop(self):
        """The nodes of the search, built once."""
        return WordLoop(self)

    def _scores(self, utterances):
        """Returns `(frames, states, batch)`, the best score of each frame 0."""
        longest = max(map(len, utterances))
        shape = (len(utterances), longest, self.topology.num_states)
        scores = np.zeros(shape, np.float32)
        for row, utterance in zip(scores, utterances, strict=True):
            frames = np.maximum(utterance, NEVER)
            if self.prior_scale:
                frames -= np.float32(self.prior_scale) * self.log_priors
            if self.other_bias:
                frames[:, self.topology.other_state] += np.float32(self.other_bias)
            frames -= frames.max(axis=1, keepdims=True)
            np.maximum(frames, _FLOOR, out=row[: len(frames)])
        return np.ascontiguousarray(scores.transpose(1, 2, 0))


def best_words(
    decoders: Sequence[WordLoopDecoder],
    utterances: Sequence[np.ndarray],
    keep_other: bool = False,
) -> list[list[list[str]]]:
    """Decodes with decoders that differ in nothing but the insertion penalty.

    Args:
        decoders: of which the first one's scores are taken for all.
        utterances: log-posteriors, `(frames, states)` each.
        keep_other: whether other speech stands as `<unk>` among the words.

    Returns:
        For each decoder what its `decode` returns.
    """
    first = decoders[0]
    texts = (*first.topology.words, *[OTHER] * keep_other)
    loops = [first._loop.with_penalty(d.insertion_penalty) for d in decoders]
    found = [[[] for _ in utterances] for _ in decoders]
    lengths = np.array([len(u) for u in utterances])
    for indices in batches(lengths, len(loops[0].states)):
        if lengths[indices].max() == 0:
            continue
        scores = first._scores([utterances[i] for i in indices])
        for loop, hypotheses in zip(loops, found, strict=True):
            entries = loop.search(scores, lengths[indices])
            for index, row in zip(indices, entries, strict=True):
                words = row[(row >= 0) & (row < len(texts))]
                hypotheses[index] = [texts[word] for word in words]
    return found
