"""How much the demo does, and how long that takes: `Plan`."""

import dataclasses
from collections.abc import Mapping

from keras_rnn2dnn.audio.streams.day import BACKGROUNDS
from keras_rnn2dnn.recipe.measured import ALL_TRAINED
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.report import table

# Seconds on two idle cores. Their ratios count: what time is left is told at the pace
# of the run itself.
_ALIGN_S, _STRING_S = 0.001, 0.009  # a recording at one speed, a string with features
_TRAINING_S = {  # a string in an epoch, with the name of the files
    "teacher": ("teacher", 0.018),
    "hard": ("student_hard", 0.0014),
    "self_labelled": ("student_self", 0.0015),
    "soft": ("student_soft", 0.003),
    "without_teacher": ("student_alone", 0.0033),
    "distilled": ("student", 0.0045),
}
_SIZES = {  # of a recipe, as they are called where they are smaller than usual
    "transcribed_strings": "transcribed strings in an epoch",
    "unlabelled_strings": "strings without transcripts in it",
    "num_banks": "sets of strings in turn",
    "teacher_epochs": "epochs of the teacher",
    "student_epochs": "epochs of each student",
    "rounds": "rounds of distillation",
    "development_strings": "development strings",
    "agreed_strings": "strings without transcripts to tune decoders on",
    "test_strings": "test strings",
}
LEFT_ON = "left switched on"
_LEFT_ON_S = 0.011  # a second of the two streams
_TUNING_S, _INT8_S = 0.02, 10.0  # a string of development; conversion with its costs


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """How much the demo does.

    Args:
        recipe: sizes and settings.
        trained: the systems that are trained, by their names in the table, in the order
            of the trainings: attributes of `RecipeRun`.
        voices: of synthetic speech.
        repetitions: of each word by each of these voices.
        block_s: seconds of each background in the streams of what is left switched on.
        minutes: that one fold takes on two idle cores, with the synthesis.
    """

    recipe: Recipe = dataclasses.field(default_factory=Recipe)
    trained: Mapping[str, str] = dataclasses.field(
        default_factory=lambda: dict(ALL_TRAINED)
    )
    voices: int = 12
    repetitions: int = 40
    block_s: float = 30.0
    minutes: int = 14

    def less(self, synthetic: bool) -> str:
        """Says what is less than in `FULL`; "" if nothing is.

        Args:
            synthetic: whether the speech is synthetic.
        """
        mine, whole = (dataclasses.asdict(plan.recipe) for plan in (self, FULL))
        counts = [(mine[name], whole[name], what) for name, what in _SIZES.items()]
        counts.append((len(mine["speeds"]), len(whole["speeds"]), "speeds"))
        if synthetic:
            what = "recordings of a word by a synthetic voice"
            counts.append((self.repetitions, FULL.repetitions, what))
        counts.append((len(self.trained), len(FULL.trained), "trained systems"))
        less = [f"{n:,} of {of:,} {what}" for n, of, what in counts if n < of]
        text = f"A short run. Of the complete one it has {', '.join(less)}."
        return text if less else ""

    def stages(self, recordings: int) -> dict[str, float]:
        """Returns the stages of one fold, with the seconds that each should take.

        Args:
            recordings: of the training.
        """
        recipe = self.recipe
        epoch = recipe.transcribed_strings + recipe.unlabelled_strings
        banks = recipe.num_banks * (epoch + recipe.unlabelled_strings)
        evaluated = recipe.development_strings + recipe.test_strings
        tuned = recipe.development_strings + recipe.agreed_strings
        found = {
            "align from transcripts alone": _ALIGN_S * recordings * len(recipe.speeds),
            "word strings and features": _STRING_S * (banks + evaluated),
        }
        for attribute in self.trained.values():
            name, seconds = _TRAINING_S[attribute]
            kind = name.partition("_")[0]
            epochs = getattr(recipe, f"{kind}_epochs")
            taught = attribute in ("without_teacher", "distilled")
            rounds = recipe.rounds if taught else 1
            for model in (*(f"{name}_round{n}" for n in range(1, rounds)), name):
                found[f"{model}: train"] = seconds * epoch * epochs
            found[f"{name}: recognise"] = _TUNING_S * tuned
        found["int8: convert and recognise"] = _INT8_S
        found[LEFT_ON] = _LEFT_ON_S * 2 * len(BACKGROUNDS) * self.block_s
        return found


FULL = Plan()
DEFAULT = Plan(
    Recipe(
        transcribed_strings=400,
        unlabelled_strings=400,
        rounds=1,
        num_banks=1,
        teacher_epochs=6,
        student_epochs=6,
        development_strings=120,
        test_strings=300,
        speeds=(1.0,),
        agreed_strings=80,
        agreed_by="itself",
    ),
    {
        table.HARD: "hard",
        table.TEACHER: "teacher",
        table.DISTILLED: "distilled",
        table.ALONE: "without_teacher",
    },
    repetitions=24,
    minutes=4,
)
