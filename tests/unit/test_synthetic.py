"""Label matrices with known truth: the exact distribution, and samples that follow it."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws import synthetic


@settings(max_examples=20)
@given(st.integers(2, 3), st.integers(0, 3), st.booleans(), st.integers(0, 2**32 - 1))
def test_the_exact_distribution_has_the_tables_of_the_truth(k, n_single, dependent, seed):
    groups = [(0, 2)] if dependent else []
    truth = synthetic.random_truth(np.random.default_rng(seed), 3, k, n_single_class=n_single, groups=groups, copy=0.6)
    np.testing.assert_allclose(truth.cpt.sum(axis=1), 1)
    L, joint = synthetic.exact(truth)
    assert len({tuple(row) for row in L.tolist()}) == (k + 1) ** 3
    np.testing.assert_allclose(joint.sum(axis=0), truth.class_balance)
    for j, vote in np.ndindex(3, k + 1):
        given_class = joint[L[:, j] == vote - 1].sum(axis=0) / truth.class_balance
        np.testing.assert_allclose(given_class, truth.tables[j, vote], atol=1e-12)


def test_samples_follow_the_exact_distribution():
    rng = np.random.default_rng(0)
    truth = synthetic.random_truth(rng, 3, 2, n_single_class=1, groups=[(0, 1)], copy=0.5)
    L, Y = synthetic.sample(truth, 40_000, rng)
    patterns, joint = synthetic.exact(truth)
    seen = {tuple(row): p for row, p in zip(patterns.tolist(), joint.tolist(), strict=True)}
    counts = dict.fromkeys(seen, 0)
    for row, y in zip(L.tolist(), Y.tolist(), strict=True):
        counts[tuple(row)] += y
    for row, with_class_1 in counts.items():
        assert with_class_1 / 40_000 == pytest.approx(seen[row][1], abs=0.01)


def test_copies_agree():
    rng = np.random.default_rng(0)
    truth = synthetic.random_truth(rng, 4, 2, groups=[(0, 1, 3)], copy=1.0)
    L, _ = synthetic.sample(truth, 100, rng)
    assert (L[:, 0] == L[:, 1]).all()
    assert (L[:, 0] == L[:, 3]).all()
    assert (L[:, 0] != L[:, 2]).any()


def test_tables_by_hand():
    assert synthetic.table(0.5, 1.0, 3)[1:].tolist() == [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5]]
    single = synthetic.random_truth(np.random.default_rng(0), 4, 3, n_single_class=4)
    voted = (single.cpt[:, 1:] > 0).any(axis=2)
    assert voted.argmax(axis=1).tolist() == [0, 1, 2, 0]
    assert (voted.sum(axis=1) == 1).all()


def test_a_votes_table():
    frame = synthetic.votes_frame(np.array([[0, -1]], np.int8), item_ids=["a"])
    assert frame.schema == pl.Schema({"item_id": pl.String(), "lf_0": pl.Int8(), "lf_1": pl.Int8()})
    assert synthetic.votes_frame(np.zeros((2, 1), np.int8), ["x"]).rows() == [(0, 0), (1, 0)]
