"""The numbers of the recipe: `Recipe`."""

import dataclasses
from typing import Any

from keras_rnn2dnn.audio.streams import StreamOptions
from keras_rnn2dnn.audio.word_strings import StringOptions
from keras_rnn2dnn.util.errors import invalid, is_integer

AGREED_BY = ("teacher", "itself")
LABELS = ("transplanted", "as heard")
FEATURES = ("running mean", "pcen")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Sizes and settings.

    Args:
        transcribed_strings: transcribed strings in an epoch of the distilled student.
        unlabelled_strings: strings without transcripts in it. Where there are none,
            and for the hard-label student, transcribed strings take their place.
        transcribed_weight: weight of the frames of transcribed strings for the
            distilled student, where there are others, whose weight is 1. With 1
            instead of 0.3 there were 7.0 % more word errors (docs/results_0_1.md).
        rounds: how often the distilled student is trained: from the second time on the
            student of before is the teacher. A second one took 6-13 % off the word
            errors (docs/results_0_1.md).
        num_banks: epochs of different strings, used in turn; those of the teacher's
            students are drawn from all of them together.
        teacher_epochs: of the teacher.
        student_epochs: of every student.
        development_strings: for the choices of the decoder.
        test_strings: of all speakers of the test together.
        speeds: at which the training recordings are heard.
        teacher_units: of the bidirectional layers.
        teacher_cell: `"lstm"` or `"gru"`.
        teacher_stack: frames per step of the teacher.
        teacher_dropout: after each of these layers.
        teacher_batch_size: strings.
        teacher_learning_rate: highest.
        student_context: frames before and after.
        student_units: of the hidden layers.
        student_steps: for each of these the distance of the three frames that it
            reads, of a time-delay student; `()` for dense layers on the whole context.
        student_batch_size: strings.
        student_learning_rate: highest.
        agreed_strings: unlabelled strings that take part in the choice of decoders.
        agreed_by: whose words these have then: `"teacher"`, or `"itself"`: of the model
            that is tuned, so that the student of hard labels needs no teacher.
        labels: `"as heard"` aligns the noisy strings. `"transplanted"` aligns the
            recordings by themselves, and puts their labels into the noisy strings: an
            oracle's, which nobody has who has but the noisy strings.
        strings: how word strings are made.
        features: `"pcen"` forgets within seconds what was heard; `"running mean"`
            subtracts one from the logarithms, and is for devices that listen while
            somebody speaks to them alone.
        streams: how streams are made of the strings of training and development, with
            pauses, levels, backgrounds and other speech, as a device hears them that is
            left switched on; None for the strings alone.
    """

    transcribed_strings: int = 1000
    unlabelled_strings: int = 1000
    transcribed_weight: float = 0.3
    rounds: int = 2
    num_banks: int = 2
    teacher_epochs: int = 8
    student_epochs: int = 8
    development_strings: int = 240
    test_strings: int = 600
    speeds: tuple[float, ...] = (1.0, 0.9, 1.1)
    teacher_units: tuple[int, ...] = (96, 96)
    teacher_cell: str = "lstm"
    teacher_stack: int = 3
    teacher_dropout: float = 0.2
    teacher_batch_size: int = 16
    teacher_learning_rate: float = 4e-3
    student_context: tuple[int, int] = (10, 10)
    student_units: tuple[int, ...] = (64, 64)
    student_steps: tuple[int, ...] = ()
    student_batch_size: int = 8
    student_learning_rate: float = 3e-3
    agreed_strings: int = 160
    agreed_by: str = "teacher"
    labels: str = "as heard"
    strings: StringOptions = dataclasses.field(default_factory=StringOptions)
    features: str = "pcen"
    streams: StreamOptions | None = dataclasses.field(default_factory=StreamOptions)

    def __post_init__(self):
        if not is_integer(self.rounds) or self.rounds < 1:
            raise ValueError(invalid("rounds", "an integer >= 1", self.rounds))
        kinds = {"labels": LABELS, "agreed_by": AGREED_BY, "features": FEATURES}
        for name, known in kinds.items():
            if getattr(self, name) not in known:
                received = getattr(self, name)
                raise ValueError(invalid(name, f"one of {known}", received))

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Recipe":
        """Rebuilds a recipe from `dataclasses.asdict`, also one that JSON has kept."""
        given = _with_tuples(fields)
        given["strings"] = StringOptions(**_with_tuples(given["strings"]))
        if given.get("streams"):
            given["streams"] = StreamOptions(**_with_tuples(given["streams"]))
        return cls(**given)


def _with_tuples(fields):
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
