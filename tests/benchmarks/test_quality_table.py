"""The counting behind `benchmarks.quality`."""

import numpy as np
import pytest

from benchmarks.quality import table


def result(row, split="ann", seed=0, choice=(1, 10), test=None, **changes):
    test = {"one_ann_0": (1, 2)} if test is None else test
    fields = {"num_bytes": 7, "development": (1, 10), "decoder": (0.3, -5.0)}
    fields |= {"row": row, "split": split, "seed": seed, "choice": choice, "test": test}
    return table.Result(**(fields | changes))


def test_errors_belong_to_the_recordings_of_the_words():
    counts = table.errors_by_recording(
        [["one", "two"], ["one"], ["six"], ["two"]],
        [["one_ann_0", "two_ann_3"], ["one_ann_0"], ["six_bob_1"], ["two_ann_3"]],
        [["one", "two", "nine"], ["eight", "one"], [], ["five"]],
    )
    # An inserted word counts for the word before it, at the start for the first one.
    assert counts == {"one_ann_0": (1, 2), "two_ann_3": (2, 2), "six_bob_1": (1, 1)}


def test_results_are_read_as_they_were_written(tmp_path):
    (tmp_path / "ann-0").mkdir()
    quality_result = result("hard labels")
    quality_result.save(tmp_path / "ann-0" / "hard-labels.json")
    (found,) = table.load_results(tmp_path)
    assert found.row == "hard labels" and tuple(found.choice) == (1, 10)
    assert {k: tuple(v) for k, v in found.test.items()} == {"one_ann_0": (1, 2)}


def two_speakers(easy=(1, 10), difficult=(5, 10), factor=2):
    """A system, and one with `factor` times the errors in every recording."""
    results = []
    for row, times in (("RNN teacher", 1), ("hard labels", factor)):
        for speaker, (errors, words) in (("ann", easy), ("bob", difficult)):
            for seed in range(2):
                test = {f"one_{speaker}_{n}": (errors * times, words) for n in range(4)}
                given = row, speaker, seed
                results.append(result(*given, test=test))
    return table.Summary(results)


def test_totals_are_summed_over_speakers_and_seeds():
    summary = two_speakers()
    assert summary.errors("RNN teacher") == (2 * 4 * (1 + 5), 2 * 4 * 20)
    assert summary.of("hard labels", "choice") == (4, 40)
    assert summary.rate("RNN teacher")[0] == pytest.approx(30.0)


def test_speakers_are_drawn_and_pairs_of_systems_together():
    summary = two_speakers()
    # All recordings of a speaker are alike, so that only speakers make a difference:
    # ann twice (10 %), bob twice (50 %), or one of each, which happens in half.
    rates = summary.drawn[:, 0, 0] / summary.drawn[:, 0, 1]
    values, counts = np.unique(rates.round(6), return_counts=True)
    assert values.tolist() == [0.1, 0.3, 0.5]
    assert counts / counts.sum() == pytest.approx([0.25, 0.5, 0.25], abs=0.04)
    assert summary.change("hard labels", "RNN teacher") == pytest.approx((100,) * 3)


def test_the_recipe_for_a_speaker_is_chosen_by_the_others():
    results = [
        result(row, split, choice=(errors, 10))
        for row, split, errors in (
            ("a", "ann", 0),  # good for ann alone
            ("a", "bob", 5),
            ("b", "ann", 9),
            ("b", "bob", 1),
            ("a", "official", 3),
            ("b", "official", 2),
            ("hard labels", "bob", 0),  # no candidate
        )
    ]
    assert table.chosen_row(results, ["a", "b"], "ann") == "b"
    assert table.chosen_row(results, ["a", "b"], "bob") == "a"
    assert table.chosen_row(results, ["a", "b"], "official") == "b"


def test_a_single_speaker_has_its_own_strings_alone():
    results = [result("a", choice=(2, 9)), result("b")]
    assert table.chosen_row(results, ["a", "b"], "ann") == "b"


def test_the_table_has_a_line_for_every_system():
    lines = two_speakers().table().splitlines()
    assert lines[2].startswith(
        "| RNN teacher | 7 | 4/40 | 4/40 | 48/160 | 30.00 (10.0-50.0) "
    )
    assert lines[3].endswith("| - | +100.0 % |")


def test_pairs_that_were_measured_are_compared():
    pairs = [("hard labels", "RNN teacher"), ("best recipe", "RNN teacher")]
    lines = two_speakers().comparisons(pairs).splitlines()
    assert lines[2:] == [
        "| hard labels | RNN teacher | 4 / 4 | 96 / 48 | +100.0 % (+100 to +100) |"
    ]
