"""The delay of a teacher that suits a student, tried on development data."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from keras_rnn2dnn.alignments import SoftAlignments
from keras_rnn2dnn.alignments.training import train_student
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.hmm import WordLoopDecoder, tune_decoder
from keras_rnn2dnn.scoring.word_errors import word_error_rate
from keras_rnn2dnn.util.errors import invalid, is_integer
from keras_rnn2dnn.util.files import Utterances

DELAYS = (0, 1, 2, 3, 4, 6, 8)

Decoder = Callable[[Sequence[np.ndarray]], Sequence[Sequence[str]]]


@dataclasses.dataclass(frozen=True)
class DelaySearch:
    """What the delays cost.

    Args:
        delays: those tried, in frames of the output.
        errors: word errors of each on the development data.
        words: of the development data.
    """

    delays: tuple[int, ...]
    errors: tuple[int, ...]
    words: int

    @property
    def best(self) -> int:
        """The delay with the fewest errors, the shortest of equal ones."""
        return self.delays[int(np.argmin(self.errors))]

    def __str__(self):
        pairs = zip(self.delays, self.errors, strict=True)
        tried = ", ".join(f"{delay}: {errors}" for delay, errors in pairs)
        return (
            f"delay {self.best} of the development errors ({self.words} words) {tried}"
        )


def choose_delay(
    store: SoftAlignments,
    new_student: Callable[[], keras.Model],
    development: Utterances,
    decoder: Decoder,
    *,
    delays: Sequence[int] | None = None,
    epochs: int = 4,
    batch_size: int = 32,
    learning_rate: float = 3e-3,
    seed: int = 0,
    backups: str | Path | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> DelaySearch:
    """Trains a student for each delay, and counts its word errors.

    A recurrent teacher often tells a label some frames after it was said, when a short
    window has passed it. By the development errors one of several delays is chosen:
    those of the best are too low an estimate of those on new data.

    Args:
        store: soft alignments of the training data.
        new_student: makes a student, always with the same weights.
        development: features with transcripts.
        decoder: of logits `(frames, classes)` of several utterances, to their words; a
            `WordLoopDecoder` is tuned for each student.
        delays: to try, in frames of the output, ascending; by default those of
            `DELAYS` that are shorter than every utterance.
        epochs: of each training; fewer than for a final student will do.
        batch_size: utterances.
        learning_rate: highest.
        seed: of the order.
        backups: directory in which every training keeps its state, as `delay-2.backup`;
            see `EpochBackup`. A search that was stopped goes on from there. They stay
            at the end; see `util.epoch_backup.remove_backups`.
        on_progress: called with the share that is done.

    Returns:
        The errors by delay.

    Raises:
        ValueError: if there are no transcripts, or `delays` are no ascending integers
            >= 0, or as long as an utterance; or a backup is damaged, or of other
            settings, another student or another store.

    Example:
        >>> layers = [keras.Input((None, 3)), keras.layers.Identity()]
        >>> teacher = keras.Sequential(layers)
        >>> rng = np.random.default_rng(0)
        >>> x = [3 * np.eye(3)[rng.permutation([0, 1, 2, 0, 1, 2])] for _ in range(8)]
        >>> store = SoftAlignments.write("train.align", teacher, np.array(x))
        >>> decoder = GreedyDecoder(("", "yes", "no"))
        >>> texts = [" ".join(words) for words in decoder(x)]
        >>> def new_student():
        ...     keras.utils.set_random_seed(0)
        ...     return keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(3)])
        >>> data = Utterances(x, texts)
        >>> options = {"delays": (0, 1), "epochs": 4, "learning_rate": 0.5}
        >>> choose_delay(store, new_student, data, decoder, **options).best
        0
    """
    delays = _checked(delays, min(len(u.soft) for u in store.utterances()))
    if development.transcripts is None:
        raise ValueError(invalid("development", "utterances with transcripts", None))
    errors, words = [], 0
    for number, delay in enumerate(delays):
        student = new_student()
        train_student(
            student,
            store,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            teacher_delay=delay,
            backup=backups and Path(backups, f"delay-{delay}.backup"),
            keep_backup=True,
        )
        logits = predict_utterances(student, development.features)
        rate = word_error_rate(
            development.transcripts,
            _words(decoder, logits, development.transcripts),
            num_resamples=1,
        )
        errors.append(rate.errors)
        words = rate.words
        if on_progress:
            on_progress((number + 1) / len(delays))
    return DelaySearch(delays, tuple(errors), words)


def _checked(delays, shortest):
    if delays is None:
        return tuple(delay for delay in DELAYS if delay < shortest)
    delays = tuple(delays)
    good = delays and all(is_integer(n) and 0 <= n < shortest for n in delays)
    if not good or list(delays) != sorted(set(delays)):
        expected = (
            f"ascending integers >= 0, below the {shortest} output frames of the "
            "shortest utterance"
        )
        raise ValueError(invalid("delays", expected, delays))
    return delays


def _words(decoder, logits, references):
    if isinstance(decoder, WordLoopDecoder):
        return tune_decoder(decoder, logits, references)(logits)
    return (
        decoder.words(logits) if isinstance(decoder, GreedyDecoder) else decoder(logits)
    )
