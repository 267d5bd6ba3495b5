"""Statistics of functions whose votes are cells of a grid: counts of cells, and of the classes that they are for."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparkws.errors import IncompatibleStatistics, InvalidLabelMatrix
from sparkws.grids import Grids
from sparkws.stats import counters, joint, moments, patterns
from sparkws.stats.analysis import lf_summary
from sparkws.stats.counters import CountersKernel
from sparkws.stats.joint import BothMomentsKernel
from sparkws.stats.patterns import PatternsKernel, of_matrix, select, unpack, unpack_classes
from sparkws.stats.softness import soft_votes

K = 2
LFS = ("hard", "soft", "wide")
CELLS = ((0.9, 0.1), (0.5, 0.5), (0.2, 0.8))
WIDE = tuple((1 - p, p) for p in (0.1, 0.3, 0.6, 0.7, 0.9))
GRIDS = Grids({"soft": CELLS, "wide": WIDE})
SIZES = (2, 3, 5)
CLASS = {"hard": [0, 1], "soft": [0, None, 1], "wide": [0, 0, 1, 1, 1]}


@st.composite
def matrices(draw):
    L = draw(hnp.arrays(np.int8, (draw(st.integers(0, 30)), 3), elements=st.integers(-1, 4)))
    return np.minimum(L, np.array(SIZES, np.int8) - 1)


def frame(L):
    votes = {name: pl.Series(L[:, j], dtype=pl.Int8) for j, name in enumerate(LFS)}
    return pl.DataFrame({"item_id": pl.Series([f"i{row}" for row in range(len(L))], dtype=pl.String), **votes})


@given(matrices())
def test_patterns_hold_the_cells(L):
    counted = PatternsKernel(LFS, K, grids=GRIDS).of_batch(frame(L))
    assert counted.n_outcomes == 5
    rows = sorted(tuple(row) for row, n in zip(unpack(counted).tolist(), counted.counts, strict=True) for _ in range(n))
    assert rows == sorted(map(tuple, L.tolist()))
    narrow = select(counted, ["soft", "hard"])
    assert (narrow.n_outcomes, narrow.grids) == (3, GRIDS.select(["soft"]))
    assert patterns.collapse(narrow) == of_matrix(L[:, [1, 0]], ("soft", "hard"), K, grids=GRIDS.select(["soft"]))


@given(matrices(), st.integers(0, 2**32 - 1))
def test_moments_count_the_cells(L, seed):
    chosen = ((0, 1, 2),)
    kernel = BothMomentsKernel(LFS, K, chosen, GRIDS)
    cut = np.random.default_rng(seed).integers(0, 2, len(L)).astype(bool)
    found = kernel.merge(kernel.of_batch(frame(L[cut])), kernel.of_batch(frame(L[~cut]))) if len(L) else kernel.zero()
    assert found.pairs == moments.of_patterns(of_matrix(L, LFS, K, grids=GRIDS)) or not len(L)
    gram = {
        (int(a), int(b)): int(n)
        for a, row in zip(found.pairs.cells, found.pairs.gram, strict=True)
        for b, n in zip(found.pairs.cells, row, strict=True)
        if n
    }
    naive = {}
    for row in L.tolist():
        voted = [j * 5 + vote for j, vote in enumerate(row) if vote >= 0]
        for a in voted:
            for b in voted:
                naive[a, b] = naive.get((a, b), 0) + 1
    assert gram == naive
    cells = np.zeros((6, 6, 6), np.int64)
    np.add.at(cells, tuple(L.T + 1), 1)
    assert np.array_equal(found.triples.counts[0], cells)
    assert joint.from_json(joint.to_json(found)) == found
    assert kernel.load(kernel.dump(found)) == found


def test_the_moments_of_some_functions_are_numbered_anew():
    L = np.array([[1, 2, 4], [0, 0, 1], [1, 1, -1]], np.int8)
    both = BothMomentsKernel(LFS, K, ((0, 1, 2),), GRIDS).of_batch(frame(L))
    narrow = joint.select(both, ("hard", "soft"))
    assert narrow.pairs == moments.of_patterns(of_matrix(L[:, :2], LFS[:2], K, grids=GRIDS.select(["soft"])))
    assert narrow.pairs.says[1].tolist() == [list(cell) for cell in CELLS]
    # hard 0, hard 1, then the cells of soft; .5 is for no class
    assert narrow.pairs.label_of.tolist() == [0, 1, 0, -1, 1]


@given(matrices(), st.integers(0, 2**32 - 1))
def test_counters_tell_classes_and_cells(L, seed):
    gold = np.random.default_rng(seed).integers(-1, K, len(L)).astype(np.int8)
    found = counters.of_patterns(of_matrix(L, LFS, K, gold, GRIDS))
    for j, name in enumerate(LFS):
        of_class = CLASS[name]
        voted = L[:, j] >= 0
        others = [[CLASS[LFS[i]][row[i]] for i in range(3) if i != j and row[i] >= 0] for row in L.tolist()]
        label = [of_class[vote] if vote >= 0 else None for vote in L[:, j].tolist()]
        assert found.votes[j, : SIZES[j]].tolist() == [int((L[:, j] == cell).sum()) for cell in range(SIZES[j])]
        assert found.votes_for[j].tolist() == [label.count(y) for y in range(K)]
        assert found.overlaps[j] == sum(bool(v and o) for v, o in zip(voted, others, strict=True))
        assert found.conflicts[j] == sum(
            y is not None and any(o not in (None, y) for o in other) for y, other in zip(label, others, strict=True)
        )
        known = [(y, g) for y, g in zip(label, gold.tolist(), strict=True) if y is not None and g >= 0]
        assert found.correct[j] == sum(y == g for y, g in known)
        assert found.incorrect[j] == sum(y != g for y, g in known)
    assert found.n_voted == int((L >= 0).any(axis=1).sum())
    assert counters.from_json(counters.to_json(found)) == found
    assert lf_summary(found)["Polarity"].to_list() == [np.flatnonzero(row).tolist() for row in found.votes_for]


def test_counters_of_some_functions():
    L = np.array([[1, 2, 4], [0, 0, 1], [1, 1, -1]], np.int8)
    whole = of_matrix(L, LFS, K, grids=GRIDS)
    some = CountersKernel(LFS, K, ("hard", "soft"), GRIDS).of_batch(whole.rows)
    assert some == counters.of_patterns(select(whole, ["hard", "soft"])) or some.n_rows == 3
    assert some.votes.tolist() == [[1, 2, 0], [1, 1, 1]]


def test_the_classes_of_patterns():
    L = np.array([[1, 1, 2]], np.int8)
    assert unpack_classes(of_matrix(L, LFS, K, grids=GRIDS)).tolist() == [[1, -1, 1]]


def test_counters_without_grids_are_stored_as_before():
    text = counters.to_json(counters.of_patterns(of_matrix(np.array([[1]], np.int8), ["hard"], K)))
    assert "grids" not in text
    assert not counters.from_json(text).grids


def test_a_vote_outside_of_its_grid_is_refused():
    with pytest.raises(InvalidLabelMatrix, match=r"1 votes outside -1..2 for the cells of 'soft'; first: 'soft' .* 3"):
        of_matrix(np.array([[1, 3, 4]], np.int8), LFS, K, grids=GRIDS)
    batch = frame(np.array([[1, 3, 4]], np.int8))
    for kernel in (PatternsKernel(LFS, K, grids=GRIDS), BothMomentsKernel(LFS, K, (), GRIDS)):
        with pytest.raises(InvalidLabelMatrix, match=r"outside -1..2 for the cells of 'soft'; first: 'soft' voted 3"):
            kernel.of_batch(batch)
    with pytest.raises(InvalidLabelMatrix, match=r"outside -1..1 for cardinality=2; first: 'hard' voted 2"):
        PatternsKernel(LFS, K, grids=GRIDS).of_batch(frame(np.array([[2, 0, 0]], np.int8)))


def test_statistics_of_other_grids_do_not_add_up():
    L = np.array([[1, 1, 1]], np.int8)
    one, other = (of_matrix(L, LFS, K, grids=grids) for grids in (GRIDS, Grids({**GRIDS.of, "soft": WIDE})))
    with pytest.raises(IncompatibleStatistics, match=r"patterns of soft votes in different grids: those of \['soft'\]"):
        patterns.merge(one, other)


def test_calibration_by_hand():
    # Cell .2 / .8 is voted on a ham and three spams, cell .9 / .1 on an item that nobody knows.
    L = np.array([[2], [2], [2], [2], [0]], np.int8)
    gold = np.array([0, 1, 1, 1, -1], np.int8)
    found = soft_votes(counters.of_patterns(of_matrix(L, ["soft"], K, gold, Grids({"soft": CELLS}))))["soft"]
    assert found["votes"] == [1, 0, 4]
    assert found["known"] == [0, 0, 4]
    assert found["observed"] == [None, None, [0.25, 0.75]]
    assert found["calibration_error"] == pytest.approx(0.05)


def test_without_known_classes_there_is_no_calibration():
    counted = of_matrix(np.array([[2]], np.int8), ["soft"], K, grids=Grids({"soft": CELLS}))
    assert soft_votes(counters.of_patterns(counted))["soft"]["calibration_error"] is None
    assert soft_votes(counters.of_patterns(of_matrix(np.array([[1]], np.int8), ["hard"], K))) == {}
