from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from earthenware.metrics import classification_scores, paired_difference, score_interval

labels = st.lists(st.tuples(st.sampled_from([10, 20, 30, 80]), st.sampled_from([10, 20, 30, 80])), min_size=1)


@given(labels)
def test_scores_agree_with_scikit_learn(pairs):
    truth, predicted = np.array(pairs).T
    scores = classification_scores(truth, predicted)
    assert scores.accuracy == pytest.approx(accuracy_score(truth, predicted))
    assert scores.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))
    recalls = [np.mean(predicted[truth == c] == c) for c in np.unique(truth)]
    assert scores.balanced_accuracy == pytest.approx(np.mean(recalls))


def test_no_record_has_no_score():
    assert np.isnan(classification_scores(np.array([], int), np.array([], int)).accuracy)


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="shape"):
        classification_scores(np.array([1]), np.array([1, 2]))


def test_interval_holds_the_value_and_is_wider_when_chips_of_a_place_agree():
    random = np.random.default_rng(0)
    places = np.repeat(np.arange(20), 25)
    truth = random.integers(0, 2, 500)
    by_chip = np.where(random.random(500) < 0.7, truth, 1 - truth)
    by_place = np.where(np.repeat(random.random(20) < 0.7, 25), truth, 1 - truth)
    independent, clustered = (score_interval(truth, p, places, score="accuracy") for p in (by_chip, by_place))
    for interval in (independent, clustered):
        assert interval.low <= interval.value <= interval.high
        assert interval.sites == 20
    assert clustered.high - clustered.low > 2 * (independent.high - independent.low)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        rate = random.beta(7, 3, 30)  # each place has its own rate; their mean is 0.7
        places = np.repeat(np.arange(30), 10)
        truth = np.zeros(300, int)
        predicted = (random.random(300) >= np.repeat(rate, 10)).astype(int)
        interval = score_interval(truth, predicted, places, score="accuracy", resamples=400, seed=trial)
        covered += interval.low <= 0.7 <= interval.high
    assert 0.87 <= covered / 200 <= 0.99


def test_interval_does_not_depend_on_the_order_of_records():
    random = np.random.default_rng(2)
    truth, predicted, places = (random.integers(0, 3, 90) for _ in range(3))
    order = random.permutation(90)
    assert score_interval(truth, predicted, places) == score_interval(truth[order], predicted[order], places[order])


def test_one_place_has_no_interval():
    interval = score_interval(np.array([1, 2]), np.array([1, 1]), np.array(["a", "a"]))
    assert interval.value == 0.5
    assert interval.low is None


def test_paired_difference_is_zero_for_equal_and_tighter_than_two_intervals():
    random = np.random.default_rng(3)
    places = np.repeat(np.arange(24), 10)
    truth = random.integers(0, 2, 240)
    hard = np.repeat(random.random(24) < 0.4, 10)  # places where both are wrong
    baseline = np.where(hard, 1 - truth, truth)
    better = np.where(hard & (random.random(240) < 0.3), truth, baseline)
    same = paired_difference(truth, baseline, baseline, places)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
    difference = paired_difference(truth, better, baseline, places, score="accuracy")
    assert difference.low > 0
    alone = [score_interval(truth, p, places, score="accuracy") for p in (better, baseline)]
    assert alone[0].low < alone[1].high  # the two intervals overlap although the difference is certain
    assert difference.value == pytest.approx(alone[0].value - alone[1].value)


def test_no_record_is_refused():
    with pytest.raises(ValueError, match="0 records"):
        score_interval(np.array([]), np.array([]), np.array([]))
