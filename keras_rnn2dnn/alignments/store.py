"""The store of soft alignments: the teacher runs once, students train many times."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_rnn2dnn.alignments.options import AlignOptions
from keras_rnn2dnn.alignments.shards.integrity import check_files, check_shard
from keras_rnn2dnn.alignments.shards.manifest import Manifest, Shard
from keras_rnn2dnn.alignments.shards.merging import merge_parts
from keras_rnn2dnn.alignments.shards.reader import read_batches, read_utterances
from keras_rnn2dnn.alignments.shards.records import AlignedUtterance
from keras_rnn2dnn.alignments.shards.writer import StoreWriter
from keras_rnn2dnn.alignments.utterances import utterances_of
from keras_rnn2dnn.batches.inference import input_shapes
from keras_rnn2dnn.batches.model_outputs import single_output
from keras_rnn2dnn.batches.model_state import left_as_found
from keras_rnn2dnn.batches.utterance_lists import input_rank
from keras_rnn2dnn.distillation.frozen_teacher import as_list
from keras_rnn2dnn.util.errors import invalid, is_integer


class SoftAlignments:
    """Soft alignments on disk, with the features they belong to.

    A directory of TFRecord shards and a `manifest.json`. It is made by
    `SoftAlignments.write`, and read a piece at a time: memory does not grow with it
    (Parthasarathi and Strom, "Lessons from building acoustic models with a million
    hours of speech", 2019, keep the highest posteriors in the same way).

    Args:
        path: directory of a finished store.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is of another version, unfinished or damaged.

    Example:
        >>> teacher = keras.Sequential([
        ...     keras.Input((None, 8)),
        ...     keras.layers.GRU(16, return_sequences=True),
        ...     keras.layers.Dense(100),
        ... ])
        >>> x = np.random.default_rng(0).normal(size=(6, 30, 8)).astype("float32")
        >>> store = SoftAlignments.write("train.align", teacher, x, top_k=20)
        >>> store.num_utterances, store.num_frames, store.num_classes, store.top_k
        (6, 180, 100, 20)
        >>> from keras_rnn2dnn import SoftAlignmentKL
        >>> layers = [keras.Input((None, 8)), keras.layers.Dense(100)]
        >>> student = keras.Sequential(layers)
        >>> student.compile("adam", SoftAlignmentKL())
        >>> data = store.dataset(batch_size=2, shuffle=True, seed=0)
        >>> history = student.fit(data, epochs=2, shuffle=False, verbose=0)
        >>> len(history.history["loss"])
        2
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.manifest = Manifest.load(self.path)
        if not self.manifest.complete:
            raise ValueError(
                f"The store {str(path)!r} is unfinished. Expected a complete one. "
                f"Received: {len(self.manifest.shards)} finished shards. Call "
                "`SoftAlignments.write` again as before to go on"
            )

    @classmethod
    def write(
        cls,
        path: str | Path,
        teacher: keras.Model | Sequence[keras.Model],
        dataset: Any,
        top_k: int | None = None,
        *,
        teacher_from_logits: bool = True,
        teacher_weights: Sequence[float] | None = None,
        temperature: float = 1.0,
        one_best: bool = False,
        transform: Callable[[list, list], list] | None = None,
        feature_dtype: str = "float32",
        feature_spec: Any = None,
        utterances_per_shard: int = 512,
        part: tuple[int, int] = (0, 1),
        num_utterances: int | None = None,
        batch_size: int = 32,
        batch_frames: int = 8192,
        on_shard: Callable[[Shard], None] | None = None,
    ) -> "SoftAlignments | None":
        """Runs the teacher once, and keeps its soft alignments.

        A shard takes its name when it is finished. A run that was stopped goes on when
        it is called again with the same arguments; on the same machine, with as many
        threads, the result is the same to the byte. On a complete store the data are
        read and compared; only missing or damaged shards are made anew.

        Args:
            path: directory of the store.
            teacher: Keras model `(batch, frames, ...) -> (batch, frames, classes)`, or
                `-> (batch, classes)`, or a list of them, whose mean posteriors are
                kept.
            dataset: arrays, a list of utterances `(frames, ...)`, a ragged tensor, a
                data set of batches or of utterances, or a tuple `(x, y)` or
                `(x, y, sample_weight)`, always in the same order. `x` is as for
                `Distiller.fit`, also with what the teacher is told once of each
                utterance, `(batch,)` or `(batch, n)`; `y` are labels, or a dict of any
                of `labels`, `transcripts` (strings) and `ids`. Padding is what
                `sample_weight` `(batch, frames)` gives no weight at the end of an
                utterance; without it, all-zero frames at the end. Of a teacher with
                strides, give the weights of its outputs: then, too, padding is what is
                zero.
            top_k: classes kept in each frame; the mass of the others is kept as one
                number. By default 20, and all of them up to 64 classes.
            teacher_from_logits: whether the teacher gives logits.
            teacher_weights: of the members of an ensemble; equal by default.
            temperature: softens the posteriors before the best are chosen.
            one_best: keeps the best class alone, with all of the mass, whatever
                `top_k` is.
            transform: `(log_posteriors, transcripts) -> log_posteriors`, of lists of
                `(frames, classes)`, such as `hmm.constrained(topology)`.
            feature_dtype: of the student's features on disk, float32 or float16.
            feature_spec: how the features were made: a dict or a `FeatureSpec`.
            utterances_per_shard: in all shards but the last.
            part: `(i, n)` writes the shards `i`, `i + n`, ... alone, for one of `n`
                machines, each with a path of its own; see `merge`.
            num_utterances: how many the data set must give, if that is known.
            batch_size: utterances per batch of `dataset`, for arrays.
            batch_frames: frames that the teacher hears at once, padding included.
            on_shard: called with every finished shard.

        Returns:
            The store; None where `part` is not all of it.

        Raises:
            ValueError: if an argument is invalid, the store there was made otherwise
                or of other utterances, or the teacher gives NaN.
            RuntimeError: if the data set fails, or another process writes there.
            OSError: if a file cannot be written.
        """
        options = AlignOptions(
            top_k=top_k,
            teacher_from_logits=teacher_from_logits,
            teacher_weights=teacher_weights,
            temperature=temperature,
            one_best=one_best,
            transform=transform,
            feature_dtype=feature_dtype,
            feature_spec=feature_spec,
            utterances_per_shard=utterances_per_shard,
            batch_frames=batch_frames,
        )
        if len(part) != 2 or not 0 <= part[0] < part[1]:
            raise ValueError(invalid("part", "a pair (i, n) with 0 <= i < n", part))
        # Others are refused when the first utterance is there.
        models = [m for m in as_list(teacher) if isinstance(m, keras.Layer)]
        for model in models:
            single_output("teacher", model)
        writer = StoreWriter(Path(path), part, num_utterances, on_shard)
        utterances = utterances_of(
            dataset,
            batch_size,
            rank=input_rank(as_list(teacher)[0]),
            teacher_shapes=input_shapes(models),
        )
        with left_as_found(models):
            writer.write(lambda first: options.plan(teacher, first), utterances)
        return cls(path) if part[1] == 1 else None

    @classmethod
    def merge(cls, path: str | Path, parts: Sequence[str | Path]) -> "SoftAlignments":
        """Puts the parts of several machines together into one store.

        Args:
            path: directory of the store.
            parts: directories which `write` made with `part=(0, n)` to
                `part=(n - 1, n)`. Their shards are moved.

        Returns:
            The store, the same to the byte as one written on one machine, where all
            machines are of the same kind and use as many threads.

        Raises:
            ValueError: if a part is missing, unfinished or of another kind, or `path`
                holds a store already.
        """
        merge_parts(Path(path), parts)
        return cls(path)

    def __repr__(self):
        return (
            f"<SoftAlignments {str(self.path)!r}: {self.num_utterances} utterances, "
            f"{self.num_frames} frames, {self.num_classes} classes, top_k={self.top_k}>"
        )

    @property
    def num_utterances(self) -> int:
        """Utterances in the store."""
        return sum(shard.utterances for shard in self.manifest.shards)

    @property
    def num_frames(self) -> int:
        """Frames with a weight > 0."""
        return sum(shard.frames for shard in self.manifest.shards)

    @property
    def num_classes(self) -> int:
        """Classes of the teacher."""
        return self.manifest.settings.num_classes

    @property
    def top_k(self) -> int | None:
        """Classes kept in each frame; None where all are."""
        return self.manifest.settings.top_k

    @property
    def kept_mass(self) -> float:
        """Mean probability of the classes kept, from 0 to 1."""
        return sum(s.kept for s in self.manifest.shards) / max(self.num_frames, 1)

    @property
    def nbytes(self) -> int:
        """Bytes of all shards."""
        return sum(shard.num_bytes for shard in self.manifest.shards)

    @property
    def target_bytes_per_frame(self) -> float:
        """Bytes of the soft alignments alone, per frame."""
        total = sum(shard.target_bytes for shard in self.manifest.shards)
        return total / max(self.num_frames, 1)

    def dataset(
        self,
        batch_size: int = 32,
        batch_frames: int | None = None,
        shuffle: bool = False,
        seed: int | None = None,
        buckets: int = 32,
        first_epoch: int = 0,
        labels: bool = False,
        cache: bool = False,
    ) -> tf.data.Dataset:
        """Returns batches for `Distiller(None, student).fit` or `student.fit`.

        Args:
            batch_size: utterances per batch.
            batch_frames: frames per batch, padding included, in place of `batch_size`.
            shuffle: draws shards, and utterances among 1,024, in another order in
                each epoch. In small stores, of which all is left over in the groups,
                it is mostly the order of the batches that changes.
            seed: of the order; equal seeds give equal orders.
            buckets: groups of like length, which fill their batches apart; what is
                left over in them is batched together at the end. 1 for no groups.
            first_epoch: the epoch whose order the first reading has, for a training
                that goes on.
            labels: gives `y` as `{"soft": ..., "labels": ...}`, for a Distiller with
                a hard loss. Labels are padded with -1.
            cache: keeps what was read in memory, for a store that fits into it; the
                order stays the same.

        Returns:
            A `tf.data.Dataset` of `(x, y, weights)`: features `(batch, frames, ...)`,
            soft alignments `(batch, frames, classes)` or `(batch, frames, 2, k + 1)`,
            weights `(batch, frames)`, 0 at the padding. Of a teacher with one output
            for each utterance `(batch, classes)` or `(batch, 2, k + 1)`, `(batch,)`.

        Raises:
            ValueError: if a shard is missing or has another size, or a number is not
                positive. While it is read, TensorFlow's error around it, if a record
                is damaged: a shard is checked whole when it is first read, and again
                when its file has changed.
        """
        sizes = {"batch_size": batch_size, "buckets": buckets}
        if batch_frames is not None:
            sizes["batch_frames"] = batch_frames
        for name, value in sizes.items():
            if not is_integer(value) or value < 1:
                raise ValueError(invalid(name, "an integer >= 1", value))
        check_files(self.path, self.manifest)
        return read_batches(
            self.path,
            self.manifest,
            buckets=buckets,
            batch_size=batch_size,
            batch_frames=batch_frames,
            shuffle=shuffle,
            seed=seed,
            first_epoch=first_epoch,
            labels=labels,
            cache=cache,
        )

    def utterances(self) -> Iterator[AlignedUtterance]:
        """Yields every utterance, in the order of writing; weights always with it."""
        return read_utterances(self.path, self.manifest)

    def verify(self, on_shard: Callable[[Shard], None] | None = None) -> None:
        """Reads the whole store: files, checksums and counts.

        Args:
            on_shard: called with every shard that is whole.

        Raises:
            ValueError: names the file and the record which is damaged.
        """
        check_files(self.path, self.manifest)
        for shard in self.manifest.shards:
            check_shard(self.path, self.manifest, shard)
            if on_shard:
                on_shard(shard)
