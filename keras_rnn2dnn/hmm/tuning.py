"""What a decoder takes from data: state priors, prior scale, insertion penalty."""

from collections.abc import Sequence
from dataclasses import replace

import jiwer
import numpy as np

from keras_rnn2dnn.hmm.decoding import WordLoopDecoder, best_words
from keras_rnn2dnn.hmm.topology import OTHER
from keras_rnn2dnn.hmm.utterances import Transcripts, as_utterances, check_scores
from keras_rnn2dnn.scoring.pairing import as_words
from keras_rnn2dnn.scoring.vocabulary import check_vocabulary
from keras_rnn2dnn.util.errors import invalid

_MAX_EXTENSIONS = 10


def estimate_log_priors(
    alignments: np.ndarray | Sequence[np.ndarray],
    num_states: int,
    num_frames: np.ndarray | None = None,
) -> np.ndarray:
    """Estimates the log-prior of each state from hard alignments.

    `log((count + 1) / sum(count + 1))`: add-one smoothing keeps unseen states finite.

    Args:
        alignments: states, int `(batch, frames)`, or a list of `(frames,)`.
        num_states: the number of states.
        num_frames: frames that count `(batch,)`; the others are padding at the end.
            Not with a list.

    Returns:
        Log-priors, float32 `(states,)`.

    Raises:
        ValueError: if a state is not between 0 and `num_states - 1`, or a shape does
            not fit.

    Example:
        >>> np.exp(estimate_log_priors([np.array([0, 0, 1])], 2)).round(2).tolist()
        [0.6..., 0.4...]
    """
    if isinstance(alignments, (list, tuple)):
        columns = [np.asarray(alignment)[:, None] for alignment in alignments]
    else:
        columns = np.asarray(alignments)[:, :, None]
    utterances = as_utterances(columns, num_frames, "alignments")
    states = np.concatenate(utterances)[:, 0].astype(np.int64)
    if states.size and not 0 <= states.min() <= states.max() < num_states:
        received = f"states from {states.min()} to {states.max()}"
        expected = f"states from 0 to {num_states - 1}"
        raise ValueError(invalid("alignments", expected, received))
    counts = np.bincount(states, minlength=num_states) + 1
    return np.log(counts / counts.sum()).astype(np.float32)


def tune_decoder(
    decoder: WordLoopDecoder,
    log_posteriors: np.ndarray | Sequence[np.ndarray],
    references: Transcripts,
    num_frames: np.ndarray | None = None,
    prior_scales: Sequence[float] = (0.0, 0.3, 0.6, 0.9),
    insertion_penalties: Sequence[float] = (-40, -30, -20, -15, -10, -5, 0, 5),
) -> WordLoopDecoder:
    """Chooses prior scale and insertion penalty by word errors on development data.

    For each prior scale the penalties are extended, by the distance between the two
    outermost ones and at most 10 times on a side, while the best lies at an end; a
    single penalty is taken as it is. Ties go to the smallest absolute penalty, then
    to the smallest prior scale.

    Args:
        decoder: what to tune; the rest of it is kept.
        log_posteriors: of the development data, as for `decode`.
        references: for each utterance a sequence of words, or a string of words;
            `<unk>` among them, other speech, is nothing to find.
        num_frames: as for `decode`.
        prior_scales: scales to try; only those that are 0 without `log_priors`.
        insertion_penalties: penalties to try.

    Returns:
        The decoder with the fewest word errors.

    Raises:
        TypeError: if the references are something else, such as a mapping.
        ValueError: if there is nothing to try, not one reference per utterance, or they
            hold no word of the vocabulary.

    Example:
        >>> from keras_rnn2dnn.hmm import Topology
        >>> decoder = WordLoopDecoder(Topology(("a", "b"), states_per_unit=1))
        >>> posteriors = [[0.6, 0.2, 0.2], [0.1, 0.8, 0.1], [0.6, 0.2, 0.2]]
        >>> tuned = tune_decoder(decoder, [np.log(posteriors)], ["a"])
        >>> tuned.insertion_penalty
        -5.0
    """
    utterances = as_utterances(log_posteriors, num_frames, "log_posteriors")
    references = as_words(references, "references")
    if len(references) != len(utterances):
        expected = f"one reference for each of the {len(utterances)} utterances"
        received = f"{len(references)} references"
        raise ValueError(invalid("references", expected, received))
    if decoder.topology.other:
        references = [[w for w in words if w != OTHER] for words in references]
    check_vocabulary(references, decoder)
    if decoder.log_priors is None:
        prior_scales = [scale for scale in prior_scales if not scale]
    for name, values in (
        ("prior_scales", prior_scales),
        ("insertion_penalties", insertion_penalties),
    ):
        if not len(values):
            raise ValueError(invalid(name, "at least one value to try", values))
    check_scores(utterances, decoder.topology.num_states, "log_posteriors")
    trials = []
    for scale in prior_scales:
        scaled = replace(decoder, prior_scale=scale)
        errors = _errors_by_penalty(scaled, utterances, references, insertion_penalties)
        trials += [(count, abs(p), scale, p) for p, count in errors.items()]
    _, _, scale, penalty = min(trials)
    return replace(decoder, prior_scale=scale, insertion_penalty=penalty)


def _errors_by_penalty(decoder, utterances, references, penalties):
    """Returns the word errors by penalty, also beyond the grid; see `tune_decoder`."""

    def count(penalties):
        trials = [replace(decoder, insertion_penalty=p) for p in penalties]
        found = best_words(trials, utterances)
        return [_word_errors(references, words) for words in found]

    grid = sorted({float(penalty) for penalty in penalties})
    errors = dict(zip(grid, count(grid), strict=True))
    if len(grid) == 1:
        return errors
    for outermost, step in ((min, grid[0] - grid[1]), (max, grid[-1] - grid[-2])):
        for _ in range(_MAX_EXTENSIONS):
            best = min(errors, key=lambda p: (errors[p], abs(p)))
            if best != outermost(errors):
                break
            (errors[best + step],) = count([best + step])
    return errors


def _word_errors(references, hypotheses):
    """Returns the substitutions, deletions and insertions of all utterances."""
    counts = jiwer.process_words(references, hypotheses, lambda w: w, lambda w: w)
    return counts.substitutions + counts.deletions + counts.insertions
