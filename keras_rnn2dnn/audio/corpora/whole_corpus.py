"""A corpus of any layout in memory: recordings, and what was left out of it."""

import dataclasses
import difflib
import logging
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_rnn2dnn.audio.corpora.listing import is_speech_commands, list_transcribed
from keras_rnn2dnn.audio.corpora.loading import AudioLoader, Skipped
from keras_rnn2dnn.audio.corpora.name_patterns import NamePattern
from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.corpora.word_folders import (
    Listing,
    Utterance,
    count_speakers,
    list_word_folders,
)
from keras_rnn2dnn.audio.formats.headers import read_header
from keras_rnn2dnn.scoring.vocabulary import normalised
from keras_rnn2dnn.util.errors import invalid

_LOG = logging.getLogger(__name__)
_SHOWN = 8


@dataclasses.dataclass(frozen=True, eq=False)
class Corpus:
    """The recordings of a corpus, and what became of the rest.

    Args:
        recordings: transcribed, of one rate; their speaker is "" where none is known.
        parts: what the corpus uses each for: "train", "development" or "test", or
            None where it does not tell.
        other_speech: of none of the words asked for.
        speakers: a sentence on how the speakers were found, or that they were not.
        speaker_pattern: of the files' names by which they were found, or None.
        file_rates_hz: how many files had which rate.
        skipped: files and folders that were left out, and why.
    """

    recordings: list[Recording]
    parts: list[str | None]
    other_speech: list[Recording]
    speakers: str
    speaker_pattern: str | None
    file_rates_hz: dict[int, int]
    skipped: list[Skipped]

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the recordings, in alphabetical order."""
        return tuple(sorted({word for r in self.recordings for word in r.words}))

    def __str__(self) -> str:
        rate = self.recordings[0].sample_rate_hz
        seconds = sum(len(r.samples) for r in self.recordings) / rate
        lines = [
            f"{len(self.recordings)} recordings of {len(self.words)} words, "
            f"{seconds:.0f} s at {rate} Hz",
            self.speakers,
        ]
        if self.other_speech:
            lines.append(f"{len(self.other_speech)} recordings of other words")
        if len(self.file_rates_hz) > 1:
            lines.append(_rates(self.file_rates_hz, rate))
        lines += [f"Skipped {s.path}: {s.reason}" for s in self.skipped[:_SHOWN]]
        if (more := len(self.skipped) - _SHOWN) > 0:
            lines.append(f"Skipped {more} more")
        return "\n".join(lines)


def load_recordings(
    path: str | Path,
    sample_rate_hz: int | None = None,
    words: Sequence[str] | None = None,
    speaker_pattern: str | None = None,
    max_other_speech: int | None = None,
    normalise: Sequence[str] = (),
) -> Corpus:
    """Loads a corpus of folders by word, or of any layout that `list_corpus` knows.

    What is odd is no error: it is logged, and told in the `Corpus`.

    Args:
        path: of the corpus.
        sample_rate_hz: wanted; by default that of most files, the lower of two.
        words: vocabulary; recordings of none of them become `other_speech`. All by
            default.
        speaker_pattern: of the files' names, as of `NamePattern`, such as
            `"{speaker}_{n}"`. By default what the layout tells, or a guess.
        max_other_speech: most recordings of other words that are loaded, evenly from
            among them; all by default.
        normalise: what is done to transcripts, and to `words`: of
            `scoring.vocabulary.OPTIONS`. Names of folders stay as they are.

    Returns:
        The `Corpus`, its recordings in the order of the files.

    Raises:
        FileNotFoundError: if there is no audio.
        ImportError: if an extra is missing; holds the pip line.
        ValueError: if a table is damaged, the pattern does not match a file, a word
            does not occur, or no file can be decoded.

    Example:
        >>> from keras_rnn2dnn.audio.corpora import write_wav
        >>> for name in ("go/ann_0", "go/bob_0", "stop/ann_0", "stop/bob_0"):
        ...     write_wav(f"{name}.wav", np.zeros(800), 8000)
        >>> corpus = load_recordings(".", words=["go"])
        >>> [(r.words, r.speaker) for r in corpus.recordings]
        [(('go',), 'ann'), (('go',), 'bob')]
        >>> len(corpus.other_speech), corpus.speaker_pattern
        (2, '{speaker}_{n}')
    """
    listing = list_utterances(path, speaker_pattern, normalise)
    wanted = None
    if words is not None:
        wanted = _check_words(words, listing.utterances, normalise)
    (_LOG.info if listing.found_speakers else _LOG.warning)("%s", listing.speakers)
    rates = file_rates(listing.utterances)
    commonest = min(rates, key=lambda r: (-rates[r], r), default=None)
    rate = commonest if sample_rate_hz is None else sample_rate_hz
    if rate is None:
        raise ValueError(
            f"Cannot decode any file of {str(path)!r}. Expected WAV, FLAC, MP3 or Ogg "
            f"Vorbis. Received: {len(listing.utterances)} files such as "
            f"{str(listing.utterances[0].file.path)!r}"
        )
    if len(rates) > 1:
        _LOG.warning("%s", _rates(rates, rate))
    ours, others, mixed = _by_words(listing.utterances, wanted)
    skipped = [*listing.skipped, *mixed]
    _log_skipped(skipped)
    if max_other_speech is not None and len(others) > max_other_speech:
        places = np.linspace(0, len(others), max_other_speech, endpoint=False)
        others = [others[int(place)] for place in places]
    loaded, unreadable = _load(ours, rate)
    if not loaded:
        raise ValueError(
            f"No recordings in {str(path)!r}. Expected one that can be decoded. "
            f"Received: {len(ours)} files, such as {(skipped + unreadable)[-1]}"
        )
    other_speech, also_unreadable = _load(others, rate)
    return Corpus(
        [recording for _, recording in loaded],
        [utterance.part for utterance, _ in loaded],
        [recording for _, recording in other_speech],
        listing.speakers,
        listing.pattern,
        rates,
        skipped + unreadable + also_unreadable,
    )


def _by_words(utterances, wanted):
    """Returns those of the words, those of none of them, and of the rest why not."""
    ours, others, mixed = [], [], []
    for utterance in utterances:
        among = [wanted is None or _key(word) in wanted for word in utterance.words]
        if all(among):
            ours.append(utterance)
        elif not any(among):
            others.append(utterance)
        else:
            reason = "it holds other words beside those asked for"
            mixed.append(Skipped(utterance.file.path, reason))
    return ours, others, mixed


def _load(utterances, rate):
    """Returns pairs of utterance and recording, and the files that were skipped."""
    if not utterances:
        return [], []
    by_name = {utterance.file.name: utterance for utterance in utterances}
    loader = AudioLoader([u.file for u in utterances], rate)
    times: Counter = Counter()
    pairs = []
    for file, samples in loader:
        said = by_name[file.name].words, file.speaker or ""
        pairs.append((by_name[file.name], Recording(samples, rate, *said, times[said])))
        times[said] += 1
    return pairs, loader.skipped


def list_utterances(
    path: str | Path,
    speaker_pattern: str | None = None,
    normalise: Sequence[str] = (),
) -> Listing:
    """Lists the utterances that `load_recordings` would load; no audio is read.

    Args:
        path: of the corpus.
        speaker_pattern: as of `load_recordings`.
        normalise: likewise.

    Raises:
        FileNotFoundError: if there is no audio.
        ValueError: as of `load_recordings`.
    """
    path = Path(path)
    files = None if is_speech_commands(path) else list_transcribed(path)
    if files is None and not path.is_dir():
        raise FileNotFoundError(
            f"No corpus {str(path)!r}. Expected a directory, or a manifest that ends "
            "in .jsonl or .tsv"
        )
    if files is None:
        return list_word_folders(path, speaker_pattern)
    if speaker_pattern is not None:
        pattern = NamePattern(speaker_pattern)
        names = [file.path.with_suffix("").as_posix() for file in files]
        fields = pattern.match_all(names, [None] * len(names))
        files = [
            dataclasses.replace(file, speaker=field.get("speaker", file.speaker))
            for file, field in zip(files, fields, strict=True)
        ]
    utterances = [
        Utterance(f, tuple(normalised(f.text or "", normalise).split())) for f in files
    ]
    said = [u for u in utterances if u.words]
    if not said:
        raise ValueError(
            f"Nothing tells what is said in {str(path)!r}. Expected transcripts. "
            f"Received: {len(files)} files without text"
        )
    how = "as the corpus tells"
    if "{speaker}" in (speaker_pattern or ""):
        how = f"by the files' names, {speaker_pattern!r}"
    without = "the corpus has none. If the files' names tell, give `speaker_pattern`"
    sentence = count_speakers(said, how, without)
    skipped = [
        Skipped(u.file.path, "it has no text") for u in utterances if not u.words
    ]
    return Listing(said, sentence, speaker_pattern, skipped)


def file_rates(utterances: Sequence[Utterance]) -> dict[int, int]:
    """Counts the sample rates of the files, in Hz; leaves out what cannot be read."""
    rates: Counter = Counter()
    for path in {utterance.file.path for utterance in utterances}:
        try:
            rates[read_header(path.read_bytes()).sample_rate_hz] += 1
        except (OSError, ValueError):
            continue  # the loader tells which, and why
    return dict(rates.most_common())


def _rates(rates, rate):
    counts = ", ".join(f"{n} of {r} Hz" for r, n in rates.items())
    return f"Files of several sample rates are changed to {rate} Hz: {counts}"


def _check_words(words, utterances, normalise):
    """Returns the keys of the words; raises where one does not occur."""
    if isinstance(words, str) or not words:
        raise ValueError(invalid("words", "a list of words", words))
    if normalise:
        words = [normalised(word, normalise) for word in words]
    known = {_key(word): word for u in utterances for word in u.words}
    unknown = [word for word in words if _key(word) not in known]
    if unknown:
        first = sorted(known.values())[:40]
        more = f" and {len(known) - 40} more" if len(known) > 40 else ""
        near = difflib.get_close_matches(_key(unknown[0]), known, n=1)
        hint = f"Did you mean {known[near[0]]!r}?" if near else ""
        raise ValueError(invalid("words", f"words among {first}{more}", unknown, hint))
    return {_key(word) for word in words}


def _key(word):
    """Some systems write é as two characters in names of folders."""
    return unicodedata.normalize("NFC", word)


def _log_skipped(skipped):
    """Logs what is left out before the loader, which logs its own; a line a reason."""
    reasons = Counter(s.reason for s in skipped)
    first = {s.reason: s.path for s in reversed(skipped)}
    for reason, number in reasons.items():
        more = f" and {number - 1} more" if number > 1 else ""
        _LOG.warning("Skipped %s%s: %s", first[reason], more, reason)
