"""Word error rate: with its counts and confidence interval, and during training."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jiwer
import keras
import numpy as np

from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.scoring.pairing import as_words, check_utterances, paired
from keras_rnn2dnn.scoring.vocabulary import check_vocabulary
from keras_rnn2dnn.util.errors import invalid, is_integer

Transcripts = Sequence[str | Sequence[str]]


@dataclass(frozen=True)
class WordErrorRate:
    """A word error rate and the numbers behind it.

    Attributes:
        wer: errors by reference words, a fraction; may exceed 1.
        substitutions: words recognised as another word.
        deletions: reference words that are missing in the hypotheses.
        insertions: words of the hypotheses that are not in the references.
        words: words of the references.
        utterances: number of utterances.
        confidence_interval: 95 % of the word error rates of resampled utterances lie
            between these two fractions (percentile bootstrap: Bisani and Ney,
            "Bootstrap estimates for confidence intervals in ASR performance
            evaluation", 2004).
    """

    wer: float
    substitutions: int
    deletions: int
    insertions: int
    words: int
    utterances: int
    confidence_interval: tuple[float, float]

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    def __str__(self):
        low, high = (100 * limit for limit in self.confidence_interval)
        return (
            f"{100 * self.wer:.2f} % ({self.errors}/{self.words} words, "
            f"95 % interval {low:.1f}-{high:.1f})"
        )


def word_error_rate(
    references: Transcripts | Mapping[str, str | Sequence[str]],
    hypotheses: Transcripts | Mapping[str, str | Sequence[str]],
    num_resamples: int = 1000,
    seed: int = 0,
) -> WordErrorRate:
    """Counts word errors, the fewest edits that turn references into hypotheses.

    `wer = (substitutions + deletions + insertions) / words`, counted by jiwer.

    Args:
        references: what was said: for each utterance a string, split on white space,
            or a sequence of words. Some may be empty. A sequence of utterances, or a
            mapping from their names.
        hypotheses: what was recognised, likewise; of two mappings, utterances of the
            same name belong together.
        num_resamples: draws of the bootstrap over utterances, >= 1.
        seed: of the draws.

    Returns:
        The word error rate with its counts and confidence interval.

    Raises:
        TypeError: if either is something else, such as a set or class numbers.
        ValueError: if the numbers or names of utterances differ, the references hold
            no word, or `num_resamples` is not a positive integer.

    Example:
        >>> result = word_error_rate(["one two", "three"], ["one", "three four"])
        >>> result.deletions, result.insertions, result.words
        (1, 1, 3)
        >>> print(result)
        66.67 % (2/3 words, 95 % interval 50.0-100.0)
        >>> word_error_rate({"u1": "one", "u2": "two"}, {"u2": "two", "u1": "six"}).wer
        0.5
    """
    said, heard = paired(references, hypotheses)
    if not is_integer(num_resamples) or num_resamples < 1:
        raise ValueError(invalid("num_resamples", "an integer >= 1", num_resamples))
    words = np.array([len(reference) for reference in said])
    if words.sum() == 0:
        expected = "at least one word in all utterances together"
        received = f"{len(said)} empty utterances"
        raise ValueError(invalid("references", expected, received))
    counts = _counted(said, heard)
    errors = np.array([_num_errors(chunks) for chunks in counts.alignments])
    return WordErrorRate(
        wer=float(errors.sum() / words.sum()),
        substitutions=counts.substitutions,
        deletions=counts.deletions,
        insertions=counts.insertions,
        words=int(words.sum()),
        utterances=len(words),
        confidence_interval=_bootstrap(errors, words, num_resamples, seed),
    )


def align_words(
    references: Transcripts | Mapping[str, str | Sequence[str]],
    hypotheses: Transcripts | Mapping[str, str | Sequence[str]],
) -> list[list[tuple[str | None, str | None]]]:
    """Pairs what was said with what was recognised, by the fewest edits.

    Args:
        references: as for `word_error_rate`.
        hypotheses: likewise, as many.

    Returns:
        For each utterance, in the order of the references, the pairs `(said, heard)` in
        order: equal words, a substitution, a deletion `(said, None)` or an insertion
        `(None, heard)`.

    Raises:
        TypeError: as `word_error_rate`.
        ValueError: if the numbers or names of utterances differ.

    Example:
        >>> align_words(["one two three", "four"], ["one three", "four five"])
        [[('one', 'one'), ('two', None), ('three', 'three')],
         [('four', 'four'), (None, 'five')]]
    """
    all_said, all_heard = paired(references, hypotheses)
    aligned = []
    chunks_of = _counted(all_said, all_heard).alignments
    for said, heard, chunks in zip(all_said, all_heard, chunks_of, strict=True):
        pairs: list = []
        for chunk in chunks:
            before = said[chunk.ref_start_idx : chunk.ref_end_idx]
            after = heard[chunk.hyp_start_idx : chunk.hyp_end_idx]
            pairs += itertools.zip_longest(before, after)
        aligned.append(pairs)
    return aligned


class WordErrorRateCallback(keras.callbacks.Callback):
    """Puts the word error rate of development data into `logs` after each epoch.

    Keras runs callbacks in the order of the list: those that use the word error rate
    (EarlyStopping, ModelCheckpoint, CSVLogger) must stand after this one.

    Args:
        data: `(x, references)`. `x`: a list of utterances `(frames, features)`, which
            are decoded without padding; or whatever `model.predict` takes, whose
            padding the decoder then hears. `references`: for each utterance a string
            of words or a sequence of words.
        decode: turns the outputs into hypotheses, one for each utterance; such as a
            `keras_rnn2dnn.hmm.WordLoopDecoder`. It gets a list of `(frames, classes)`
            for a list of utterances, otherwise what `model.predict` gives.
        batch_size: utterances predicted at a time.
        prefix: before `wer` in the name of the log entry.

    Raises:
        TypeError: if `references` is no sequence of such; after an epoch, if `decode`
            returns none.
        ValueError: if `data` is no pair, the references hold no word that the decoder
            knows (see `vocabulary.check_vocabulary`), or `decode` returns another
            number of utterances.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> wer = WordErrorRateCallback(
        ...     (np.zeros((2, 1)), ["a b", "a"]), lambda outputs: ["a", "a"])
        >>> stop = keras.callbacks.EarlyStopping("val_wer", mode="min")
        >>> x = np.ones((4, 1))
        >>> model.fit(x, x, verbose=0, callbacks=[wer, stop]).history["val_wer"]
        [0.333...]
    """

    def __init__(
        self,
        data: tuple,
        decode: Callable[[np.ndarray], Transcripts],
        batch_size: int = 32,
        prefix: str = "val_",
    ):
        super().__init__()
        if not isinstance(data, tuple | list) or len(data) != 2:
            received = type(data).__name__
            raise ValueError(invalid("data", "a pair (x, references)", received))
        self.inputs, references = data
        self.references = as_words(references, "references")
        number = getattr(self.inputs, "shape", (len(self.references),))[0]
        if number != len(self.references):
            expected = f"one for each of the {number} utterances"
            raise ValueError(invalid("references", expected, len(self.references)))
        check_vocabulary(self.references, decode)
        self.decode = decode
        self.batch_size = batch_size
        self.prefix = prefix

    def on_epoch_end(self, epoch, logs=None):
        """Predicts, decodes and scores; see the class."""
        if _is_utterances(self.inputs, len(self.references)):
            outputs = predict_utterances(self.model, self.inputs, self.batch_size)
        else:
            outputs = self.model.predict(self.inputs, self.batch_size, verbose=0)
        hypotheses = self.decode(outputs)
        check_utterances(hypotheses, "decode(outputs)")
        score = word_error_rate(self.references, hypotheses, num_resamples=1)
        if logs is not None:
            logs[f"{self.prefix}wer"] = score.wer


def _is_utterances(x, number):
    """Tells a list of utterances from the several inputs of a model."""
    return isinstance(x, list) and len(x) == number and all(a.ndim == 2 for a in x)


def _counted(references, hypotheses):
    return jiwer.process_words(references, hypotheses, _as_given, _as_given)


def _as_given(words):
    """Keeps jiwer from splitting words once more."""
    return words


def _num_errors(chunks):
    """Returns the edits of one utterance; a chunk is an equal or edited stretch."""
    spans = (
        (c.ref_end_idx - c.ref_start_idx, c.hyp_end_idx - c.hyp_start_idx)
        for c in chunks
        if c.type != "equal"
    )
    return sum(max(span) for span in spans)


def _bootstrap(errors, words, num_resamples, seed):
    """Returns the 2.5 and 97.5 percentiles over resampled utterances."""
    rng = np.random.default_rng(seed)
    rates = []
    while len(rates) < num_resamples:
        drawn = rng.integers(len(words), size=len(words))
        # A draw of empty references alone has no word error rate.
        if words[drawn].sum():
            rates.append(errors[drawn].sum() / words[drawn].sum())
    low, high = np.percentile(rates, [2.5, 97.5])
    return float(low), float(high)
