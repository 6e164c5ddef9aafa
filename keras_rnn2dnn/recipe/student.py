"""The demo's training: one recipe, and the same steps for every student."""

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from keras_rnn2dnn.alignments import SoftAlignments
from keras_rnn2dnn.batches.bucketing import bucketed_dataset
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.distillation.distiller import Distiller
from keras_rnn2dnn.distillation.schedules import warmup_cosine
from keras_rnn2dnn.hmm import SequenceKL
from keras_rnn2dnn.models.reference import dnn_student, rnn_teacher
from keras_rnn2dnn.recipe.history import EpochRecorder
from keras_rnn2dnn.recipe.strings import FeatureString
from keras_rnn2dnn.util.errors import invalid, is_integer
from keras_rnn2dnn.util.log_softmax import log_softmax
from keras_rnn2dnn.util.progress import StageProgress


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Sizes and settings of the demo; the defaults take six minutes on two cores.

    Args:
        transcribed_strings: transcribed strings in an epoch of the distilled student.
        unlabelled_strings: strings of the new speaker in it. Where there are none,
            and for the hard-label student, transcribed strings take their place.
        transcribed_weight: weight of the frames of transcribed strings for the
            distilled student, where there are others, whose weight is 1. With 1
            instead of 0.3 there were 7.0 % more word errors (docs/results.md).
        rounds: how often the distilled student is trained: from the second time on the
            student of before is the teacher. A second one took 6-13 % off the word
            errors (docs/results.md).
        num_banks: epochs of different strings, used in turn; those of the teacher's
            students are drawn from all of them together.
        epochs: of teacher and students.
        development_strings: for the choices of the decoder.
        test_strings: of all held-out speakers of a fold together.
        speeds: at which the training recordings are heard.
        teacher_units: of the BLSTM layers.
        teacher_stack: frames per step of the teacher.
        teacher_dropout: after each BLSTM layer.
        teacher_batch_size: strings.
        teacher_learning_rate: highest.
        student_context: frames before and after.
        student_units: of the hidden layers.
        student_batch_size: strings.
        student_learning_rate: highest.
        agreed_strings: unlabelled strings that take part in the choice of decoders.
    """

    transcribed_strings: int = 1000
    unlabelled_strings: int = 1000
    transcribed_weight: float = 0.3
    rounds: int = 2
    num_banks: int = 2
    epochs: int = 8
    development_strings: int = 240
    test_strings: int = 600
    speeds: tuple[float, ...] = (1.0, 0.9, 1.1)
    teacher_units: tuple[int, ...] = (96, 96)
    teacher_stack: int = 3
    teacher_dropout: float = 0.2
    teacher_batch_size: int = 64
    teacher_learning_rate: float = 4e-3
    student_context: tuple[int, int] = (10, 10)
    student_units: tuple[int, ...] = (64, 64)
    student_batch_size: int = 32
    student_learning_rate: float = 3e-3
    agreed_strings: int = 160

    def __post_init__(self):
        if not is_integer(self.rounds) or self.rounds < 1:
            raise ValueError(invalid("rounds", "an integer >= 1", self.rounds))


def new_teacher(num_features: int, num_states: int, recipe: Recipe, seed: int):
    """Returns an untrained recurrent teacher."""
    keras.utils.set_random_seed(seed)
    return rnn_teacher(
        num_features,
        num_states,
        units=recipe.teacher_units,
        stack=recipe.teacher_stack,
        dropout=recipe.teacher_dropout,
    )


def new_student(num_features: int, num_states: int, recipe: Recipe, seed: int):
    """Returns an untrained student: the same for the same seed."""
    keras.utils.set_random_seed(seed)
    return dnn_student(
        num_features,
        num_states,
        context=recipe.student_context,
        units=recipe.student_units,
    )


def train_on_states(
    model: keras.Model,
    banks: Sequence[Sequence[FeatureString]],
    recipe: Recipe,
    seed: int,
    progress: StageProgress,
    batch_size: int,
    learning_rate: float,
    recorder: EpochRecorder | None = None,
) -> None:
    """Trains a model on noisy strings and their hard alignments.

    Args:
        model: teacher or student.
        banks: strings with `states`, a bank for each epoch, used in turn.
        recipe: gives the epochs.
        seed: of the order.
        progress: shows the progress.
        batch_size: strings.
        learning_rate: highest.
        recorder: keeps what each epoch gives.
    """
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    data = [[(s.noisy, s.states) for s in bank] for bank in banks]
    used = [data[epoch % len(data)] for epoch in range(recipe.epochs)]
    batches = bucketed_dataset(used, batch_size, seed=seed)
    steps = -(-len(banks[0]) // batch_size)
    callbacks = _callbacks(progress, steps * recipe.epochs, recorder)
    _fit(model, batches, loss, steps, recipe.epochs, callbacks, learning_rate)


def mean_log_posteriors(
    models: Sequence[keras.Model], features: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Returns the log of the mean posteriors of models, `(frames, states)` each."""
    return log_means(
        [
            [log_softmax(z) for z in predict_utterances(model, features)]
            for model in models
        ]
    )


def log_means(log_posteriors: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """Returns the log of the mean of several models' posteriors of each utterance."""
    return [
        np.logaddexp.reduce(of_one, axis=0) - np.log(len(of_one), dtype="float32")
        for of_one in zip(*log_posteriors, strict=True)
    ]


def distil(
    teacher: keras.Model | Sequence[keras.Model],
    student: keras.Model,
    banks: Sequence[Sequence[FeatureString]],
    recipe: Recipe,
    seed: int,
    progress: StageProgress,
    one_best: bool,
    teacher_hears: str,
    transform: Callable | None = None,
    transcribed_weight: float = 1.0,
    paths: SequenceKL | None = None,
    keep: Path | None = None,
    recorder: EpochRecorder | None = None,
) -> None:
    """Trains a student on the teacher's soft alignments; labels are not looked at.

    The teacher runs once; what it gives is kept on disk until the student is trained,
    or for good.

    Args:
        teacher: gives the soft alignments; of several the mean.
        student: always hears the noisy strings.
        banks: strings, transcribed or not, of one size each.
        recipe: sizes and settings.
        seed: of the order.
        progress: shows the progress.
        one_best: whether the student learns the teacher's best classes alone.
        teacher_hears: `"clean"` or `"noisy"`.
        transform: of the soft alignments, see `SoftAlignments.write`.
        transcribed_weight: of the frames of transcribed strings, beside 1.
        paths: the loss; None for that of frames.
        keep: where the store stays; None to remove it.
        recorder: keeps what each epoch gives.
    """
    heard = (
        _utterance(string, teacher_hears, transcribed_weight)
        for bank in banks
        for string in bank
    )
    with tempfile.TemporaryDirectory() as directory:
        path = keep or Path(directory) / "store"
        options = {"one_best": one_best, "transform": transform}
        store = SoftAlignments.write(path, teacher, heard, **options)
        batch_size = recipe.student_batch_size
        data = store.dataset(batch_size, shuffle=True, seed=seed).repeat()
        steps = -(-len(banks[0]) // batch_size)
        _fit(
            Distiller(None, student, paths),
            data,
            None,
            steps,
            recipe.epochs,
            _callbacks(progress, steps * recipe.epochs, recorder),
            recipe.student_learning_rate,
        )


def _utterance(string, teacher_hears, transcribed_weight):
    """Returns a batch of one string, as `SoftAlignments.write` takes it."""
    x = {"teacher": getattr(string, teacher_hears)[None], "student": string.noisy[None]}
    if string.states is None:
        return x
    weights = np.full((1, len(string.noisy)), transcribed_weight, "float32")
    return x, {"transcripts": [" ".join(string.words)]}, weights


def _callbacks(progress, num_steps, recorder):
    return [progress.callback(num_steps), *([recorder] if recorder else [])]


def _fit(model, data, loss, steps, epochs, callbacks, learning_rate):
    """Fits with warm-up and cosine decay; equal settings give equal steps."""
    schedule = warmup_cosine(learning_rate, steps * epochs, steps // 2)
    optimizer = keras.optimizers.Adam(schedule, global_clipnorm=1.0)
    optimizer.build(model.trainable_variables)  # else the first step is traced twice
    model.compile(optimizer=optimizer, loss=loss)
    model.fit(
        data,
        epochs=epochs,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=callbacks,
    )
