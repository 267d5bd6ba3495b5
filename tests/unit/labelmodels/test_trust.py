"""Intervals: their coverage against items drawn anew, and how they shrink; what leaving a function out shows."""

import numpy as np
import pytest

from sparkws import synthetic
from sparkws.errors import ConfigError
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.findings import estimated_accuracy
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.trust import bootstrap, leave_one_out, quantiles
from sparkws.stats.patterns import of_matrix, unpack

LFS = synthetic.lf_names(5)
TRUTH = synthetic.random_truth(np.random.default_rng(3), 5, 2, accuracy=(0.65, 0.9), coverage=(0.4, 0.8))


def fit(patterns):
    return DawidSkene(patterns.cardinality, abstain="missing").fit(patterns)


def sample(n, seed):
    return of_matrix(synthetic.sample(TRUTH, n, np.random.default_rng(seed))[0], LFS, 2)


def test_intervals_cover_what_other_items_give_and_shrink_with_them():
    few, many = sample(1000, 0), sample(16_000, 0)
    found = {
        n: bootstrap(fit, fit(counted), counted, np.random.default_rng(1), 40)
        for n, counted in ((1000, few), (16_000, many))
    }
    widths = {n: np.diff(intervals.accuracy).mean() for n, intervals in found.items()}
    assert 2.5 < widths[1000] / widths[16_000] < 6.5  # the root of 16 is 4
    # An interval around one fit covers other fits less often than nine times in ten: both of them vary.
    low, high = found[1000].accuracy.T
    others = np.stack(
        [estimated_accuracy(m.cpt_, m.class_balance_)[0] for m in (fit(sample(1000, s)) for s in range(5, 35))]
    )
    assert 0.6 < ((others >= low) & (others <= high)).mean() < 0.98


def test_a_pattern_that_everybody_agrees_on_is_steady_and_one_without_votes_has_no_interval():
    counted = sample(1000, 0)
    intervals = bootstrap(fit, fit(counted), counted, np.random.default_rng(1), 10)
    L = unpack(counted)
    silent = (L == -1).all(axis=1)
    agreed = ((L != -1).sum(axis=1) >= 4) & (L.max(axis=1) == np.where(L == -1, 9, L).min(axis=1))
    assert silent.any()
    assert agreed.any()
    assert np.isnan(intervals.confidence[silent]).all()
    assert (intervals.steady[agreed] == 1).all()
    low, high = intervals.confidence[~silent].T
    assert (np.isnan(low) | ((low > 0) & (low <= high) & (high <= 1))).all()


def test_a_model_without_tables_has_intervals_of_its_labels_only():
    counted = sample(300, 0)
    intervals = bootstrap(
        lambda p: MajorityVote(2).fit(p), MajorityVote(2).fit(counted), counted, np.random.default_rng(0), 5
    )
    assert np.isnan(intervals.accuracy).all()
    assert (intervals.steady == 1).all()  # its labels do not depend on the other items


def test_the_same_generator_gives_the_same_intervals():
    counted = sample(500, 0)
    one, two = (bootstrap(fit, fit(counted), counted, np.random.default_rng(5), 3) for _ in range(2))
    assert (one.accuracy == two.accuracy).all()
    with pytest.raises(ConfigError, match="got 1"):
        bootstrap(fit, fit(counted), counted, np.random.default_rng(5), 1)


@pytest.mark.parametrize("n", [19, 50])
def test_nine_of_ten_more_replicates_lie_between_the_ends(n):
    """Of any n + 1 draws, each is as likely as another to be the one more: between the ends of 19 are 18 of 20."""
    rng = np.random.default_rng(0)
    drawn, more = rng.random((n, 20_000)), rng.random(20_000)
    low, high = quantiles(drawn).T
    assert np.mean((low <= more) & (more <= high)) == pytest.approx(0.9, abs=0.01)


def test_labels_that_hang_on_one_function_change_without_it_by_hand():
    # lf_a alone votes on 3 of 10 items; lf_b and lf_c vote alike on the other 7.
    L = np.array([[1, -1, -1]] * 3 + [[-1, 0, 0]] * 7, np.int8)
    counted = of_matrix(L, ("lf_a", "lf_b", "lf_c"), 2)
    left_out = leave_one_out(lambda p: MajorityVote(2).fit(p), MajorityVote(2).fit(counted), counted)
    assert left_out.names == ("lf_a", "lf_b", "lf_c")
    assert left_out.changed.tolist() == [0.3, 0, 0]
    assert np.nanmax(left_out.spread) == 0


def test_the_spread_is_how_far_the_probability_of_the_predicted_class_lies_apart():
    L = np.array([[1, 1, 0]] * 2 + [[0, 0, 0]], np.int8)
    counted = of_matrix(L, ("lf_a", "lf_b", "lf_c"), 2)
    left_out = leave_one_out(lambda p: MajorityVote(2).fit(p), MajorityVote(2).fit(counted), counted)
    # Of the first two items class 1 has 2/3 of the votes; 1/2 without lf_a or lf_b, all without lf_c.
    assert sorted(left_out.spread.round(6).tolist()) == [0, 0.5]
    assert left_out.changed.round(3).tolist() == [0.667, 0.667, 0]


def test_without_a_function_that_alone_votes_all_labels_vanish():
    L = np.array([[1, -1], [0, -1]], np.int8)
    for names in (("lf_a", "lf_silent"), ("lf_a",)):
        counted = of_matrix(L[:, : len(names)], names, 2)
        left_out = leave_one_out(lambda p: MajorityVote(2).fit(p), MajorityVote(2).fit(counted), counted)
        assert left_out.names == ("lf_a",)
        assert left_out.changed.tolist() == [1.0]
        assert left_out.spread.tolist() == [0, 0]


def test_a_class_that_vanishes_without_its_function_counts_as_changed():
    # Class 2 is known to lf_c alone, which agrees with no other: without it those items get another class.
    L = np.array([[0, 0, -1]] * 4 + [[1, 1, -1]] * 4 + [[-1, -1, 2]] * 2, np.int8)
    counted = of_matrix(L, ("lf_a", "lf_b", "lf_c"), 3)
    left_out = leave_one_out(lambda p: DawidSkene(3).fit(p), DawidSkene(3).fit(counted), counted)
    assert dict(zip(left_out.names, left_out.changed.tolist(), strict=True))["lf_c"] == pytest.approx(0.2)
