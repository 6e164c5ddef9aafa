"""Where `align` finds features: `.npz` files, a store, a corpus, a Kaldi directory."""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from keras_rnn2dnn.alignments import SoftAlignments
from keras_rnn2dnn.audio.corpora.listing import list_corpus
from keras_rnn2dnn.audio.corpora.loading import AudioLoader
from keras_rnn2dnn.audio.features import FeatureSpec, LogMel
from keras_rnn2dnn.kaldi import KaldiDirectory
from keras_rnn2dnn.scoring.vocabulary import normalised
from keras_rnn2dnn.util.files import Utterances


@dataclasses.dataclass(frozen=True)
class FeatureSource:
    """Features of utterances, one after the other.

    Args:
        path: an `.npz` file of `Utterances`, a directory of such files, a store of
            soft alignments, a Kaldi data directory with `feats.scp`, or audio: what
            `audio.corpora.listing.list_corpus` recognises.
        spec: how the features of audio are made; None for other sources.
        strict: whether an audio file that cannot be decoded is an error.
        normalisation: of the transcripts, `vocabulary.OPTIONS` one after the other.

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
    strict: bool = False
    normalisation: tuple[str, ...] = ()

    def __post_init__(self):
        path = Path(self.path)
        if not path.exists():
            raise FileNotFoundError(
                f"No data {str(path)!r}. Expected an .npz file of features, a directory"
                " of such files, audio, a store of soft alignments, or a Kaldi data "
                "directory"
            )
        if self._is_audio():
            self._check_audio()

    def _check_audio(self):
        path = Path(self.path)
        try:
            list_corpus(path)
        except FileNotFoundError as error:
            raise ValueError(
                f"Nothing to read in {str(path)!r}. Expected .npz files of features, "
                f"audio, a store of soft alignments, or feats.scp. {error}"
            ) from error
        if self.spec is None:
            raise ValueError(
                f"{str(path)!r} holds audio. Expected a specification of its features: "
                "--features SPEC.json"
            )

    def __len__(self) -> int:
        if self._is_store():
            return SoftAlignments(self.path).num_utterances
        if self._is_audio():
            return len(list_corpus(self.path))
        if self._is_kaldi():
            return len(KaldiDirectory(self.path))
        return sum(len(Utterances.load(f).features) for f in self._files(".npz"))

    def batches(self) -> Iterator[tuple[np.ndarray, dict]]:
        """Yields `(x, y)` of one utterance, `x` `(1, frames, features)`."""
        for x, y in self._utterances():
            if self.normalisation and "transcripts" in y:
                (text,) = y["transcripts"]
                y["transcripts"] = [normalised(text, self.normalisation)]
            yield x, y

    def _utterances(self):
        if self._is_store():
            return self._of_store()
        if self._is_audio():
            return self._of_audio()
        if self._is_kaldi():
            return self._of_kaldi()
        return self._of_npz()

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
        others = self._is_store() or self._is_kaldi() or self._files(".npz")
        return not others

    def _is_kaldi(self):
        """Tells Kaldi's features; with a specification, its audio is read instead."""
        return self.spec is None and (Path(self.path) / "feats.scp").is_file()

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

    def _of_kaldi(self):
        for utterance in KaldiDirectory(self.path):
            y = {"ids": [utterance.name]}
            if utterance.text is not None:
                y["transcripts"] = [utterance.text]
            yield utterance.features[None], y

    def _of_audio(self):
        layer, spec = LogMel.from_spec(self.spec), self.spec
        files = list_corpus(self.path)
        for file, samples in AudioLoader(files, spec.sample_rate_hz, self.strict):
            features = np.zeros((1, 0, spec.num_features), "float32")
            if len(samples) >= spec.frame_length:
                features = layer(samples[None]).numpy()
            y = {"ids": [file.name]}
            if file.text is not None:
                y["transcripts"] = [file.text]
            yield features, y
