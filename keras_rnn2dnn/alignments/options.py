"""How soft alignments are made and kept: the arguments of `SoftAlignments.write`."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_rnn2dnn.alignments.shards.manifest import Settings
from keras_rnn2dnn.alignments.teacher_pass import TeacherPass, fingerprint
from keras_rnn2dnn.alignments.utterances import Utterance
from keras_rnn2dnn.distillation.frozen_teacher import as_list
from keras_rnn2dnn.distillation.input_checks import checked_weights, output_classes
from keras_rnn2dnn.util.errors import invalid, is_integer

DENSE_CLASSES = 64  # up to here all classes are kept by default
DEFAULT_TOP_K = 20


@dataclasses.dataclass(frozen=True, eq=False)
class AlignOptions:
    """How soft alignments are made and kept; see `SoftAlignments.write`.

    Raises:
        ValueError: if one is invalid.
    """

    top_k: int | None = None
    teacher_from_logits: bool = True
    teacher_weights: Sequence[float] | None = None
    temperature: float = 1.0
    one_best: bool = False
    transform: Callable[[list, list], list] | None = None
    feature_dtype: str = "float32"
    feature_spec: Any = None
    utterances_per_shard: int = 512
    batch_frames: int = 8192

    def __post_init__(self):
        if not isinstance(self.temperature, (int, float)) or not self.temperature > 0:
            raise ValueError(invalid("temperature", "a number > 0", self.temperature))
        if self.feature_dtype not in ("float32", "float16"):
            expected = "'float32' or 'float16'"
            raise ValueError(invalid("feature_dtype", expected, self.feature_dtype))
        for name in ("utterances_per_shard", "batch_frames"):
            value = getattr(self, name)
            if not is_integer(value) or value < 1:
                raise ValueError(invalid(name, "an integer >= 1", value))

    def plan(
        self, teacher: keras.Model | Sequence[keras.Model], first: Utterance
    ) -> tuple[TeacherPass, Settings]:
        """Returns the teacher's pass, and the settings of the store.

        Args:
            teacher: one or several.
            first: utterance of the data set, which tells classes and features.

        Raises:
            ValueError: if `top_k`, `teacher_weights` or `teacher_from_logits` do not
                fit the teacher.
        """
        run = self.teacher_pass(teacher, top_k=None)
        run.check_declared(first)
        classes = output_classes(run.teachers[0]) or run.num_classes(first)
        run = dataclasses.replace(run, top_k=self._kept(classes))
        settings = Settings(
            num_classes=classes,
            top_k=run.top_k,
            feature_shape=first.student.shape[1:],
            feature_dtype=self.feature_dtype,
            teacher_from_logits=bool(self.teacher_from_logits),
            batch_frames=int(self.batch_frames),
            teacher=fingerprint(run.teachers, run.shares),
            temperature=float(self.temperature),
            one_best=self.one_best,
            transform=getattr(self.transform, "__name__", None),
            pads=run.ignores_padding(first),
            utterances_per_shard=int(self.utterances_per_shard),
            feature_spec=_as_json(self.feature_spec),
            whole_utterances=run.is_whole(first),
        )
        return run, settings

    def teacher_pass(
        self, teacher: keras.Model | Sequence[keras.Model], top_k: int | None
    ) -> TeacherPass:
        """Returns the teacher's pass that keeps so many classes, or all of them."""
        teachers = as_list(teacher)
        return TeacherPass(
            teachers,
            checked_weights(self.teacher_weights, teachers),
            from_logits=self.teacher_from_logits,
            temperature=self.temperature,
            top_k=top_k,
            one_best=self.one_best,
            transform=self.transform,
            batch_frames=self.batch_frames,
        )

    def _kept(self, classes):
        """Returns the number of classes to keep, or None for all."""
        if self.one_best:
            return 1
        if self.top_k is None:
            return DEFAULT_TOP_K if classes > DENSE_CLASSES else None
        if not is_integer(self.top_k) or not 1 <= self.top_k < classes:
            expected = f"an integer from 1 to {classes - 1}, or None"
            raise ValueError(invalid("top_k", expected, self.top_k))
        return int(self.top_k)  # numpy's are not for JSON


def _as_json(spec):
    """Returns a specification as it is read again: with lists for tuples."""
    fields = spec.to_dict() if hasattr(spec, "to_dict") else spec
    return json.loads(json.dumps(fields))
