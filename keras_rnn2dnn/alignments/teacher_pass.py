"""The teacher's pass: from batches of any data set to soft alignments."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn2dnn.alignments.records import AlignedUtterance
from keras_rnn2dnn.batches import iterate_batches
from keras_rnn2dnn.checks import (
    check_declared,
    check_frame_outputs,
    check_softmax,
    single_output,
)
from keras_rnn2dnn.errors import invalid
from keras_rnn2dnn.inference import Inference, outputs_of
from keras_rnn2dnn.losses import log_posteriors
from keras_rnn2dnn.padding import stacked, without_padding
from keras_rnn2dnn.soft_batch import mean_posteriors, split_inputs
from keras_rnn2dnn.teacher_state import run_stateless
from keras_rnn2dnn.time_major import check_axes
from keras_rnn2dnn.top_k import top_k_targets
from keras_rnn2dnn.utterance_lists import (
    is_list_of_utterances,
    is_ragged,
    is_unbatched,
    one_by_one,
)

_KEYS = ("labels", "transcripts", "ids")
_PROBE_FRAMES = 24


@dataclasses.dataclass(frozen=True, eq=False)
class Utterance:
    """One utterance before the teacher has heard it.

    Args:
        name: its id.
        teacher: features of the teacher, `(frames, ...)`, or a structure of them.
        student: features of the student, `(frames, ...)`.
        weights: frame weights `(frames,)`, or None.
        labels: hard labels, or None.
        transcript: what is said, or None.
    """

    name: str
    teacher: Any
    student: np.ndarray
    weights: np.ndarray | None = None
    labels: np.ndarray | None = None
    transcript: str | None = None


def utterances_of(
    data, batch_size: int = 32, first_number: int = 0, rank: int = 3
) -> Iterator[Utterance]:
    """Takes the batches of a data set apart, and cuts off their padding.

    Padding is what `sample_weight` `(batch, frames)` gives no weight at the end of an
    utterance; without it, all-zero frames at the end.

    Args:
        data: as for `Distiller.fit`: arrays, a data set, or a tuple `(x, y)` or
            `(x, y, sample_weight)`. `y` are labels, or a dict of any of `labels`,
            `transcripts` and `ids`. Also lists of utterances `(frames, ...)`, ragged
            tensors and data sets of one utterance each.
        batch_size: utterances per batch, for arrays.
        first_number: of the first utterance.
        rank: of a batch of features, which tells it from an utterance.

    Yields:
        One `Utterance` after the other, numbered where they have no ids.

    Example:
        >>> x = np.ones((2, 5, 3))
        >>> x[1, 3:] = 0
        >>> [(u.name, u.student.shape) for u in utterances_of(x)]
        [('0', (5, 3)), ('1', (3, 3))]
    """
    number = first_number
    for batch in _batches(data, batch_size, rank):
        x, y, weights = keras.tree.map_structure(_as_array, batch)
        y = y if isinstance(y, dict) else {"labels": y}
        if number == first_number:
            _check_axes(x, y.get("labels"), weights)
        extra = {key: y.get(key) for key in _KEYS}
        for row in range(len(keras.tree.flatten(x)[0])):
            item = {k: None if v is None else v[row] for k, v in extra.items()}
            one = keras.tree.map_structure(lambda a, row=row: a[row], x)
            weight = None if weights is None else weights[row]
            yield _utterance(str(number), one, weight, item)
            number += 1


def _batches(data, batch_size, rank):
    arrays = data if isinstance(data, tuple) else (data,)
    if is_list_of_utterances(arrays[0], rank):
        return one_by_one(*arrays)
    if is_unbatched(data, rank):
        data = data.batch(1)
        arrays = (data,)
    return iterate_batches(*arrays, batch_size=batch_size)


def _check_axes(x, labels, weights):
    student = split_inputs(x)[1]
    if hasattr(student, "shape") and student.dtype != object:
        shapes = {"labels": labels, "sample_weight": weights}.items()
        given = {name: np.shape(a) for name, a in shapes if a is not None}
        check_axes(student.shape, **given)


def _as_array(value):
    if is_ragged(value):
        rows = np.empty(value.shape[0], object)
        rows[:] = [row.numpy() for row in value]
        return rows
    return value.numpy() if tf.is_tensor(value) else value


def _utterance(name, x, weight, item):
    teacher, student = split_inputs(x)
    if not hasattr(student, "shape"):
        expected = "one array as the student's features"
        received = sorted(student) if isinstance(student, dict) else type(x).__name__
        hint = 'Give each model its own: {"teacher": inputs, "student": features}'
        raise ValueError(invalid("x", expected, received, hint))
    weight = None if weight is None else np.asarray(weight, "float32").reshape(-1)
    if weight is not None:
        _check_weights(weight, name)
    padded, frames = len(student), None
    if weight is not None and len(weight) == padded > 1:
        frames = int(np.max(np.flatnonzero(weight), initial=-1)) + 1
        weight = weight[:frames]

    def cut(array):
        return array[:frames] if len(array) == padded else without_padding(array)

    if frames is None:
        teacher = keras.tree.map_structure(without_padding, teacher)
        student = without_padding(student)
    else:
        teacher, student = keras.tree.map_structure(cut, teacher), student[:frames]
    if weight is not None and np.all(weight == 1):
        weight = None
    labels = item["labels"]
    if labels is not None and np.ndim(labels) and len(labels) == padded:
        labels = labels[: len(student)]
    return Utterance(
        name if item["ids"] is None else _as_text(item["ids"]),
        teacher,
        student,
        weight,
        labels,
        _as_transcript(item["transcripts"]),
    )


def _check_weights(weights, name):
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        raise ValueError(
            f"The `sample_weight` is not a number >= 0 in utterance {name}, frame "
            f"{wrong[0]}. Expected finite weights. Received: {weights[wrong[0]]}. "
            "Check the weights of that utterance"
        )


def _as_text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def _as_transcript(value):
    if value is None:
        return None
    if isinstance(value, (str, bytes)):  # numpy's strings are too
        return _as_text(value)
    raise TypeError(
        invalid(
            "transcripts",
            "one string for each utterance",
            value,
            "Decode the numbers of its characters to text: "
            '(x, {"transcripts": ["turn on", ...]})',
        )
    )


def fingerprint(teachers: Sequence[keras.Model], weights: Sequence[float]) -> str:
    """Returns a SHA-256 of the teachers' weights, and of their shares."""
    digest = hashlib.sha256(repr([round(float(w), 9) for w in weights]).encode())
    for model in teachers:
        for array in model.get_weights():
            digest.update(f"{array.shape} {array.dtype}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@dataclasses.dataclass(eq=False)
class TeacherPass:
    """Runs teachers over utterances of any lengths, those of like length together.

    Args:
        teachers: Keras models; of several the mean posterior.
        shares: of each teacher in the mean, summing to 1.
        from_logits: whether they give logits.
        temperature: of the posteriors.
        top_k: classes to keep, or None for all.
        one_best: whether the best class gets all of the mass.
        transform: `(log_posteriors, transcripts) -> log_posteriors`, of lists, or None.
        batch_frames: frames in a batch, padding included.
    """

    teachers: Sequence[keras.Model]
    shares: Sequence[float]
    from_logits: bool = True
    temperature: float = 1.0
    top_k: int | None = None
    one_best: bool = False
    transform: Callable | None = None
    batch_frames: int = 8192

    def __post_init__(self):
        self._run = Inference(self._graph, self.teachers)
        self._compiled_targets: Callable | None = None

    def _graph(self, x):
        outputs = [run_stateless(model, x) for model in self.teachers]
        mean = mean_posteriors(outputs, self.shares, self.from_logits)
        log_p = log_posteriors(mean, self.from_logits, self.temperature)
        return log_p if self.transform else self._targets(log_p)

    def _targets(self, log_p):
        if self.one_best:
            best = tf.cast(tf.argmax(log_p, axis=-1), tf.float32)
            nothing = tf.zeros_like(best)
            rows = [[nothing, nothing + float("-inf")], [best, nothing - 1.0]]
            return tf.stack([tf.stack(row, axis=-1) for row in rows], axis=-2)
        return log_p if self.top_k is None else top_k_targets(log_p, self.top_k)

    def _targets_of(self, log_p):
        """Returns what is kept of one utterance; traced once for all lengths."""
        log_p = np.asarray(log_p, "float32")
        if self._compiled_targets is None:
            # The best k are chosen of a number of classes that the graph must know.
            spec = tf.TensorSpec((None, log_p.shape[-1]), tf.float32)
            self._compiled_targets = tf.function(
                functools.partial(self._targets),
                input_signature=[spec],
                autograph=False,
            )
        return self._compiled_targets(log_p).numpy()

    def check_declared(self, utterance: Utterance) -> None:
        """Refuses teachers that give no frames, or not what they are declared to."""
        for model in self.teachers:
            if not isinstance(model, keras.Layer):
                received = type(model).__name__
                raise TypeError(invalid("teacher", "a Keras model", received))
            single_output("teacher", model)
        x = self._run.as_taken(_stack([utterance.teacher]))[0]
        remedy = "`teacher_from_logits=False` (`--probabilities`)"
        for model in self.teachers:
            check_softmax("teacher", model, self.from_logits, remedy)
            outputs = run_stateless(model, x)
            single_output("teacher", model, outputs)
            check_frame_outputs("teacher", outputs.shape)
            rows = np.asarray(outputs)[0]
            if len(rows) and np.isfinite(rows).all():
                check_declared("teacher", rows, self.from_logits, remedy)

    def num_classes(self, utterance: Utterance) -> int:
        """Returns the teacher's classes, by running it on an utterance."""
        x = self._run.as_taken(_stack([utterance.teacher]))[0]
        return int(run_stateless(self.teachers[0], x).shape[-1])

    def ignores_padding(self, utterance: Utterance) -> bool:
        """Tells whether zeros behind an utterance leave its posteriors unchanged."""
        if self._run.fixes_frames:
            return True  # as in a padded batch
        alone = _stack([utterance.teacher])
        longer = keras.tree.map_structure(
            lambda a: np.pad(a, [(0, 0), (0, _PROBE_FRAMES), *[(0, 0)] * (a.ndim - 2)]),
            alone,
        )
        lengths = {a.shape[1] for a in keras.tree.flatten(alone)}
        outputs, padded = (self._run(x).numpy()[0] for x in (alone, longer))
        if lengths != {len(outputs)} or len(padded) != len(outputs) + _PROBE_FRAMES:
            return False
        with np.errstate(invalid="ignore"):  # -inf less -inf
            same = np.abs(padded[: len(outputs)] - outputs) < 1e-3
        return bool(np.all(same | (padded[: len(outputs)] == outputs)))

    def __call__(
        self, utterances: Sequence[Utterance], pads: bool
    ) -> list[AlignedUtterance]:
        """Returns the utterances with their soft alignments, in the same order.

        Args:
            utterances: with at least one frame each.
            pads: whether utterances of different lengths may run together.

        Raises:
            ValueError: if a posterior is not a number; names the utterance.
        """
        softs: list = [None] * len(utterances)
        for numbers in self._batches(utterances, pads):
            longest = utterances[numbers[0]]
            try:
                outputs = self._run(_stack([utterances[n].teacher for n in numbers]))
            except ValueError as error:
                raise ValueError(f"The utterance {longest.name!r}: {error}") from error
            for number, output in zip(numbers, outputs.numpy(), strict=True):
                frames = _frames(utterances[number]), _frames(longest)
                softs[number] = output[: outputs_of(*frames, len(output))]
        if self.transform:
            softs = [*map(self._targets_of, self._transformed(softs, utterances))]
        return [
            _aligned(utterance, soft)
            for utterance, soft in zip(utterances, softs, strict=True)
        ]

    def _transformed(self, softs, utterances):
        try:
            return self.transform(softs, [u.transcript for u in utterances])
        except ValueError as error:
            names = [utterance.name for utterance in utterances]
            raise ValueError(
                f"In the utterances {names[0]!r} to {names[-1]!r}, numbered from 0: "
                f"{error}"
            ) from error

    def _batches(self, utterances, pads):
        groups: dict[Any, list[int]] = {}
        for number, utterance in enumerate(utterances):
            lengths = tuple(len(a) for a in keras.tree.flatten(utterance.teacher))
            groups.setdefault(None if pads else lengths, []).append(number)
        for numbers in groups.values():
            ordered = sorted(numbers, key=lambda n: -_frames(utterances[n]))
            while ordered:
                size = max(1, self.batch_frames // _frames(utterances[ordered[0]]))
                yield ordered[:size]
                ordered = ordered[size:]


def _stack(inputs):
    return keras.tree.map_structure(stacked, *inputs)


def _frames(utterance):
    return max(len(a) for a in keras.tree.flatten(utterance.teacher))


def _aligned(utterance, soft):
    if np.isnan(soft).any():
        raise ValueError(
            f"The teacher's output is not a number in the utterance "
            f"{utterance.name!r}. Expected finite logits or probabilities. Check the "
            "features of that utterance and the teacher's weights"
        )
    if not np.isfinite(utterance.student).all():
        raise ValueError(
            f"The student's input is not a number in the utterance {utterance.name!r}. "
            "Expected finite features. Check the features of that utterance"
        )
    weights, labels = utterance.weights, utterance.labels
    if weights is not None:
        if labels is not None and np.shape(labels) == np.shape(weights):
            labels = labels[: len(soft)]  # of frames, too
        weights = _of_outputs(weights, len(soft), utterance.name)
    return AlignedUtterance(
        utterance.name,
        utterance.student,
        soft,
        weights,
        labels,
        utterance.transcript,
    )


def _of_outputs(weights, frames, name):
    """Returns one weight for each frame of the teacher, None where all are 1."""
    if len(weights) == 1:
        weights = np.repeat(weights, frames)
    if len(weights) < frames or np.any(weights[frames:]):
        raise ValueError(
            f"Different numbers of frames in the utterance {name!r}. Expected {frames} "
            "weights, as many as the teacher's frames, and no weight behind them. "
            f"Received: {len(weights)}. Give weights of the outputs; padding of the "
            "features is what is zero"
        )
    weights = weights[:frames]
    return None if np.all(weights == 1) else weights
