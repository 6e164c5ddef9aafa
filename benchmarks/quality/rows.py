"""What each student learns."""

import dataclasses
import functools

import numpy as np

from benchmarks.quality.data import BANKS
from keras_rnn2dnn import hmm
from keras_rnn2dnn.recipe.targets import (
    log_means,
    matched_to_priors,
    mean_log_posteriors,
)
from keras_rnn2dnn.recipe.trained import tuned_to
from keras_rnn2dnn.util.log_softmax import log_softmax

SHARE = 0.5  # of the unlabelled strings in an epoch
_RISING = 0.3, 0.54  # the same, from the first epoch to the last; no tuning strings
_SURE = 0.7


@dataclasses.dataclass(frozen=True)
class Row:
    """A student.

    Args:
        name: in the table.
        known: targets of transcribed strings: `hard`, `soft`, `one-best`,
            `occupancies` (forward-backward over the transcript) or `path` (the best of
            these in each frame).
        unknown: targets of unlabelled strings: `soft`, `one-best`, `occupancies` (over
            the word loop) or `path` (as for a transcript, of the words which the
            teacher recognises); None without them.
        hears: what the teacher hears, `clean` or `noisy`.
        temperature: of `soft`.
        labeller: `teacher`, `ensemble`, or the row whose student gives the targets; or
            several of teacher and rows, joined by ` and `, whose mean does.
        matched: whether unlabelled posteriors are matched to the priors.
        skewed: whether every second word is rare in the unlabelled strings.
        known_weight: weight of the frames of transcribed strings, beside 1.
        outputs_matched: whether nothing is trained: of the student of hard labels, the
            outputs for unlabelled noisy strings are matched to the priors, and those
            for development and test are changed likewise.
        paths: epochs in which paths through the word loop are the loss, not frames:
            `none`, `all`, or `later`, the last third; of `risk` with minimum Bayes
            risk as the loss.
        boost: of `SequenceKL`.
        sure: what the teacher's certainty does to unlabelled strings: `none`; frames
            weigh what their class is given, `weights`; only sure `frames` count, or
            only the two thirds of the `utterances` of which it is surest.
        rising: whether there are ever more unlabelled strings from epoch to epoch.
        banks: how many are used in turn; with one, all epochs have the same strings.
        student: name in `students.STUDENTS`.
    """

    name: str
    known: str = "hard"
    unknown: str | None = None
    hears: str = "clean"
    temperature: float = 1.0
    labeller: str = "teacher"
    matched: bool = False
    skewed: bool = False
    known_weight: float = 1.0
    outputs_matched: bool = False
    paths: str = "none"
    boost: float = 0.0
    sure: str = "none"
    rising: bool = False
    banks: int = BANKS
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
        posteriors: log-posteriors of the teacher.
        transcripts: words of each string, None where they are not known.
        decoder: of what labels.
        temperature: of `soft`.
    """
    if kind == "soft":
        return [log_softmax(z / temperature).astype("float16") for z in posteriors]
    if kind == "one-best":
        return [one_best(z.argmax(-1)) for z in posteriors]
    known = transcripts[0] is not None
    if kind == "path" and not known:
        found = hmm.decoded(decoder)(posteriors, transcripts)
        return [one_best(p.argmax(-1)) for p in found]
    if known:
        occupied = hmm.forward_backward(posteriors, transcripts, decoder.topology)
    else:
        occupied = hmm.LoopGraph(decoder).occupancies(posteriors)
    if kind == "path":
        return [one_best(p.argmax(-1)) for p in occupied]
    return [np.log(np.maximum(p, 1e-8)).astype("float16") for p in occupied]


def one_best(states):
    """Returns a top-k target with the whole mass on one state of each frame."""
    nothing, never = np.zeros(len(states)), np.full(len(states), -np.inf)
    rows = [[nothing, never], [states, nothing - 1]]
    return np.asarray(rows, "float32").transpose(2, 0, 1)


def examples(row, corpus, labeller, epochs):
    """Returns the features with weights, and the target, of strings of some epochs."""
    if row.known == "hard":
        known = [[one_best(s.states) for s in bank] for bank in corpus.banks]
    else:
        known = labeller.targets(row.known, row.hears, row.temperature)
    heard = "skewed" if row.skewed else "unlabelled"
    unknown = labeller.posteriors(heard, row.hears) if row.unknown else None
    shares = np.linspace(*_RISING, epochs) if row.rising else [SHARE] * row.banks
    found = []
    for epoch, share in enumerate(shares):
        number = epoch % row.banks
        strings = corpus.banks[number]
        added = round(len(strings) * share) if row.unknown else 0
        kept = strings[: len(strings) - added]
        targets = known[number][: len(kept)]
        weights = [np.full(len(z), row.known_weight, "float32") for z in targets]
        if row.unknown:
            posteriors = unknown[number][:added]
            if row.matched:
                posteriors = labeller.match(heard, row.hears)(posteriors, None)
            given = posteriors, [None] * added, labeller.decoder, row.temperature
            targets = targets + targets_of(row.unknown, *given)
            weights += _certain(row.sure, posteriors)
            kept = kept + getattr(corpus, heard)[number][:added]
        inputs = [
            {"features": string.noisy, "weights": of_frames}
            for string, of_frames in zip(kept, weights, strict=True)
        ]
        found.append(list(zip(inputs, targets, strict=True)))
    return found


def _certain(kind, posteriors):
    """Returns weights of the frames of strings by what their best class is given."""
    best = [np.exp(z.max(axis=-1)).astype("float32") for z in posteriors]
    if kind == "weights":
        return best
    if kind == "frames":
        return [(p >= _SURE).astype("float32") for p in best]
    least = -1.0
    if kind == "utterances":
        least = np.quantile([p.mean() for p in best], 1 / 3)
    return [np.full_like(p, p.mean() >= least) for p in best]
