"""What the students of `benchmarks.quality` learn."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.quality import rows
from keras_rnn2dnn.hmm import Topology, WordLoopDecoder

TOPOLOGY = Topology(("no", "yes"), states_per_unit=2)  # five states, silence last
PATH = np.array([4, 0, 0, 1, 2, 3, 3, 4])  # no yes


class FakeLabeller:
    """Hears `no yes` in all strings; its best class of frame 2 is no path."""

    decoder = WordLoopDecoder(TOPOLOGY, np.zeros(5), insertion_penalty=-1.0)
    log_p = np.full((8, 5), -8.0)
    log_p[np.arange(8), PATH] = 0
    log_p[2, 3] = 1

    def __init__(self, corpus):
        self.corpus = corpus

    def posteriors(self, which, hears):
        return [[self.log_p] * len(bank) for bank in getattr(self.corpus, which)]

    def targets(self, kind, hears, temperature):
        words = [["no", "yes"]] * 4
        bank = rows.targets_of(kind, [self.log_p] * 4, words, self.decoder)
        return [bank, bank]

    def match(self, which, hears):
        offsets = np.array([0, 0, 0, -9, 0])
        return lambda posteriors, transcripts: [z + offsets for z in posteriors]


@pytest.fixture
def corpus():
    def bank(number, states):
        return [SimpleNamespace(noisy=f"{number}.{n}", states=states) for n in range(4)]

    hard = np.array([4, 4, 0, 1, 2, 3, 4, 4])
    return SimpleNamespace(
        banks=[bank("known 0", hard), bank("known 1", hard)],
        unlabelled=[bank("new 0", None)[:2], bank("new 1", None)[:2]],
        oracle=[[PATH] * 4, [PATH] * 4],
    )


def learnt(corpus, **fields):
    return rows.examples(rows.Row("a row", **fields), corpus, FakeLabeller(corpus))


def best(target):
    return target[:, 1, 0].astype(int).tolist()


def test_hard_labels_are_those_of_the_strings(corpus):
    banks = learnt(corpus)
    assert [[x["features"] for x, _ in bank] for bank in banks] == [
        [f"known {number}.{n}" for n in range(4)] for number in (0, 1)
    ]
    for x, target in [pair for bank in banks for pair in bank]:
        assert best(target) == [4, 4, 0, 1, 2, 3, 4, 4]
        assert np.exp(target[:, 0]).tolist() == [[1, 0]] * 8  # nothing for the others
        assert x["weights"].tolist() == [1] * 8


def test_an_oracle_labels_the_same_strings(corpus):
    for bank in learnt(corpus, known="oracle"):
        assert [best(target) for _, target in bank] == [PATH.tolist()] * 4


def test_half_of_the_strings_are_unlabelled_and_count_more(corpus):
    options = {"unknown": "one-best", "known_weight": 0.25}
    for number, bank in enumerate(learnt(corpus, **options)):
        assert [x["features"] for x, _ in bank] == [
            f"known {number}.0",
            f"known {number}.1",
            f"new {number}.0",
            f"new {number}.1",
        ]
        weights = [np.unique(x["weights"]).tolist() for x, _ in bank]
        assert weights == [[0.25], [0.25], [1], [1]]
        assert best(bank[0][1]) == [4, 4, 0, 1, 2, 3, 4, 4]
        assert best(bank[2][1]) == [4, 0, 3, 1, 2, 3, 3, 4]


@pytest.mark.parametrize(
    ("unknown", "matched", "expected"),
    [
        ("one-best", False, [4, 0, 3, 1, 2, 3, 3, 4]),
        ("one-best", True, [4, 0, 0, 1, 2, 0, 0, 4]),  # state 3 lies behind all others
        ("path", False, PATH.tolist()),
    ],
)
def test_targets_of_unlabelled_strings(corpus, unknown, matched, expected):
    options = {"known": "path", "unknown": unknown, "matched": matched}
    (first, *_) = learnt(corpus, **options)
    assert best(first[0][1]) == PATH.tolist()  # aligned with its transcript
    assert best(first[-1][1]) == expected


@pytest.mark.parametrize(
    ("prior_scale", "expected"),
    [(0.0, [4, 4, 0, 1, 2, 3, 4, 4]), (1.0, PATH.tolist())],
)
def test_priors_are_taken_away_as_by_the_decoder(prior_scale, expected):
    log_p = FakeLabeller.log_p.copy()
    log_p[2, 3], log_p[:, 4] = -8, 2  # silence is likely everywhere, and often
    priors = np.array([-5.0] * 4 + [0.0])
    decoder = WordLoopDecoder(TOPOLOGY, priors, prior_scale, insertion_penalty=-1.0)
    given = [log_p], [["no", "yes"]], decoder
    (path,), (soft,) = (rows.targets_of(k, *given) for k in ("path", "occupancies"))
    assert best(path) == soft.argmax(-1).tolist() == expected
    assert np.exp(soft.astype("float64")).sum(-1) == pytest.approx(1, abs=5e-3)


def test_a_committee_gives_the_means_of_what_its_members_keep():
    shares = [[0.9, 0.1]], [[0.5, 0.5]], [[0.1, 0.9]]

    def member(*of_banks):
        kept = [[np.log(np.float32(p))] for p in of_banks]
        return SimpleNamespace(models=["a model"], posteriors=lambda *which: kept)

    members = [member(shares[0], shares[1]), member(shares[1], shares[2])]
    committee = rows.Committee(members, corpus=None, untuned=None)
    assert committee.models == ["a model"] * 2
    ((one,), (two,)) = committee.posteriors("unlabelled", "clean")
    assert np.exp(one) == pytest.approx(np.array([[0.7, 0.3]]), abs=1e-6)
    assert np.exp(two) == pytest.approx(np.array([[0.3, 0.7]]), abs=1e-6)
