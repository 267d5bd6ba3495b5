"""The report of the functions: Snorkel's figures, computed here from the matrix by their definition.

`naive` was itself held against snorkel 0.10.0 (`LFAnalysis.lf_summary`) on 200 random matrices, bit for bit.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparkws.stats import counters as counting
from sparkws.stats.analysis import MAX_WIDTH, lf_summary, render
from sparkws.stats.patterns import of_matrix

K = 3
matrices = st.integers(1, 5).flatmap(
    lambda m: hnp.arrays(np.int8, st.tuples(st.integers(1, 40), st.just(m + 1)), elements=st.integers(-1, K - 1))
)


def summary(L, Y=None, **options):
    names = tuple(f"lf_{j}" for j in range(L.shape[1]))
    return lf_summary(counting.of_patterns(of_matrix(L, names, K, Y)), **options)


def naive(L, Y):
    n, m = L.shape
    conflicted = [len(set(row) - {-1}) > 1 for row in L.tolist()]
    rows = []
    for j in range(m):
        voted = L[:, j] != -1
        right, wrong = voted & (L[:, j] == Y), voted & (L[:, j] != Y)
        # Where a function does not vote snorkel has 0, here it is null.
        accuracy = 0.5 * ((np.int64(right.sum()) - wrong.sum()) / voted.sum() + 1) if voted.any() else None
        rows.append(
            {
                "lf": f"lf_{j}",
                "j": j,
                "Polarity": sorted(set(L[:, j].tolist()) - {-1}),
                "Coverage": voted.sum() / n,
                "Overlaps": (voted & ((L != -1).sum(axis=1) > 1)).sum() / n,
                "Conflicts": (voted & conflicted).sum() / n,
                "Correct": right.sum(),
                "Incorrect": (wrong & (Y != -1)).sum(),
                "Emp. Acc.": accuracy,
            }
        )
    return rows


@settings(max_examples=15)
@given(matrices)
def test_equals_the_definition_to_the_bit(matrix):
    L, Y = matrix[:, 1:], matrix[:, 0]
    L[:, 0] = -1  # one function never votes
    expected = naive(L, Y)
    without_gold = [{name: row[name] for name in list(row)[:6]} for row in expected]
    assert summary(L).to_dicts() == without_gold
    assert summary(L, Y).to_dicts() == (expected if (Y >= 0).any() else without_gold)


def test_accuracy_over_gold_leaves_out_votes_on_unknown_items():
    L, Y = np.array([[1, 0], [1, -1], [1, -1], [0, -1]], np.int8), np.array([1, -1, -1, 1], np.int8)
    assert summary(L, Y)["Emp. Acc."].to_list() == [0.25, 0.0]
    assert summary(L, Y, accuracy_over="gold")["Emp. Acc."].to_list() == [0.5, 0.0]


def test_a_share_of_nothing_is_null_and_a_dash():
    assert summary(np.zeros((0, 2), np.int8))["Coverage"].to_list() == [None, None]
    L, Y = np.array([[1, -1, 0], [1, -1, -1]], np.int8), np.array([-1, 1], np.int8)
    assert summary(L, Y)["Emp. Acc."].to_list() == [0.5, None, 0.0]
    over_gold = summary(L, Y, accuracy_over="gold")
    assert over_gold["Emp. Acc."].to_list() == [1.0, None, None]
    assert [line.split()[-1] for line in render(over_gold).splitlines()[1:]] == ["1.0000", "-", "-"]


def test_rendered_columns_line_up():
    L, Y = np.array([[1, 0], [1, -1], [1, -1], [0, -1]], np.int8), np.array([1, -1, -1, 1], np.int8)
    lines = render(summary(L, Y), faults=np.array([1200, 0]), takes_no_part={"lf_0"}).splitlines()
    assert lines == [
        "      j  Polarity  Coverage  Overlaps  Conflicts  Correct  Incorrect  Emp. Acc.  Faults",
        "lf_0  0  [0, 1]      1.0000    0.2500     0.2500        1          1     0.2500   1,200  takes no part",
        "lf_1  1  [0]         0.2500    0.2500     0.2500        0          1     0.0000       0",
    ]


@pytest.mark.parametrize("gold", [None, np.zeros(3, np.int8)])
def test_long_names_are_cut_to_the_width_of_a_terminal(gold):
    names = ("lf_" + "x" * 200, "lf_b")
    counters = counting.of_patterns(of_matrix(np.zeros((3, 2), np.int8), names, K, gold))
    lines = render(lf_summary(counters), faults=counters.faults, takes_no_part=names).splitlines()
    assert max(map(len, lines)) <= MAX_WIDTH
    assert "…" in lines[1]
    assert lines[1].endswith("takes no part")
