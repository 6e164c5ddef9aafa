"""Kaldi data directories with features: `feats.scp`, `cmvn.scp`, `utt2spk`, `text`."""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from keras_rnn2dnn.audio.corpora.manifests import read_table
from keras_rnn2dnn.kaldi.archives import entry_named, read_array, write_archive
from keras_rnn2dnn.util.errors import invalid, is_text
from keras_rnn2dnn.util.files import new_file

CMVN = ("none", "mean", "mean-variance")


@dataclasses.dataclass(frozen=True, eq=False)
class KaldiUtterance:
    """One utterance of a data directory.

    Args:
        name: its id.
        features: float32 `(frames, features)`.
        text: what is said, or None.
        speaker: who says it; by default the id, as Kaldi has it.
    """

    name: str
    features: np.ndarray
    text: str | None = None
    speaker: str | None = None


class KaldiDirectory:
    """A data directory whose features are read when they are asked for.

    Args:
        path: holds `feats.scp`, and maybe `cmvn.scp`, `utt2spk` and `text`.
        cmvn: how the statistics of `cmvn.scp` are applied, as `apply-cmvn` does:
            `"none"`, `"mean"` (Kaldi's default) or `"mean-variance"`. Without
            `cmvn.scp`, `"mean"` leaves the features as they are.
        root: directory to which the paths in the tables are relative: the one in which
            Kaldi ran.

    Raises:
        FileNotFoundError: if there is no `feats.scp`.
        ValueError: if a table is damaged, or `cmvn` needs what is not there.

    Example:
        >>> _ = write_directory("train", [KaldiUtterance("u1", np.ones((3, 2)), "yes")])
        >>> data = KaldiDirectory("train")
        >>> [(u.name, u.features.shape, u.text, u.speaker) for u in data]
        [('u1', (3, 2), 'yes', 'u1')]
    """

    def __init__(
        self, path: str | Path, cmvn: str = "mean", root: str | Path = "."
    ) -> None:
        if cmvn not in CMVN:
            raise ValueError(invalid("cmvn", f"one of {CMVN}", cmvn))
        self.path, self.cmvn, self.root = Path(path), cmvn, root
        self._places = read_table(self.path / "feats.scp")
        tables = ("text", "utt2spk", "cmvn.scp")
        self._texts, self._speakers, self._stats = map(self._table, tables)
        self._kept: dict[str, tuple] = {}
        if cmvn == "mean-variance" and not self._stats:
            expected = f"cmvn.scp in {str(self.path)!r}"
            raise ValueError(invalid("cmvn", expected, cmvn))

    def _table(self, name):
        path = self.path / name
        return read_table(path) if path.is_file() else {}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[KaldiUtterance]:
        return map(self.utterance, self._places)

    def utterance(self, name: str) -> KaldiUtterance:
        """Reads an utterance.

        Raises:
            KeyError: if there is none of that name.
            ValueError: if its features or statistics are damaged or missing.
        """
        with entry_named(name, self.path / "feats.scp"):
            features = read_array(self._places[name], self.root)
        if features.ndim != 2 or features.dtype.kind != "f":
            received = f"{features.dtype} {features.shape}"
            expected = "floats of shape (frames, features)"
            raise ValueError(invalid(f"features of {name}", expected, received))
        speaker = self._speakers.get(name, name)
        if self._stats and self.cmvn != "none":
            mean, scale = self._normalisation(speaker)
            if len(mean) != features.shape[1]:
                expected = (
                    f"statistics of {features.shape[1]} features, as {name!r} has"
                )
                raise ValueError(invalid(f"cmvn of {speaker}", expected, len(mean)))
            features = ((features - mean) * scale).astype("float32")
        return KaldiUtterance(name, features, self._texts.get(name), speaker)

    def _normalisation(self, speaker):
        if speaker not in self._kept:
            if speaker not in self._stats:
                expected = f"the speaker {speaker!r}"
                raise ValueError(invalid("cmvn.scp", expected, sorted(self._stats)[:3]))
            with entry_named(speaker, self.path / "cmvn.scp"):
                stats = read_array(self._stats[speaker], self.root).astype("float64")
            if stats.ndim != 2 or len(stats) != 2 or stats[0, -1] <= 0:
                expected = "sums, squares and a count > 0: shape (2, features + 1)"
                raise ValueError(invalid(f"cmvn of {speaker}", expected, stats.shape))
            count = stats[0, -1]
            mean = stats[0, :-1] / count
            variance = np.maximum(stats[1, :-1] / count - mean**2, 1e-20)
            scale = 1 / np.sqrt(variance) if self.cmvn == "mean-variance" else 1.0
            self._kept[speaker] = (mean, scale)
        return self._kept[speaker]


def write_directory(
    path: str | Path,
    utterances: Iterable[KaldiUtterance],
    cmvn: bool = False,
    compress: bool = False,
) -> KaldiDirectory:
    """Writes a data directory: features, `utt2spk`, `spk2utt`, `text`.

    The tables are sorted by bytes, as Kaldi's tools demand: speakers' names should
    begin their utterances' ids. `text` and `cmvn.scp` of an older directory are removed
    where the new one has none.

    Args:
        path: of the directory.
        utterances: one after the other; they need not fit into memory.
        cmvn: whether statistics of each speaker are written too.
        compress: whether the features are kept in one byte a value.

    Returns:
        What was written.

    Raises:
        ImportError: if kaldiio is missing; holds the pip line.
        ValueError: if an id or a speaker has spaces, a text more than one line, one of
            them lone surrogates, an id comes twice, or there is no utterance.
    """
    path, heard = Path(path), {}
    stats: dict[str, np.ndarray] = {}

    def arrays():
        for utterance in utterances:
            if utterance.name in heard:
                raise ValueError(f"Two utterances {utterance.name!r}. Expected one")
            speaker = utterance.speaker or utterance.name
            _check_lines(utterance, speaker)
            heard[utterance.name] = (speaker, utterance.text)
            if cmvn:
                sums = _statistics(utterance.features)
                stats[speaker] = stats.get(speaker, 0) + sums
            yield utterance.name, utterance.features

    write_archive(path / "feats.ark", arrays(), compress)
    if cmvn:
        write_archive(path / "cmvn.ark", sorted(stats.items()))
    names = sorted(heard, key=str.encode)
    speakers: dict[str, list[str]] = {}
    for name in names:
        speakers.setdefault(heard[name][0], []).append(name)
    spk2utt = {s: " ".join(speakers[s]) for s in sorted(speakers, key=str.encode)}
    _write_table(path / "utt2spk", {name: heard[name][0] for name in names})
    _write_table(path / "spk2utt", spk2utt)
    texts = {n: heard[n][1] for n in names if heard[n][1] is not None}
    if texts:
        _write_table(path / "text", texts)
    for name, written in (("text", bool(texts)), ("cmvn.scp", cmvn)):
        if not written:
            (path / name).unlink(missing_ok=True)
    return KaldiDirectory(path)


def _check_lines(utterance, speaker):
    name, text = utterance.name, utterance.text
    for value in (name, speaker, text or ""):
        if not is_text(value):
            expected = "text without lone surrogates"
            raise ValueError(invalid(f"utterance {name!r}", expected, value))
    for kind, value in (("id", name), ("speaker", speaker)):
        if value.split() != [value]:
            raise ValueError(invalid(f"{kind} of {name!r}", "no white space", value))
    if text is not None and set(text) & {"\n", "\r"}:
        raise ValueError(invalid(f"text of {name!r}", "a single line", text))


def _statistics(features):
    features = np.asarray(features, "float64")
    stats = np.zeros((2, features.shape[1] + 1))
    stats[0, :-1], stats[0, -1] = features.sum(axis=0), len(features)
    stats[1, :-1] = (features**2).sum(axis=0)
    return stats


def _write_table(path, table):
    with new_file(path) as temporary:
        lines = "".join(f"{key} {value}\n" for key, value in table.items())
        temporary.write_text(lines, encoding="utf-8")
