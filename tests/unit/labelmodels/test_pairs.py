"""Tables of pairs, by hand and against the naive count."""

import numpy as np
import pytest

from sparkws import synthetic
from sparkws.errors import IncompatibleStatistics
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.pairs import pair_table
from sparkws.stats.moments import of_patterns, select
from sparkws.stats.patterns import of_matrix


def test_pairs_by_hand():
    L = np.array([[0, 0, -1], [0, 1, -1], [1, 1, 2], [2, -1, -1]], np.int8)
    table = pair_table(of_patterns(of_matrix(L, ("a", "b", "c"), 3)))
    assert table.rows() == [
        ("a", "b", 3, 2, 1, 2 / 3, 3 / (4 * 3 / 4)),
        ("a", "c", 1, 0, 1, 0.0, 1 / (4 * 1 / 4)),
        ("b", "c", 1, 0, 1, 0.0, 1 / (3 * 1 / 4)),
    ]
    assert pair_table(of_patterns(of_matrix(L[3:], ("a", "b", "c"), 3)))["agreement"].to_list() == [None] * 3


def test_what_the_model_explains_has_no_excess_and_copies_have():
    rng = np.random.default_rng(0)
    truth = synthetic.random_truth(rng, 6, 3, groups=[(0, 1)], copy=0.8)
    L, _ = synthetic.sample(truth, 20_000, rng)
    moments = of_patterns(of_matrix(L, synthetic.lf_names(6), 3))
    model = DawidSkene(3, abstain="missing")
    model.lf_names_, model.cpt_, model.class_balance_ = synthetic.lf_names(6), truth.tables, truth.class_balance
    table = pair_table(moments, model)
    copies = table.filter(a="lf_0", b="lf_1")
    others = table.filter(~((table["a"] == "lf_0") & (table["b"] == "lf_1")))
    assert copies["excess"][0] > 20
    assert others["excess"].abs().max() < 4.5
    np.testing.assert_allclose(others["agreement"], others["expected_agreement"], atol=0.05)


def test_a_model_without_tables_explains_nothing_and_one_of_other_functions_is_refused():
    L = np.array([[0, 1, 0], [1, 1, 1], [0, -1, 0]], np.int8)
    patterns = of_matrix(L, ("a", "b", "c"), 2)
    assert "excess" not in pair_table(of_patterns(patterns), MajorityVote(2).fit(patterns)).columns
    with pytest.raises(IncompatibleStatistics, match=r"the moments are of \['a', 'b'\], the label model of \['a', 'b'"):
        pair_table(select(of_patterns(patterns), ["a", "b"]), DawidSkene(2).fit(patterns))


def test_functions_of_one_class_that_repeat_each_other_correlate_within_a_class():
    rng = np.random.default_rng(0)
    Y = rng.integers(0, 2, 20_000)
    votes = rng.random((20_000, 3)) < np.where(Y == 1, 0.5, 0.1)[:, None]
    votes[:, 1] = np.where(rng.random(20_000) < 0.8, votes[:, 0], votes[:, 1])
    L = np.where(votes, 1, -1).astype(np.int8)
    patterns = of_matrix(L, ("a", "b", "c"), 2)
    model = DawidSkene(2, abstain="outcome").fit(patterns)
    table = [[0.9, 0.5], [0, 0], [0.1, 0.5]]
    model.cpt_, model.class_balance_ = np.array([table] * 3), np.array([0.5, 0.5])
    found = pair_table(of_patterns(patterns), model)
    assert found["excess"].abs().max() == 0, "they agree by construction"
    assert found.filter(a="a", b="b")["correlation"][0] == pytest.approx(0.8, abs=0.03)
    assert abs(found.filter(a="a", b="c")["correlation"][0]) < 0.03
    assert (
        "correlation" not in pair_table(of_patterns(patterns), DawidSkene(2, abstain="missing").fit(patterns)).columns
    )


def test_who_votes_on_all_items_has_no_correlation_of_voting():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 1000)
    always = [np.where(rng.random(1000) < accuracy, y, 1 - y) for accuracy in (0.9, 0.8, 0.7)]
    L = np.column_stack([*always, np.where(rng.random(1000) < 0.3, 1, -1)]).astype(np.int8)
    patterns = of_matrix(L, ("a", "b", "c", "one"), 2)
    assert (
        pair_table(of_patterns(patterns), DawidSkene(2, abstain="outcome").fit(patterns))["correlation"].is_null().all()
    )
