"""Class counts, priors and log-priors, as Kaldi keeps them."""

from pathlib import Path

import numpy as np

from keras_rnn2dnn.util.errors import invalid
from keras_rnn2dnn.util.files import new_file


def read_log_priors(path: str | Path) -> np.ndarray:
    """Reads class counts or priors as Kaldi writes them, as log-priors.

    The numbers tell which of the three they are:

    - whole numbers, such as `[ 12 3 45 ]`, are counts: `log((count + 1) / sum(count +
      1))`, as `hmm.estimate_log_priors` smooths; so are others >= 0 with another sum
      than 1;
    - numbers > 0 that sum to 1 (within 1e-3) are priors, as `write_log_priors` writes
      them: their logarithm;
    - with a number < 0 they are log-priors, whose priors sum to 1 (within 1e-3).

    Returns:
        float32 `(classes,)`.

    Raises:
        ValueError: if the file holds none of these.

    Example:
        >>> _ = Path("ali_train_pdf.counts").write_text("[ 0 2 ]")
        >>> np.exp(read_log_priors("ali_train_pdf.counts")).tolist()
        [0.25, 0.75]
    """
    text = Path(path).read_text(errors="replace").strip()
    try:
        numbers = np.array(text.removeprefix("[").removesuffix("]").split(), "f8")
    except ValueError:
        numbers = np.zeros(0)
    if not numbers.size or not np.isfinite(numbers).all():
        raise ValueError(
            f"Cannot use {str(path)!r}. Expected counts >= 0, such as [ 12 3 45 ], "
            f"priors or log-priors. Received: {text[:60]!r}"
        )
    if numbers.min() < 0:
        if not _sum_to_1(numbers):
            raise ValueError(
                f"Cannot use {str(path)!r}. Expected log-priors, since there are "
                "numbers < 0: priors that sum to 1, or counts >= 0. Received: a sum of "
                f"{np.exp(numbers).sum():.4g}"
            )
        return numbers.astype("float32")
    if abs(numbers.sum() - 1) < 1e-3 and (numbers % 1).any():
        if not numbers.min():
            raise ValueError(
                f"Cannot use {str(path)!r}. Expected priors > 0, or counts. Received: "
                f"a prior of 0, of class {numbers.argmin()}"
            )
        return np.log(numbers).astype("float32")
    return np.log((numbers + 1) / (numbers + 1).sum()).astype("float32")


def _sum_to_1(log_priors):
    return abs(np.exp(log_priors).sum() - 1) < 1e-3


def write_log_priors(path: str | Path, log_priors: np.ndarray) -> None:
    """Writes the priors as a Kaldi vector, such as `nnet3-am-adjust-priors` reads.

    `read_log_priors` reads it again.

    Raises:
        ValueError: if the priors do not sum to 1.

    Example:
        >>> write_log_priors("priors.vec", np.log([0.25, 0.75]))
        >>> np.exp(read_log_priors("priors.vec")).tolist()
        [0.25, 0.75]
    """
    log_priors = np.asarray(log_priors, "float64")
    if not _sum_to_1(log_priors):
        expected = "logarithms of priors that sum to 1"
        raise ValueError(invalid("log_priors", expected, np.exp(log_priors).sum()))
    numbers = " ".join(f"{p:.9g}" for p in np.exp(log_priors))
    with new_file(path) as temporary:
        temporary.write_text(f" [ {numbers} ]\n")
