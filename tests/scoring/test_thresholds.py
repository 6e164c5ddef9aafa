from keras_rnn2dnn.scoring.thresholds import (
    ThresholdPoint,
    best_point,
    threshold_curve,
)


def test_the_lowest_threshold_that_does_is_chosen():
    curve = [
        ThresholdPoint(t, f, None) for t, f in ((None, 9.0), (1.0, 4.0), (2.0, 0.0))
    ]
    chosen = [best_point(curve, most).threshold for most in (10, 9, 8, 4, 1, 0)]
    assert chosen == [None, None, 1.0, 1.0, 2.0, 2.0]


def test_of_those_that_do_the_one_that_misses_least_is_chosen():
    points = ((None, 9.0, 0.1), (1.0, 3.0, 0.3), (2.0, 2.0, 0.2), (3.0, 1.0, 0.2))
    curve = [ThresholdPoint(*numbers) for numbers in points]
    assert best_point(curve, 4).threshold == 2.0


def test_a_long_curve_has_few_points_and_most_of_them_where_few_words_are_left():
    words = [number / 10 for number in range(5000)]

    def measure(threshold):
        return sum(c >= (threshold or 0) for c in words), None

    curve = threshold_curve(words, measure)
    found = [point.threshold for point in curve[1:]]
    assert curve[0] == ThresholdPoint(None, 5000, None)
    assert len(found) <= 100 and found == sorted(found)
    assert found[-3:] == [499.701, 499.801, 499.901] and found[0] == 0.001
    assert [point.false_per_hour for point in curve[-3:]] == [2, 1, 0]


def test_without_false_words_no_threshold_is_needed():
    curve = threshold_curve([], lambda threshold: (0.0, 0.25))
    assert curve == [ThresholdPoint(None, 0.0, 0.25)]
