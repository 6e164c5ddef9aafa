"""Where `align` finds features: `.npz` files, a store, or a directory of audio."""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from keras_rnn2dnn.alignments import SoftAlignments
from keras_rnn2dnn.audio.corpora import read_wav
from keras_rnn2dnn.audio.features import FeatureSpec, LogMel
from keras_rnn2dnn.files import Utterances


@dataclasses.dataclass(frozen=True)
class FeatureSource:
    """Features of utterances, one after the other.

    Args:
        path: an `.npz` file of `Utterances`, a directory of such files, a store of
            soft alignments, or a directory of `.wav` files.
        spec: how the features of audio are made; None for other sources.

    Raises:
        ValueError: if there is nothing to read, or a specification is missing.

    Example:
        >>> Utterances([np.ones((3, 2))], ["yes"]).save("a.npz")
        >>> source = FeatureSource("a.npz")
        >>> [(x.shape, y["transcripts"]) for x, y in source.batches()], len(source)
        ([((1, 3, 2), ['yes'])], 1)
    """

    path: str | Path
    spec: FeatureSpec | None = None

    def __post_init__(self):
        path = Path(self.path)
        if not path.exists():
            raise FileNotFoundError(
                f"No data {str(path)!r}. Expected an .npz file of features, a directory"
                " of such files or of .wav files, or a store of soft alignments"
            )
        if not (self._is_store() or self._files(".npz") or self._files(".wav")):
            raise ValueError(
                f"Nothing to read in {str(path)!r}. Expected .npz files of features, "
                ".wav files, or a store of soft alignments"
            )
        if self._is_audio() and self.spec is None:
            raise ValueError(
                f"{str(path)!r} holds audio. Expected a specification of its features: "
                "--features SPEC.json"
            )

    def __len__(self) -> int:
        if self._is_store():
            return SoftAlignments(self.path).num_utterances
        if self._is_audio():
            return len(self._files(".wav"))
        return sum(len(Utterances.load(f).features) for f in self._files(".npz"))

    def batches(self) -> Iterator[tuple[np.ndarray, dict]]:
        """Yields `(x, y)` of one utterance, `x` `(1, frames, features)`."""
        if self._is_store():
            yield from self._of_store()
        elif self._is_audio():
            yield from self._of_audio()
        else:
            yield from self._of_npz()

    def utterances(self, at_most: int) -> Utterances:
        """Returns the first utterances, with their transcripts if all have one."""
        pairs = list(itertools.islice(self.batches(), at_most))
        features = [x[0] for x, _ in pairs]
        if not all("transcripts" in y for _, y in pairs):
            return Utterances(features)
        return Utterances(features, [y["transcripts"][0] for _, y in pairs])

    def feature_spec(self):
        """Returns how the features were made, if that is known."""
        if self._is_store():
            return SoftAlignments(self.path).manifest.settings.feature_spec
        return self.spec

    def _is_store(self):
        return (Path(self.path) / "manifest.json").is_file()

    def _is_audio(self):
        return not self._is_store() and not self._files(".npz")

    def _files(self, suffix):
        path = Path(self.path)
        if path.is_dir():
            return sorted(path.rglob(f"*{suffix}"))
        return [path] if path.suffix == suffix else []

    def _of_store(self):
        for utterance in SoftAlignments(self.path).utterances():
            y = {"ids": [utterance.name]}
            if utterance.transcript is not None:
                y["transcripts"] = [utterance.transcript]
            if utterance.labels is not None:
                y["labels"] = utterance.labels[None]
            yield utterance.features[None], y

    def _of_npz(self):
        files = self._files(".npz")
        for file in files:
            data = Utterances.load(file)
            prefix = f"{file.stem}-" if len(files) > 1 else ""
            for number, features in enumerate(data.features):
                y = {"ids": [f"{prefix}{number}"]}
                if data.transcripts is not None:
                    y["transcripts"] = [data.transcripts[number]]
                yield features[None], y

    def _of_audio(self):
        layer = LogMel.from_spec(self.spec)
        root = Path(self.path) if Path(self.path).is_dir() else Path(self.path).parent
        for file in self._files(".wav"):
            samples, rate = read_wav(file)
            if rate != self.spec.sample_rate_hz:
                raise ValueError(
                    f"Cannot use {str(file)!r}. Expected {self.spec.sample_rate_hz} Hz "
                    f"as in the feature specification. Received: {rate} Hz"
                )
            features = np.zeros((1, 0, self.spec.num_bins), "float32")
            if len(samples) >= self.spec.frame_length:
                features = layer(samples[None]).numpy()
            name = str(file.relative_to(root).with_suffix(""))
            yield features, {"ids": [name]}
