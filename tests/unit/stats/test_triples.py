"""Laws of third moments, the naive count, and which triples are chosen."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparkws.errors import IncompatibleStatistics, InvalidLabelMatrix
from sparkws.stats.bits import columns_of
from sparkws.stats.moments import MomentsKernel
from sparkws.stats.patterns import of_matrix
from sparkws.stats.triples import TriplesKernel, choose_triples, merge, select

LFS, K = ("lf_a", "lf_b", "lf_c", "lf_d"), 2
CHOSEN = ((0, 1, 2), (0, 2, 3))
KERNEL = TriplesKernel(LFS, K, CHOSEN)
matrices = hnp.arrays(np.int8, st.tuples(st.integers(0, 80), st.just(4)), elements=st.integers(-1, K - 1))


def table(matrix):
    return pl.DataFrame({name: matrix[:, j] for j, name in enumerate(LFS)}, schema=dict.fromkeys(LFS, pl.Int8))


@settings(max_examples=30)
@given(matrices)
def test_equals_the_naive_count_also_from_patterns(matrix):
    got = KERNEL.of_batch(table(matrix))
    for s, (i, j, l) in enumerate(CHOSEN):
        for a, b, c in np.ndindex(K + 1, K + 1, K + 1):
            expected = ((matrix[:, i] == a - 1) & (matrix[:, j] == b - 1) & (matrix[:, l] == c - 1)).sum()
            assert got.counts[s, a, b, c] == expected
    if len(matrix):
        assert KERNEL.of_patterns(of_matrix(matrix, LFS, K)) == got
    columns = columns_of(table(matrix), LFS, K)
    assert KERNEL.of_columns(columns, MomentsKernel(LFS, K).of_columns(columns)) == got


@settings(max_examples=30)
@given(matrices, st.integers(0, 80), st.randoms())
def test_any_split_in_any_order_gives_one_answer(matrix, cut, random):
    rows = list(range(len(matrix)))
    random.shuffle(rows)
    parts = [KERNEL.of_batch(table(matrix[part])) for part in (rows[:cut], rows[cut:])]
    whole = KERNEL.of_batch(table(matrix))
    assert KERNEL.merge(parts[1], parts[0]) == KERNEL.merge(whole, KERNEL.zero()) == whole
    assert KERNEL.load(pl.concat([KERNEL.dump(part) for part in parts])) == whole


def test_only_columns_of_chosen_functions_are_read_and_null_abstains():
    kernel = TriplesKernel(LFS, K, ((0, 1, 3),))
    assert kernel.columns == ("lf_a", "lf_b", "lf_d")
    votes = pl.DataFrame({"lf_a": [1, None], "lf_b": [0, 0], "lf_d": [1, 1]}, schema_overrides={"lf_a": pl.Int8})
    got = kernel.of_batch(votes)
    assert got.n_items == 2
    assert got.counts[0, 2, 1, 2] == got.counts[0, 0, 1, 2] == 1


def test_triples_are_distinct_of_functions_that_vote_and_the_same_for_the_same_seed():
    votes = np.full((30, 2), 100)
    votes[7] = 0
    chosen = choose_triples(votes, np.random.default_rng(3), 50)
    assert (
        chosen
        == choose_triples(votes, np.random.default_rng(3), 50)
        != choose_triples(votes, np.random.default_rng(4), 50)
    )
    assert len(set(chosen)) == 50
    assert all(i < j < l and 7 not in (i, j, l) for i, j, l in chosen)


def test_rare_functions_are_in_a_triple_when_there_are_no_others_left():
    votes = np.array([[10**9, 0], [10**9, 0], [10**9, 0], [1, 0], [1, 0]])
    assert len(choose_triples(votes, np.random.default_rng(0), 100)) == 10
    assert choose_triples(votes[:2], np.random.default_rng(0)) == ()


def test_many_classes_get_few_triples():
    chosen = choose_triples(np.ones((50, 100), np.int64), np.random.default_rng(0))
    assert 1 <= len(chosen) <= 3


def test_strangers_are_refused():
    other = TriplesKernel(LFS, K, CHOSEN[:1])
    with pytest.raises(IncompatibleStatistics, match="2 and 1 triples"):
        merge(KERNEL.zero(), other.zero())
    with pytest.raises(IncompatibleStatistics, match="3 classes, expected"):
        KERNEL.of_patterns(of_matrix(np.zeros((1, 4), np.int8), LFS, 3))
    with pytest.raises(InvalidLabelMatrix, match="'lf_b' voted 2"):
        KERNEL.of_batch(table(np.array([[0, 2, 0, 0]], np.int8)))


def test_a_subset_of_the_functions_keeps_its_triples():
    rng = np.random.default_rng(0)
    L = rng.integers(-1, 2, (50, 5)).astype(np.int8)
    names = ("a", "b", "c", "d", "e")
    chosen = ((0, 1, 2), (0, 2, 4), (1, 2, 4), (2, 3, 4))
    whole = TriplesKernel(names, 2, chosen).of_patterns(of_matrix(L, names, 2))
    kept = [0, 2, 4]
    subset = TriplesKernel(("a", "c", "e"), 2, ((0, 1, 2),)).of_patterns(of_matrix(L[:, kept], ("a", "c", "e"), 2))
    assert select(whole, ("a", "c", "e")) == subset
    with pytest.raises(IncompatibleStatistics, match=r"cannot be those of \['c', 'a'\]"):
        select(whole, ("c", "a"))
