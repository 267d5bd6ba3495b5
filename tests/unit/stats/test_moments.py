"""Laws of the moments, one small case by hand, the naive count, and what never votes takes no room."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparkws.errors import IncompatibleStatistics, InvalidLabelMatrix, MissingColumns
from sparkws.stats import moments
from sparkws.stats.moments import MomentsKernel
from sparkws.stats.patterns import of_matrix

LFS, K = ("lf_link", "lf_caps", "lf_short"), 3
KERNEL = MomentsKernel(LFS, K)
matrices = hnp.arrays(np.int8, st.tuples(st.integers(0, 200), st.just(len(LFS))), elements=st.integers(-1, K - 1))


def table(matrix, names=LFS):
    return pl.DataFrame({name: matrix[:, j] for j, name in enumerate(names)}, schema=dict.fromkeys(names, pl.Int8))


def naive(matrix, moment):
    """The count of each pair of votes that have a cell."""
    pairs = [divmod(cell, moment.cardinality) for cell in moment.cells.tolist()]
    return [[int(((matrix[:, i] == a) & (matrix[:, j] == b)).sum()) for j, b in pairs] for i, a in pairs]


def test_four_items_by_hand():
    votes = pl.DataFrame(
        {"lf_link": [1, 1, -1, 1], "lf_caps": [1, 0, 1, -1], "lf_short": [-1, -1, 0, None]},
        schema=dict.fromkeys(LFS, pl.Int8),
    )
    got = KERNEL.of_batch(votes)
    assert got.n_items == 4
    # link votes 1, caps 0 and 1, short 0
    assert got.cells.tolist() == [0 * 3 + 1, 1 * 3 + 0, 1 * 3 + 1, 2 * 3 + 0]
    assert got.gram.tolist() == [[3, 1, 1, 0], [1, 1, 0, 0], [1, 0, 2, 1], [0, 0, 1, 1]]
    assert got.votes.tolist() == [[0, 3, 0], [1, 2, 0], [1, 0, 0]]


@given(matrices)
def test_equals_the_naive_count_by_bits_and_sparsely_and_from_patterns(matrix):
    got = KERNEL.of_batch(table(matrix))
    occurring = sorted({j * K + vote for row in matrix.tolist() for j, vote in enumerate(row) if vote >= 0})
    assert got.cells.tolist() == occurring
    assert got.gram.tolist() == naive(matrix, got)
    assert got.between(2, 0).tolist() == [
        [int(((matrix[:, 2] == a) & (matrix[:, 0] == b)).sum()) for b in range(K)] for a in range(K)
    ]
    columns = list(np.ascontiguousarray(matrix.T))
    assert MomentsKernel(LFS, K).of_rows(columns, np.ones(len(matrix), np.int64)) == got
    if len(matrix):
        assert moments.of_patterns(of_matrix(matrix, LFS, K)) == got


@given(matrices, st.integers(0, 200), st.randoms())
def test_any_split_in_any_order_gives_one_answer_and_what_was_added_can_be_taken_away(matrix, cut, random):
    rows = list(range(len(matrix)))
    random.shuffle(rows)
    parts = [KERNEL.of_batch(table(matrix[part])) for part in (rows[:cut], rows[cut:], [])]
    whole = KERNEL.of_batch(table(matrix))
    assert KERNEL.merge(KERNEL.merge(parts[1], parts[0]), parts[2]) == whole
    assert KERNEL.merge(KERNEL.zero(), whole) == whole
    assert moments.subtract(whole, parts[0]) == parts[1]
    assert KERNEL.load(KERNEL.dump(whole)) == whole
    assert KERNEL.load(pl.concat([KERNEL.dump(part) for part in parts]).sample(fraction=1, shuffle=True)) == whole


@given(matrices, st.permutations(LFS), st.integers(1, 3))
def test_selecting_functions_gives_the_moments_of_their_votes(matrix, order, n):
    chosen = tuple(order[:n])
    columns = [LFS.index(name) for name in chosen]
    expected = MomentsKernel(chosen, K).of_batch(table(matrix[:, columns], chosen))
    assert moments.select(KERNEL.of_batch(table(matrix)), chosen) == expected


def test_votes_that_never_occur_take_no_room():
    names = tuple(f"lf_{j}" for j in range(1200))
    rng = np.random.default_rng(0)
    votes = {name: np.where(rng.random(500) < 0.02, j % 56, -1).astype(np.int8) for j, name in enumerate(names)}
    got = MomentsKernel(names, 56).of_batch(pl.DataFrame(votes))
    assert len(got.cells) <= 1200
    assert got.gram.nbytes < 12e6
    expected = np.stack([column >= 0 for column in votes.values()]).astype(np.int64)
    kept = expected.any(axis=1)
    assert (got.gram == (expected @ expected.T)[np.ix_(kept, kept)]).all()


@pytest.mark.parametrize("coverage", [0.02, 0.9])
def test_many_classes_are_counted_by_bits_and_sparsely(coverage):
    rng = np.random.default_rng(0)
    matrix = np.where(rng.random((300, 6)) < coverage, rng.integers(0, 40, (300, 6)), -1).astype(np.int8)
    names = tuple("abcdef")
    got = MomentsKernel(names, 40).of_batch(table(matrix, names))
    assert got.gram.tolist() == naive(matrix, got)


def test_strangers_are_refused():
    one = KERNEL.of_batch(table(np.array([[1, -1, -1]], np.int8)))
    other = KERNEL.of_batch(table(np.array([[-1, 0, -1]], np.int8)))
    with pytest.raises(IncompatibleStatistics, match="1 items that are not all among the 1"):
        moments.subtract(one, other)
    with pytest.raises(IncompatibleStatistics, match="'lf_short'"):
        moments.merge(one, MomentsKernel(LFS[:2], K).zero())
    with pytest.raises(IncompatibleStatistics, match="lf_nowhere"):
        moments.select(one, ["lf_nowhere"])
    with pytest.raises(IncompatibleStatistics, match=r"cells in 0\.\.8, got 9"):
        KERNEL.load(pl.DataFrame({"a": [9], "b": [9], "n_items": [1]}))
    with pytest.raises(MissingColumns, match="lf_short"):
        KERNEL.of_batch(pl.DataFrame({"lf_link": [1], "lf_caps": [1]}))
    with pytest.raises(InvalidLabelMatrix, match="'lf_link' voted 3"):
        KERNEL.of_batch(table(np.array([[3, 0, 0]], np.int8)))
