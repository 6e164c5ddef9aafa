"""The tables of the device's decoders: the same integers in numpy and in C."""

import dataclasses

import numpy as np

from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.hmm import WordLoopDecoder
from keras_rnn2dnn.util.errors import invalid

MOST_NODES = (1 << 16) - 1  # or labels
DEAD = -(1 << 28)
HOPELESS = DEAD // 2
_MOST_BITS = 16
_GAIN_BITS = 7  # of the fraction of a word's gain
_SAFE = 1 << 24  # of what one frame may add; DEAD + 2^24 cannot come alive
_LEAST_SLOPE = 16  # a step of the logits; rounded to 3 % at worst


@dataclasses.dataclass(frozen=True, eq=False)
class WordLoopTables:
    """A word loop in fixed point, for one int8 student.

    A frame adds `slope * logit + offset[state]` to each path: the score of
    `WordLoopDecoder` but for a constant, in units of 2^-bits nats.

    Args:
        words: the vocabulary.
        state_of_node: state of each node: those of each word, then those of other
            speech, if there is such, then silence.
        first_node: of each word, and of other speech.
        last_node: of each word, and of other speech.
        silence: whether the last node is silence.
        slope: of the logits.
        offset: of each state.
        move: added for leaving a node rather than staying.
        penalty: added for entering a word.
        history_frames: output frames after which a word is decided at the latest.
        bits: of the fraction.
        other_penalty: added for entering other speech; None where there is none.
        background: states that stand for what is no word: silence and other speech,
            or all of them where there is neither.
        margin: by which a path must be worse than the best one to hold back no word;
            None: as bundles did it that say nothing of it.
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
    other_penalty: int | None
    background: np.ndarray
    margin: int | None

    @property
    def gain_shift(self) -> int:
        """Bits that the gain of a word has less than a score."""
        return max(0, self.bits - _GAIN_BITS)

    @property
    def penalties(self) -> np.ndarray:
        """What is added for entering each word, and other speech."""
        other = [] if self.other_penalty is None else [self.other_penalty]
        return np.array([self.penalty] * len(self.words) + other)


@dataclasses.dataclass(frozen=True)
class CtcTables:
    """The best path of CTC, for one int8 student.

    Args:
        labels: of all classes.
        blank: its class.
        slope: of the logits, in 2^-16 nats.
        earlier: whether the bundle says nothing of what it reports.
    """

    labels: tuple[str, ...]
    blank: int
    slope: int
    earlier: bool = False


def ctc_tables(decoder: GreedyDecoder, scale: float) -> CtcTables:
    """Rounds the scale of int8 logits to the integers of the device."""
    earlier = decoder.reporting.decide_ms is None
    slope = min(max(1, round(scale * 2.0**_MOST_BITS)), _SAFE)
    return CtcTables(tuple(decoder.labels), decoder.blank, slope, earlier)


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
    if topology.other:
        priors[topology.other_state] += decoder.other_bias
    move = np.log((1 - decoder.self_loop) / decoder.self_loop)
    penalties = abs(decoder.insertion_penalty), abs(decoder.other_penalty)
    summands = (abs(move), max(penalties))
    largest = 128 * scale + np.abs(priors).max() + sum(summands)
    bits = min(_MOST_BITS, int(np.floor(np.log2(_SAFE / largest))))
    unit = 2.0**bits
    if round(scale * unit) < _LEAST_SLOPE:
        expected = "penalties and logits of reasonable size"
        raise ValueError(invalid("decode", expected, f"{largest:.3g} nats in a frame"))
    chains = topology.chains
    ends = np.cumsum([len(chain) for chain in chains])
    states = max(int(ends[-1]) + topology.silence, topology.num_states)
    if states > MOST_NODES:
        expected = f"at most {MOST_NODES:,} states, as the C code counts in 16 bits"
        raise ValueError(invalid("decode", expected, f"{states:,} states"))
    silence = [[topology.silence_state]] if topology.silence else []
    none = [s for s in (topology.other_state, topology.silence_state) if s is not None]
    margin = round(min(decoder.reporting.margin * unit, -HOPELESS))
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
        other_penalty=round(decoder.other_penalty * unit) if topology.other else None,
        background=np.array(none or range(topology.num_states)),
        margin=None if decoder.reporting.decide_ms is None else margin,
    )
