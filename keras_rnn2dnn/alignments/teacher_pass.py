"""The teacher's pass: from utterances to soft alignments."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn2dnn.alignments.shards.records import AlignedUtterance
from keras_rnn2dnn.alignments.utterances import Utterance
from keras_rnn2dnn.batches.inference import Inference, outputs_of
from keras_rnn2dnn.batches.model_outputs import check_frame_outputs, single_output
from keras_rnn2dnn.batches.model_state import run_stateless
from keras_rnn2dnn.batches.padding import stacked
from keras_rnn2dnn.distillation.input_checks import check_declared, check_softmax
from keras_rnn2dnn.distillation.loss_inputs import mean_posteriors
from keras_rnn2dnn.distillation.losses import log_posteriors
from keras_rnn2dnn.distillation.top_k import top_k_targets
from keras_rnn2dnn.util.errors import invalid

_PROBE_FRAMES = 24
_TRANSFORMED_ELEMENTS = 2**26  # log-posteriors that a transform is given at a time


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
        if len(log_p.shape) == 2:  # one output an utterance: that of one frame
            log_p = log_p[:, None]
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
            if len(outputs.shape) != 2 or outputs.shape[1] == 1:
                check_frame_outputs("teacher", outputs.shape)
            rows = np.asarray(outputs)[0].reshape(-1, outputs.shape[-1])
            if len(rows) and np.isfinite(rows).all():
                check_declared("teacher", rows, self.from_logits, remedy)

    def num_classes(self, utterance: Utterance) -> int:
        """Returns the teacher's classes, by running it on an utterance."""
        x = self._run.as_taken(_stack([utterance.teacher]))[0]
        return int(run_stateless(self.teachers[0], x).shape[-1])

    def is_whole(self, utterance: Utterance) -> bool:
        """Tells whether there is one output for each utterance, not for each frame."""
        x = self._run.as_taken(_stack([utterance.teacher]))[0]
        return len(run_stateless(self.teachers[0], x).shape) == 2

    def ignores_padding(self, utterance: Utterance) -> bool:
        """Tells whether zeros behind an utterance leave its posteriors unchanged."""
        if self._run.fixes_frames:
            return True  # as in a padded batch
        alone = _stack([utterance.teacher])
        longer = keras.tree.map_structure(
            lambda a, framed: _padded(a) if framed else a,
            alone,
            keras.tree.pack_sequence_as(alone, self._run.framed(alone)),
        )
        lengths = set(self._lengths(utterance))
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
        waiting: list[int] = []  # for the transform, as many as fit into memory
        elements = 0
        for numbers in self._batches(utterances, pads):
            longest = utterances[numbers[0]]
            try:
                outputs = self._run(_stack([utterances[n].teacher for n in numbers]))
            except ValueError as error:
                raise ValueError(f"The utterance {longest.name!r}: {error}") from error
            for number, output in zip(numbers, outputs.numpy(), strict=True):
                frames = self._frames(utterances[number]), self._frames(longest)
                softs[number] = output[: outputs_of(*frames, len(output))]
                elements += softs[number].size
            waiting += numbers
            if elements > _TRANSFORMED_ELEMENTS:
                self._transform(softs, utterances, waiting)
                waiting, elements = [], 0
        self._transform(softs, utterances, waiting)
        return [
            _aligned(utterance, soft)
            for utterance, soft in zip(utterances, softs, strict=True)
        ]

    def _transform(self, softs, utterances, numbers):
        """Puts what is kept in place of the log-posteriors of these utterances."""
        if not self.transform or not numbers:
            return
        numbers = sorted(numbers)
        chosen = [utterances[n] for n in numbers]
        given = [softs[n] for n in numbers], [u.transcript for u in chosen]
        try:
            transformed = self.transform(*given)
        except ValueError as error:
            names = [utterance.name for utterance in chosen]
            shown = f"{names[0]!r} to {names[-1]!r}"
            if len(names) < len(utterances):
                shown = ", ".join(map(repr, names))
            raise ValueError(
                f"In the utterances {shown}, numbered from 0: {error}"
            ) from error
        for number, one in zip(numbers, transformed, strict=True):
            softs[number] = self._targets_of(one)

    def _batches(self, utterances, pads):
        groups: dict[Any, list[int]] = {}
        for number, utterance in enumerate(utterances):
            lengths = tuple(self._lengths(utterance))
            groups.setdefault(None if pads else lengths, []).append(number)
        for numbers in groups.values():
            ordered = sorted(numbers, key=lambda n: -self._frames(utterances[n]))
            while ordered:
                longest = self._frames(utterances[ordered[0]])
                size = max(1, self.batch_frames // longest)
                yield ordered[:size]
                ordered = ordered[size:]

    def _frames(self, utterance):
        return max(self._lengths(utterance))

    def _lengths(self, utterance):
        """Returns the lengths of what the teacher hears; not of what has no frames."""
        leaves = keras.tree.flatten(utterance.teacher)
        framed = self._run.framed([np.asarray(leaf)[None] for leaf in leaves])
        return [len(leaf) for leaf, has in zip(leaves, framed, strict=True) if has]


def _stack(inputs):
    return keras.tree.map_structure(stacked, *inputs)


def _padded(batch):
    return np.pad(batch, [(0, 0), (0, _PROBE_FRAMES), *[(0, 0)] * (batch.ndim - 2)])


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
