"""What a bundle keeps so that the figures of its report can be computed anew.

golden/held_frames.u32      uint32 input frames and output frames of each utterance
golden/held_features.f32    float32 features of utterances that were held back
golden/held_logits.f32      float32 logits of the student, before int8
golden/held_references.txt  what is said in them, where that is known
golden/test_set_references.txt  what is said in the recordings of test_set.pcm
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_rnn2dnn.quantization.comparison import compare_logits
from keras_rnn2dnn.quantization.interpreter import Int8Student

MOST_BYTES = 4_000_000
_FRAMES, _FEATURES = "golden/held_frames.u32", "golden/held_features.f32"
_LOGITS = "golden/held_logits.f32"
REFERENCES = "golden/held_references.txt"
SPOKEN = "golden/test_set_references.txt"
NAMES = (_FRAMES, _FEATURES, _LOGITS, REFERENCES, SPOKEN)


def of_utterances(
    utterances: Sequence[np.ndarray],
    logits_of: Callable[[np.ndarray], np.ndarray],
    references: Sequence | None,
) -> dict[str, bytes]:
    """Returns the files of utterances held back, as many as fit into 4 MB.

    Args:
        utterances: features `(frames, features)` of each.
        logits_of: gives the student's logits of one.
        references: what is said in each, where both are known to be words.

    Returns:
        Contents by path.
    """
    counts, features, logits, size = [], [], [], 0
    for utterance in utterances:
        x = np.asarray(utterance, np.float32)
        z = logits_of(x)
        most = max(1, (MOST_BYTES - size) // (4 * (x.shape[1] + z.shape[1])))
        if len(x) > most:
            if counts:
                break
            z = logits_of(x[:most])  # of a very long one, or of very many classes
            x = x[:most]
        size += x.nbytes + z.nbytes
        counts.append((len(x), len(z)))
        features.append(x)
        logits.append(z)
    files = {
        _FRAMES: np.array(counts, "<u4").tobytes(),
        _FEATURES: np.concatenate(features).astype("<f4").tobytes(),
        _LOGITS: np.concatenate(logits).astype("<f4").tobytes(),
    }
    if references is not None and len(counts) == len(utterances):
        files[REFERENCES] = lines(references)
    return files


def lines(references: Sequence) -> bytes:
    r"""Returns what is said, a line for each.

    Example:
        >>> lines(["one two", ["three"]])
        b'one two\nthree\n'
    """
    texts = [text if isinstance(text, str) else " ".join(text) for text in references]
    return "".join(f"{' '.join(text.split())}\n" for text in texts).encode()


def read(
    files: Mapping[str, bytes] | Callable[[str], bytes], student: Int8Student
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Reads the utterances of `of_utterances`.

    Args:
        files: gives the contents by path.
        student: the int8 file.

    Returns:
        Features and logits of each.
    """
    content = files.__getitem__ if isinstance(files, Mapping) else files
    counts = np.frombuffer(content(_FRAMES), "<u4").reshape(-1, 2).astype(int)
    parts = []
    widths = (student.num_features, student.num_classes)
    for column, (name, width) in enumerate(
        zip((_FEATURES, _LOGITS), widths, strict=True)
    ):
        values = np.frombuffer(content(name), "<f4").reshape(-1, width)
        parts.append(np.split(values, np.cumsum(counts[:, column])[:-1]))
    return parts[0], parts[1]


def kept(files: Mapping[str, bytes], student: Int8Student) -> dict[str, Any]:
    """Returns `kept` of the report: the comparison on what the bundle keeps."""
    features, logits = read(files, student)
    return {"utterances": len(features), **compared(features, logits, student)}


def compared(
    features: Sequence[np.ndarray], logits: Sequence[np.ndarray], student: Int8Student
) -> dict[str, float]:
    """Compares logits of the student with those of its int8 file."""
    found = student.predict(list(features))
    found = [np.atleast_2d(z) for z in found]  # of a clip one row
    found = [z[: len(reference)] for z, reference in zip(found, logits, strict=True)]
    return compare_logits(list(logits), found)
