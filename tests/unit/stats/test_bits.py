"""Counts from bits are the naive counts, for any number of items, in any number of blocks and threads."""

from unittest.mock import patch

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparkws.errors import InvalidLabelMatrix
from sparkws.grids import Grids
from sparkws.stats import bits as by_bits
from sparkws.stats.bits import VoteColumns, columns_of, count_common, count_pairs, in_threads, pack_votes

M, S = 4, 3
matrices = hnp.arrays(np.int8, st.tuples(st.integers(0, 400), st.just(M)), elements=st.integers(-1, S - 1))


def columns(matrix, sizes=(S,) * M):
    return VoteColumns(tuple("abcd"), tuple(np.ascontiguousarray(matrix.T)), S, sizes)


def cast(matrix, cell):
    """Whether each item got a vote, `(n,)`."""
    lf, vote = divmod(int(cell), S)
    return matrix[:, lf] == vote


@given(matrices, st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=60)
def test_pairs_are_the_naive_count_in_any_blocks_and_threads(matrix, words_per_block, n_threads):
    with (
        patch.object(by_bits, "WORDS_PER_BLOCK", words_per_block),
        patch.object(by_bits, "_FEWEST_BYTES", 1),
        patch.object(pl, "thread_pool_size", lambda: n_threads),
    ):
        bits = columns(matrix).bits
        gram = count_pairs(bits)
        assert bits.cells.tolist() == sorted(
            {j * S + v for row in matrix.tolist() for j, v in enumerate(row) if v >= 0}
        )
        votes = [cast(matrix, cell) for cell in bits.cells]
        assert bits.counts.tolist() == [vote.sum() for vote in votes]
        assert gram.tolist() == [[(one & other).sum() for other in votes] for one in votes]
        of = [bits.of_lf(lf) for lf in range(M)]
        thrice = count_common(of[0][:, None, None], of[1][:, None], of[3])
        for a, b, c in np.ndindex(S, S, S):
            expected = cast(matrix, a) & cast(matrix, S + b) & cast(matrix, 3 * S + c)
            assert thrice[a, b, c] == expected.sum()


@given(matrices)
@settings(max_examples=30)
def test_a_bit_is_an_item_and_the_rest_of_the_last_word_is_zeros(matrix):
    bits = columns(matrix).bits
    assert bits.words.shape == (len(bits.cells), -(-len(matrix) // 64))
    for cell, words in zip(bits.cells, bits.words, strict=True):
        set_bits = [64 * at + bit for at, word in enumerate(words.tolist()) for bit in range(64) if word >> bit & 1]
        assert set_bits == np.flatnonzero(cast(matrix, cell)).tolist()


def test_only_wanted_votes_are_packed_and_a_function_may_cast_fewer_than_others():
    matrix = np.array([[0, 1, 2, 0], [2, 0, -1, 1]], np.int8)
    bits = pack_votes(list(matrix.T), S, [[0], [0, 1], [], [1, 2]])
    assert bits.cells.tolist() == [0, S, S + 1, 3 * S + 1]
    assert bits.words.tolist() == [[0b01], [0b10], [0b01], [0b10]]
    assert bits.of_lf(3).tolist() == [[0], [0b10], [0]]
    assert columns(matrix, (3, 2, 3, 2)).count().tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 1], [1, 1, 0]]


def test_null_abstains_and_votes_that_do_not_exist_are_refused():
    grids = Grids({"b": ((0.9, 0.1), (0.5, 0.5), (0.1, 0.9))})
    batch = pl.DataFrame({"a": [1, None], "b": [None, 2]}, {"a": pl.Int8, "b": pl.Int8})
    found = columns_of(batch, ("a", "b"), 2, grids)
    assert (found.n_items, found.n_outcomes, found.sizes) == (2, 3, (2, 3))
    assert [votes.tolist() for votes in found.votes] == [[1, -1], [-1, 2]]
    for wrong, told in ((pl.Series("a", [1, 2], pl.Int8), "'a' voted 2"), (pl.Series("a", [-2, 1]), "'a' voted -2")):
        with pytest.raises(InvalidLabelMatrix, match=told):
            columns_of(batch.with_columns(wrong), ("a", "b"), 2, grids)


def test_work_is_shared_by_as_many_threads_as_polars_has_where_there_is_enough():
    with patch.object(pl, "thread_pool_size", lambda: 3):
        assert in_threads(list, 10, 1) == [list(range(10))]
        assert in_threads(list, 10, 1 << 20) == [[0, 1, 2], [3, 4, 5], [6, 7, 8, 9]]
        assert in_threads(list, 2, 1 << 20) == [[0], [1]]
        assert in_threads(list, 0, 1 << 20) == [[]]
