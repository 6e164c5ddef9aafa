"""Soft alignments for the store: the occupancies of a CTC teacher."""

import zlib
from collections.abc import Callable, Sequence

import numpy as np

from keras_rnn2dnn.ctc.greedy import best_path
from keras_rnn2dnn.ctc.occupancies import checked_priors, ctc_occupancies
from keras_rnn2dnn.hmm.occupancies import log_transform, transcript_transform


def constrained(
    encode: Callable[[str], Sequence[int]] | None = None,
    blank: int = 0,
    scale: float = 1.0,
    log_priors: np.ndarray | None = None,
    prior_scale: float = 1.0,
) -> Callable[[list[np.ndarray], Sequence[str]], list[np.ndarray]]:
    """Returns a transform of soft alignments: `ctc_occupancies` over the transcripts.

    Args:
        encode: gives the labels of a transcript. Without it the labels are those of
            the teacher's best path, for recordings without transcripts.
        blank: see `ctc_occupancies`.
        scale: see `ctc_occupancies`.
        log_priors: see `ctc_occupancies`.
        prior_scale: see `ctc_occupancies`.

    Returns:
        A function of lists of log-posteriors `(frames, classes)` and of transcripts,
        to the log of the posteriors given the transcripts; for `SoftAlignments.write`.

    Raises:
        ValueError: if a prior is not finite; when it is used, if a transcript is
            missing, or does not fit its utterance.

    Example:
        >>> transform = constrained(lambda text: [" ab".index(c) for c in text])
        >>> np.exp(transform([np.zeros((2, 3))], ["ab"])[0]).round(2).tolist()
        [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    options = {"blank": blank, "scale": scale}
    source = "best path" if encode is None else _name(encode)
    name = f"ctc_occupancies({source}, blank={blank}, scale={scale}"
    if log_priors is not None:
        checked_priors(log_priors, prior_scale, np.size(log_priors))
        options |= {"log_priors": log_priors, "prior_scale": prior_scale}
        digest = zlib.crc32(np.asarray(log_priors, "float32").tobytes())
        name += f", priors {digest:08x}, prior_scale={prior_scale}"

    def of_transcripts(log_posteriors, transcripts):
        labels = [_encoded(encode, transcript) for transcript in transcripts]
        return ctc_occupancies(log_posteriors, labels, **options)

    def of_best_paths(log_posteriors, _):
        labels = [best_labels(scores, blank) for scores in log_posteriors]
        return ctc_occupancies(log_posteriors, labels, **options)

    if encode is None:
        return log_transform(of_best_paths, f"{name})")
    return transcript_transform(of_transcripts, f"{name})")


def best_labels(scores: np.ndarray, blank: int) -> list[int]:
    """Returns the labels on the best path of scores `(frames, classes)`."""
    return [label for label, _, _ in best_path(scores, blank % scores.shape[1])]


def _encoded(encode, transcript):
    try:
        return encode(transcript)
    except Exception as error:  # whatever a function of the user's raises
        message = f"Cannot encode the transcript {transcript!r}: {error!r}"
        raise ValueError(message) from error


def _name(encode):
    return getattr(encode, "__qualname__", type(encode).__qualname__)
