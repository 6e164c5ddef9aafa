"""What each student learns."""

import dataclasses
import functools

import numpy as np

from keras_rnn2dnn import hmm
from keras_rnn2dnn.recipe.targets import (
    log_means,
    matched_to_priors,
    mean_log_posteriors,
)
from keras_rnn2dnn.recipe.trained import tuned_to
from keras_rnn2dnn.util.log_softmax import log_softmax

_LEAST = -20.0  # of the logarithm of a posterior


@dataclasses.dataclass(frozen=True)
class Row:
    """A student.

    Args:
        name: in the table.
        known: targets of transcribed strings: `hard`, `oracle`, or of the labeller
            `soft`, `one-best`, `occupancies` (forward-backward over the transcript) or
            `path` (the one that has the most of these).
        unknown: targets of unlabelled strings: `soft`, `one-best`, or `occupancies` or
            `path` as for a transcript, of the words which the labeller recognises; None
            without them.
        hears: what the teacher hears, `clean` or `noisy`.
        temperature: of `soft`.
        labeller: `teacher`, `ensemble`, or the row whose student gives the targets; or
            several of teacher and rows, joined by ` and `, whose mean does.
        matched: whether unlabelled posteriors are matched to the priors.
        known_weight: weight of the frames of transcribed strings, beside 1.
        outputs_matched: whether nothing is trained: of the student of hard labels, the
            outputs for unlabelled noisy strings are matched to the priors, and those
            for development and test are changed likewise.
        boost: of `SequenceKL`, whose paths through the word loop are the loss then;
            None for frames.
        student: name in `students.STUDENTS`.
    """

    name: str
    known: str = "hard"
    unknown: str | None = None
    hears: str = "clean"
    temperature: float = 1.0
    labeller: str = "teacher"
    matched: bool = False
    known_weight: float = 1.0
    outputs_matched: bool = False
    boost: float | None = None
    student: str = "64,64"


class Labeller:
    """Log-posteriors of one or several models on the strings of a corpus, kept.

    Args:
        models: whose mean posteriors are taken.
        corpus: of `data`.
        untuned: decoder, which is tuned on the development strings.
    """

    def __init__(self, models, corpus, untuned):
        self.models, self.corpus, self.untuned = models, corpus, untuned
        self._kept, self._matches, self._targets = {}, {}, (None, None)

    @functools.cached_property
    def decoder(self):
        """The decoder of these models."""
        return tuned_to(self.untuned, self.models, self.corpus.tuning)

    def posteriors(self, which, hears):
        """Returns log-posteriors of all banks; `which` are those of the corpus."""
        if (which, hears) not in self._kept:
            self._kept[which, hears] = [
                self.of([getattr(s, hears) for s in bank])
                for bank in getattr(self.corpus, which)
            ]
        return self._kept[which, hears]

    def match(self, which, hears):
        """Returns `match_priors` of the unlabelled strings."""
        if (which, hears) not in self._matches:
            found = self.posteriors(which, hears)[0]
            self._matches[which, hears] = matched_to_priors(found, self.untuned)
        return self._matches[which, hears]

    def targets(self, kind, hears, temperature):
        """Returns targets of all transcribed strings of each bank; keeps the last."""
        wanted = kind, hears, temperature
        if self._targets[0] != wanted:
            banks = zip(self.posteriors("banks", hears), self.corpus.banks, strict=True)
            found = [
                targets_of(
                    kind, z, [list(s.words) for s in bank], self.decoder, temperature
                )
                for z, bank in banks
            ]
            self._targets = wanted, found
        return self._targets[1]

    def of(self, features):
        """Returns log-posteriors of utterances."""
        return mean_log_posteriors(self.models, features)


class Committee(Labeller):
    """Means of the posteriors of several labellers, which keep theirs."""

    def __init__(self, members, corpus, untuned):
        models = [model for member in members for model in member.models]
        super().__init__(models, corpus, untuned)
        self.members = members

    def posteriors(self, which, hears):
        """Returns log-posteriors of all banks."""
        if (which, hears) not in self._kept:
            found = [member.posteriors(which, hears) for member in self.members]
            self._kept[which, hears] = [
                log_means(of_bank) for of_bank in zip(*found, strict=True)
            ]
        return self._kept[which, hears]


def targets_of(kind, posteriors, transcripts, decoder, temperature=1.0):
    """Returns targets of strings for `SoftAlignmentKL`, of either form.

    Args:
        kind: see `Row`.
        posteriors: log-posteriors of the labeller.
        transcripts: words of each string, None where they are not known.
        decoder: of the labeller. As much of its priors is taken away before states are
            aligned as it takes where it recognises words.
        temperature: of `soft`.
    """
    if kind == "soft":
        return [log_softmax(z / temperature).astype("float16") for z in posteriors]
    if kind == "one-best":
        return [one_best(z.argmax(-1)) for z in posteriors]
    options = {"path": kind == "path", "prior_scale": decoder.prior_scale}
    if transcripts[0] is None:
        transform = hmm.decoded(decoder, **options)
    else:
        options["log_priors"] = decoder.log_priors
        transform = hmm.constrained(decoder.topology, **options)
    found = transform(posteriors, transcripts)
    if kind == "path":
        return [one_best(p.argmax(-1)) for p in found]
    return [np.maximum(p, _LEAST).astype("float16") for p in found]


def one_best(states):
    """Returns a top-k target with the whole mass on one state of each frame."""
    nothing, never = np.zeros(len(states)), np.full(len(states), -np.inf)
    rows = [[nothing, never], [states, nothing - 1]]
    return np.asarray(rows, "float32").transpose(2, 0, 1)


def examples(row, corpus, labeller):
    """Returns features with weights, and target, of the strings of each bank."""
    if row.known in ("hard", "oracle"):
        known = [[one_best(y) for y in bank] for bank in _states(row.known, corpus)]
    else:
        known = labeller.targets(row.known, row.hears, row.temperature)
    found = []
    for number, strings in enumerate(corpus.banks):
        new = corpus.unlabelled[number] if row.unknown else []
        kept = strings[: len(strings) - len(new)]
        targets = known[number][: len(kept)]
        weights = [np.full(len(z), row.known_weight, "float32") for z in targets]
        if new:
            posteriors = labeller.posteriors("unlabelled", row.hears)[number]
            if row.matched:
                posteriors = labeller.match("unlabelled", row.hears)(posteriors, None)
            given = posteriors, [None] * len(new), labeller.decoder, row.temperature
            targets = targets + targets_of(row.unknown, *given)
            weights += [np.ones(len(z), "float32") for z in posteriors]
        inputs = [
            {"features": string.noisy, "weights": of_frames}
            for string, of_frames in zip(kept + new, weights, strict=True)
        ]
        found.append(list(zip(inputs, targets, strict=True)))
    return found


def _states(kind, corpus):
    if kind == "oracle":
        return corpus.oracle
    return [[string.states for string in bank] for bank in corpus.banks]
