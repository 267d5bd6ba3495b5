"""Laws of the counters, one small case by hand, and the naive count."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparkws.errors import IncompatibleStatistics, MissingColumns
from sparkws.stats import counters as counting
from sparkws.stats import packing
from sparkws.stats.counters import CountersKernel
from sparkws.stats.patterns import collapse, of_matrix

LFS, K = ("lf_link", "lf_caps", "lf_short"), 3
KERNEL = CountersKernel(LFS, K)
matrices = hnp.arrays(np.int8, st.tuples(st.integers(0, 60), st.just(4)), elements=st.integers(-1, K - 1))


def counters_of(matrix):
    """Counters of three functions and gold."""
    return counting.of_patterns(of_matrix(matrix[:, :3], LFS, K, matrix[:, 3]))


def test_four_items_by_hand():
    got = counters_of(np.array([[1, 1, -1, 1], [1, 0, -1, 0], [-1, -1, 2, -1], [-1, -1, -1, 2]], np.int8))
    assert (got.n_items, got.n_voted, got.n_rows, got.cardinality) == (4, 3, 4, 3)
    assert got.votes.tolist() == [[0, 2, 0], [1, 1, 0], [0, 0, 1]]
    assert got.overlaps.tolist() == [2, 2, 0]
    assert got.conflicts.tolist() == [1, 1, 0]
    assert got.correct.tolist() == [1, 2, 0]
    assert got.incorrect.tolist() == [1, 0, 0]
    assert got.gold_items.tolist() == [1, 1, 1]
    assert (got.n_gold_classes, replace(got, gold_items=np.array([0, 5, 0])).n_gold_classes) == (3, 1)
    assert got.confusion[0].tolist() == [[0, 0, 1, 0], [0, 0, 1, 0], [1, 0, 0, 0]]


@settings(max_examples=15)
@given(matrices)
def test_equals_the_naive_count(matrix):
    got, L, Y = counters_of(matrix), matrix[:, :3], matrix[:, 3]
    assert got.n_items == len(L)
    assert got.n_voted == sum(any(row >= 0) for row in L)
    for j in range(3):
        others = np.delete(L, j, axis=1)
        voted = L[:, j] >= 0
        assert got.overlaps[j] == sum(voted & (others >= 0).any(axis=1))
        assert got.conflicts[j] == sum(voted & ((others >= 0) & (others != L[:, [j]])).any(axis=1))
        assert got.correct[j] == sum(voted & (L[:, j] == Y))
        assert got.incorrect[j] == sum(voted & (Y >= 0) & (L[:, j] != Y))
        assert got.votes[j].tolist() == [sum(L[:, j] == label) for label in range(K)]
        for gold, vote in np.ndindex(K, K + 1):
            assert got.confusion[j, gold, vote] == sum(np.equal(Y, gold) & (L[:, j] == vote - 1))


@settings(max_examples=15)
@given(matrices, st.integers(0, 60), st.randoms())
def test_any_split_in_any_order_gives_one_answer(matrix, cut, random):
    rows = of_matrix(matrix[:, :3], LFS, K, matrix[:, 3]).rows
    order = list(range(rows.height))
    random.shuffle(order)
    a, b = KERNEL.of_batch(rows[order[:cut]]), KERNEL.of_batch(rows[order[cut:]])
    whole = KERNEL.of_batch(rows)
    assert KERNEL.merge(KERNEL.merge(b, KERNEL.zero()), a) == KERNEL.merge(a, b) == whole
    assert counting.subtract(whole, a) == b
    assert KERNEL.load(KERNEL.dump(whole)) == whole
    assert KERNEL.load(pl.concat([KERNEL.dump(a), KERNEL.dump(b)])) == whole
    assert counting.from_json(counting.to_json(whole)) == whole


def test_blocks_of_a_large_batch_add_up(monkeypatch):
    matrix = np.random.default_rng(0).integers(-1, K, (50, 4)).astype(np.int8)
    whole = counters_of(matrix)
    monkeypatch.setattr(packing, "_BLOCK_VOTES", 9)
    assert counters_of(matrix) == whole


@settings(max_examples=15)
@given(matrices)
def test_rows_of_negative_counts_take_away(matrix):
    counts = collapse(of_matrix(matrix[:, :3], LFS, K, matrix[:, 3]))
    negative = counts.rows.with_columns(-pl.col("n_items"))
    both = KERNEL.merge(KERNEL.of_batch(counts.rows), KERNEL.of_batch(negative))
    assert both.n_items == both.n_voted == 0
    assert not both.votes.any()


def test_faults_are_carried():
    got = counting.with_faults(counters_of(np.zeros((2, 4), np.int8)), {"lf_caps": 7})
    assert got.faults.tolist() == [0, 7, 0]
    assert counting.merge(got, got).faults.tolist() == [0, 14, 0]
    with pytest.raises(IncompatibleStatistics, match=r"faults of \['lf_gone'\], which are not counted here"):
        counting.with_faults(got, {"lf_gone": 1})


def test_subtracting_strangers_is_refused():
    one, other = (counters_of(np.array([row], np.int8)) for row in ([1, -1, -1, -1], [-1, 0, -1, -1]))
    with pytest.raises(IncompatibleStatistics, match="1 items that are not all among the 1"):
        counting.subtract(one, other)


def test_counters_of_other_functions_are_refused():
    other = CountersKernel(("lf_link", "lf_caps", "lf_other"), K).zero()
    with pytest.raises(IncompatibleStatistics, match=r"\['lf_other', 'lf_short'\] in one of them only"):
        counting.merge(KERNEL.zero(), other)
    with pytest.raises(IncompatibleStatistics, match="3 and 2 classes"):
        KERNEL.load(CountersKernel(LFS, 2).dump(CountersKernel(LFS, 2).zero()))
    assert KERNEL.zero() != "counters"


def test_what_is_not_counters_is_refused():
    with pytest.raises(IncompatibleStatistics, match=r"counters in JSON have .*, got \['n_items'\]"):
        counting.from_json('{"n_items": 1}')
    with pytest.raises(IncompatibleStatistics, match="got list"):
        counting.from_json("[]")
    with pytest.raises(MissingColumns, match=r"'patterns' lacks .'gold'"):
        KERNEL.of_batch(of_matrix(np.zeros((1, 3), np.int8), LFS, K).rows.drop("gold"))
    with pytest.raises(MissingColumns, match=r"'counters' lacks .'counters'"):
        KERNEL.load(pl.DataFrame({"value": [1]}))
