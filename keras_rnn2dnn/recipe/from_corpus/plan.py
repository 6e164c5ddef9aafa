"""The numbers of a recipe that fit a corpus and a time: `Plan`."""

import dataclasses
import time

import numpy as np

from keras_rnn2dnn.audio.word_strings import StringOptions
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.recipe.split import Split
from keras_rnn2dnn.util.errors import invalid

# Epochs of the teacher, of each student, and strings, from the best on. Without a time
# what takes 20 minutes is taken, but on the usual machine, where this is slower, and
# then the third at most.
_LEVELS = (
    *((16, 40, 2000), (14, 32, 2000), (12, 24, 2000), (8, 16, 2000), (8, 16, 1400)),
    *((6, 12, 1200), (8, 8, 1200), (8, 8, 800), (7, 7, 600), (6, 6, 400)),
    *((5, 5, 300), (4, 4, 200)),
)
_USUAL, _USUAL_MINUTES = 3, 20.0
_ROUNDS_EPOCHS = 12  # of a student; with fewer there are no two rounds
_MOST_FRAMES = 1_200_000  # of the strings of an epoch
_MEASURED_FRAMES = 250_000  # of development and test each
_STRING_WORDS, _BETWEEN_FRAMES = 5, 75  # of a string, pauses and both ends, about
# Where words are a small part of what is recorded, silence is long in the strings, too:
# longer than the memory of the features' mean. Such recordings bring their own noise; a
# minute has more of it that can be taken for a word.
_SPARSE = StringOptions(
    words=(3, 9),
    edge_frames=(5, 450),
    snr_db=(5.0, 25.0),
    buckets=(300, 600, 900, 1200),
    active_level=True,
)
_SPARSE_WORDS, _SPARSE_BETWEEN_FRAMES = 6, 550
_PAUSE_FRAMES, _OTHER_FRAMES = 165, 170  # that a string has more in streams, about
_TEACHER_UPDATES, _STUDENT_UPDATES = 600, 2000  # at least, if batches of 8 are enough
# Seconds for a million frames on two cores.
_STRINGS_S, _TEACHER_S, _TEACHER_RUN_S, _STUDENT_S = 13.0, 22.0, 8.0, 6.5
_FLAT_START_S, _PATHS_S, _LOOP_S, _DECODE_S = 0.2, 0.5, 0.1, 0.1  # for each ten states
_START_S, _VERIFY_S = 6.0, 72.0  # of each training; of the last steps
_PRODUCTS_S = 0.05  # of `_own_speed` where they were measured
_LEAST_PACE = 0.75  # of all but the teacher, on machines whose products are fast


@dataclasses.dataclass(frozen=True)
class Plan:
    """The numbers of a run, and how long its stages should take.

    Args:
        recipe: the numbers.
        seconds: by the names of the stages.
    """

    recipe: Recipe
    seconds: dict[str, float]

    @property
    def minutes(self) -> float:
        """Of all stages."""
        return sum(self.seconds.values()) / 60


def make_plan(
    split: Split,
    num_states: int,
    own_teacher: bool = False,
    minutes: float | None = None,
    sparse: bool = False,
    push_to_talk: bool = False,
    pace: float | None = None,
    **sizes: tuple[int, ...],
) -> Plan:
    """Chooses numbers of epochs, strings and rounds.

    Args:
        split: recordings by their use.
        num_states: of the topology.
        own_teacher: whether the teacher exists.
        minutes: that the run may take, about; None for what takes 20, which on slower
            machines takes longer, on faster ones is more.
        sparse: whether words are a small part of the recordings of the corpus.
        push_to_talk: whether strings are trained on as they are, not streams of them.
        pace: seconds that this machine takes for one of the usual one; measured by
            default.
        **sizes: fields of `Recipe`, such as `student_units`.

    Returns:
        The first plan that fits the time; the shortest one if none does.

    Raises:
        ValueError: if the time is no number above 0.
    """
    if minutes is not None and not 0 < minutes < float("inf"):
        raise ValueError(invalid("minutes", "a number > 0", minutes))
    pace = _own_speed() if pace is None else pace
    levels, most = _LEVELS, minutes
    if minutes is None:
        most = max(1.0, pace) * _USUAL_MINUTES
        levels = _LEVELS if pace < 1 else _LEVELS[_USUAL:]
    for level in levels:
        kind = own_teacher, sparse, push_to_talk
        plan = _plan(split, num_states, *kind, pace, level, sizes)
        if plan.minutes <= most:
            break
    return plan


def _plan(split, num_states, own_teacher, sparse, push_to_talk, pace, level, sizes):
    epochs, student_epochs, strings = level
    frames = _string_frames(split.train, sparse)
    if push_to_talk:
        sizes = {**sizes, "features": "running mean", "streams": None}
    else:
        frames += _PAUSE_FRAMES + _OTHER_FRAMES * bool(split.other_speech)
    measured = _string_frames(split.test, sparse)
    strings = max(50, min(strings, round(_MOST_FRAMES / frames)))
    most = max(30, round(_MEASURED_FRAMES / measured))
    unlabelled = strings // 2 if split.unlabelled else 0
    rounds = 1
    if unlabelled and student_epochs >= _ROUNDS_EPOCHS:  # labelled anew by the student
        rounds, student_epochs = 2, student_epochs // 2
    recipe = Recipe(
        transcribed_strings=strings - unlabelled,
        unlabelled_strings=unlabelled,
        rounds=rounds,
        teacher_epochs=epochs,
        student_epochs=student_epochs,
        development_strings=min(240, most, 100 + strings // 10),
        test_strings=min(most, max(200, min(600, len(split.test) // _STRING_WORDS))),
        teacher_batch_size=_batch_size(epochs * strings, _TEACHER_UPDATES, 64),
        student_batch_size=_batch_size(student_epochs * strings, _STUDENT_UPDATES, 32),
        strings=_SPARSE if sparse else StringOptions(active_level=True),
        **sizes,
    )
    seconds = _seconds(recipe, frames, measured, num_states, own_teacher)
    paces = {stage: max(pace, _LEAST_PACE) for stage in seconds}
    paces["teacher: train"] = pace
    return Plan(recipe, {stage: paces[stage] * s for stage, s in seconds.items()})


def _batch_size(heard, updates, most):
    """Returns strings in a batch: few of them make as many updates in small batches."""
    while most > 8 and heard / most < updates:
        most //= 2
    return most


def _string_frames(recordings, sparse):
    """Returns the frames of a string, about; long recordings stand alone in theirs."""
    lengths = [100 * len(r.samples) / r.sample_rate_hz for r in recordings]
    mean = float(np.mean(lengths))
    if sparse:
        longest, together = 1200.0, _SPARSE_WORDS * mean + _SPARSE_BETWEEN_FRAMES
    else:
        longest, together = 600.0, _STRING_WORDS * mean + _BETWEEN_FRAMES
    return max(mean, min(longest, together))


def _seconds(recipe, frames, measured, num_states, own_teacher):
    """Returns how long each stage takes, about."""
    strings = recipe.transcribed_strings + recipe.unlabelled_strings
    bank, states = strings * frames / 1e6, num_states / 10
    banks = recipe.num_banks * bank
    tested = recipe.test_strings * measured / 1e6
    developed = recipe.development_strings * measured / 1e6
    first = min(banks, 1000 * frames / 1e6)  # aligned ten times
    aligned = 9 * first + banks
    recognised = 40 * developed * _DECODE_S * states + tested * _DECODE_S * states
    small = 0.5 + 32 / recipe.teacher_batch_size  # batches cost more for each string
    watched = min(40, recipe.development_strings) * measured / 1e6  # after each epoch
    epochs = recipe.student_epochs
    student = _START_S + epochs * (_STUDENT_S * bank + watched)
    paths = student + banks * (_TEACHER_RUN_S + _PATHS_S * states)
    small_paths = 0.8 + 6.4 / recipe.student_batch_size
    paths += epochs * bank * (1 + _LOOP_S * states) * small_paths
    found = {
        "align from transcripts alone": _START_S,
        "word strings and features": _STRINGS_S * (banks + tested + developed)
        + _FLAT_START_S * states * aligned,
        "teacher: train": _START_S + recipe.teacher_epochs * _TEACHER_S * bank * small,
        "teacher: recognise": recognised,
        "student_hard: train": student,
        "student_hard: recognise": recognised,
        **_of_rounds("student", recipe.rounds, paths, recognised),
        **_of_rounds("student_alone", recipe.rounds, paths, recognised),
        "int8: convert and recognise": _VERIFY_S / 3 + 60 * tested,
        "verify": _VERIFY_S,
        "report": _START_S,
    }
    if own_teacher:
        del found["teacher: train"]
    return found


def _of_rounds(name, rounds, trained, recognised):
    return {
        **{f"{name}_round{n}: train": trained for n in range(1, rounds)},
        f"{name}: train": trained,
        f"{name}: recognise": recognised,
    }


def _own_speed():
    """Returns how much longer products of matrices take than where it was measured."""
    x = np.ones((512, 512), "float32")
    taken = []
    for _ in range(8):
        start = time.perf_counter()
        for _ in range(10):
            x @ x
        taken.append(time.perf_counter() - start)
    return min(4.0, max(0.25, min(taken) / _PRODUCTS_S))
