"""Recordings by their use: `Split`, and how a corpus becomes one."""

import dataclasses
import itertools
import logging
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.audio.augment import unit_level
from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.util.errors import invalid

_LOG = logging.getLogger(__name__)
_HEARD_IN_TRAINING = 0.8  # of the noise


@dataclasses.dataclass(frozen=True)
class Split:
    """Recordings by their use; none stands in two of the lists.

    Args:
        train: transcribed, of one or several words each, for teacher and students.
        development: transcribed, for the choices of the decoder.
        unlabelled: of those who will speak, their transcripts unknown; may be empty.
        test: transcribed, for what is measured at the end; may be empty.
        other_speech: none of the words, of anybody; may be empty. It is heard as babble
            behind the words.
        noise: recordings without speech; may be empty. The last fifth of all of them
            together is heard in development and test, the rest in the training.
    """

    train: Sequence[Recording]
    development: Sequence[Recording]
    unlabelled: Sequence[Recording] = ()
    test: Sequence[Recording] = ()
    other_speech: Sequence[Recording] = ()
    noise: Sequence[Recording] = ()

    def check(self) -> None:
        """Refuses what nothing can be trained on.

        Raises:
            ValueError: if `train` or `development` is empty or has a recording without
                words, or if the sample rates differ.
        """
        for use in ("train", "development"):
            given = getattr(self, use)
            silent = sum(not recording.words for recording in given)
            if not given or silent:
                received = f"{len(given)} recordings, {silent} of them without words"
                raise ValueError(invalid(use, "recordings with their words", received))
        every = (getattr(self, field.name) for field in dataclasses.fields(self))
        rates = sorted({r.sample_rate_hz for given in every for r in given})
        if len(rates) > 1:
            raise ValueError(
                f"Different sample rates. Expected one for all recordings. Received: "
                f"{rates} Hz. Resample them, as the readers of corpora do with "
                "`sample_rate_hz`"
            )

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The words of the training, in alphabetical order."""
        return tuple(sorted({word for r in self.train for word in r.words}))

    @property
    def babble(self) -> list[Recording]:
        """What babble noise is made of: never recordings of the test."""
        return [*self.train, *self.other_speech]

    def noise_of(self, use: str) -> np.ndarray:
        """Returns the noise of a use, each recording at an RMS of 1, end to end.

        Args:
            use: `"development"` and `"test"` hear what no training does.

        Returns:
            `(samples,)` float32; empty where there is no noise.
        """
        loud = [r.samples for r in self.noise if np.any(r.samples)]
        if not loud:
            return np.zeros(0, "float32")
        track = np.concatenate([unit_level(samples) for samples in loud])
        end = int(_HEARD_IN_TRAINING * len(track))
        return track[end:] if use in ("development", "test") else track[:end]

    @property
    def by_speaker(self) -> bool:
        """Whether those of development and test are heard nowhere else."""
        used = (self.train, self.development, self.test)
        train, development, test = ({r.speaker for r in part} for part in used)
        measured = development | test
        return "" not in measured and not train & measured and not development & test


def split_corpus(
    recordings: Sequence[Recording],
    parts: Sequence[str | None] | None = None,
    development: float = 0.15,
    test: float = 0.15,
    other_speech: Sequence[Recording] = (),
    seed: int = 0,
) -> Split:
    """Splits recordings by speaker, or by file where there are too few speakers.

    Parts that the corpus gives itself are kept; of its training, development and test
    are drawn only where it has no development. Each word occurs in each part where
    there are speakers, or files, enough of it: first in training, then in development.
    Recordings without a speaker, among others with one, are of the training.

    Args:
        recordings: transcribed; of all speakers.
        parts: "train", "development" or "test" of each, or None; as of `Corpus`.
        development: share of the recordings, about.
        test: share of the recordings, about; 0 for none.
        other_speech: of other words; of speakers who are in development or test, it is
            left out.
        seed: of what is drawn.

    Returns:
        The `Split`; its `by_speaker` tells which it is.

    Raises:
        ValueError: if the shares are no numbers >= 0 that leave something, or there are
            too few recordings.

    Example:
        >>> said = [(w, s) for w in ("go", "stop") for s in ("ann", "bob", "eve")]
        >>> silence = np.zeros(8, "float32")
        >>> recordings = [Recording(silence, 8000, (w,), s, 0) for w, s in said]
        >>> split = split_corpus(recordings)
        >>> len(split.train), len(split.development), len(split.test), split.by_speaker
        (2, 2, 2, True)
    """
    if not (development > 0 and test >= 0 and development + test < 1):
        shares = development, test
        expected = "two shares, that of development above 0, together below 1"
        raise ValueError(invalid("development, test", expected, shares))
    given = defaultdict(list)
    parts = [None] * len(recordings) if parts is None else parts
    for recording, part in zip(recordings, parts, strict=True):
        given[part or "train"].append(recording)
    if recordings and not given["train"]:
        raise ValueError(
            invalid("parts", "some for 'train'", sorted({*map(str, parts)}))
        )
    if not given["development"]:
        shares = [development] if given["test"] or not test else [development, test]
        rest, *drawn = _draw(given["train"], shares, seed)
        given.update(train=rest, development=drawn[0])
        given["test"] += drawn[1] if len(shares) > 1 else []
    split = Split(given["train"], given["development"], test=given["test"])
    measured = {r.speaker for part in (split.development, split.test) for r in part}
    if split.by_speaker:
        other_speech = [r for r in other_speech if r.speaker not in measured]
    return dataclasses.replace(split, other_speech=other_speech)


def _draw(recordings, shares, seed):
    """Returns what stays for training, and a list for each share."""
    rng = np.random.default_rng(seed)
    by_speaker = defaultdict(list)
    for recording in recordings:
        by_speaker[recording.speaker].append(recording)
    unknown = by_speaker.pop("", [])
    speakers = [by_speaker[name] for name in sorted(by_speaker)]
    if len(speakers) > len(shares):
        order = rng.permutation(len(speakers))
        drawn = _choose([speakers[i] for i in order], shares, unknown)
        if all(drawn):
            return drawn
    _LOG.warning(
        "Split by file, not by speaker. Of %d speakers too few say the same words",
        len(speakers),
    )
    drawn = _choose(_files_in_order(recordings, rng), shares)
    if not all(drawn):
        raise ValueError(
            f"Too few recordings to split. Expected {len(shares) + 1} or more of a "
            f"word. Received: {len(recordings)} of "
            f"{len({r.words for r in recordings})} words or sentences"
        )
    return drawn


def _files_in_order(recordings, rng):
    """Returns groups of one file, so that the first ones are of all words evenly."""
    places = []
    totals = Counter(r.words for r in recordings)
    ranks: Counter = Counter()
    for number in rng.permutation(len(recordings)):
        words = recordings[number].words
        place = (ranks[words] + rng.random()) / totals[words]
        places.append((place, number))
        ranks[words] += 1
    return [[recordings[number]] for _, number in sorted(places)]


def _choose(groups, shares, unknown=()):
    """Returns what stays of the groups, with `unknown`, and what each share gets.

    The groups are taken in their order: first those that bring a word which a share
    lacks, then others until it is as large as it should be. A group stays if it is the
    last one of a word, but where there are sentences, of which all groups have words of
    their own.
    """
    total = sum(map(len, groups)) + len(unknown)
    words = [{word for r in group for word in r.words} for group in groups]
    everything = itertools.chain(unknown, *groups)
    single = all(len(recording.words) == 1 for recording in everything)
    left = Counter(word for said in words for word in said)
    left.update(word for recording in unknown for word in recording.words)
    holders = defaultdict(list)
    for number, said in enumerate(words):
        for word in said:
            holders[word].append(number)
    chosen: dict[int, int] = {}
    sizes = [0] * len(shares)

    def take(number, share, most):
        size = len(groups[number])
        fits = not sizes[share] or sizes[share] + size <= most
        if number in chosen or not fits:
            return False
        if single and any(left[word] < 2 for word in words[number]):
            return False
        chosen[number] = share
        sizes[share] += size
        left.subtract(words[number])
        return True

    for share, part in enumerate(shares):
        most = total / (len(shares) + 1) if single else part * total
        covered: set[str] = set()
        for word in sorted(left, key=lambda w: (left[w] if single else -left[w], w)):
            if word not in covered:
                taken = (n for n in holders[word] if take(n, share, most))
                covered.update(*(words[n] for n in itertools.islice(taken, 1)))
    for share, part in enumerate(shares):
        for number in range(len(groups)):
            take(number, share, part * total + len(groups[number]) / 2)
    uses = [
        [r for n, g in enumerate(groups) if chosen.get(n, -1) == share for r in g]
        for share in range(-1, len(shares))
    ]
    return [[*uses[0], *unknown], *uses[1:]]
