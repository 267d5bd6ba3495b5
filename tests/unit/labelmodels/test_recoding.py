"""Groups of functions as one variable, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparkws.errors import ConfigError
from sparkws.labelmodels.em import count_votes
from sparkws.labelmodels.recoding import make_recoding

L = np.array([[1, 1, 0], [1, 0, -1], [-1, -1, 1], [1, 1, -1], [-1, -1, -1], [-1, 1, -1]], np.int8)


def recode(L, groups, k=2, *, use_abstain=True):
    return make_recoding(L, groups, count_votes(L, np.ones(len(L), np.int64), k), use_abstain=use_abstain)


def test_as_an_outcome_a_group_is_one_variable():
    recoding = recode(L, [(0, 1)])
    assert recoding.columns == ((2,), (0, 1))
    assert recoding.n_variables == 2
    V, unseen = recoding.apply(L)
    # (-1, 1), (1, 0), (1, 1) are seen; keys 6, 5, 8 in base 3
    assert recoding.blocks[0].tuples.tolist() == [[1, 0], [-1, 1], [1, 1]]
    assert V.tolist() == [[0, 2], [-1, 0], [1, -1], [-1, 2], [-1, -1], [-1, 1]]
    assert not unseen
    V, unseen = recoding.apply(np.array([[0, 0, 1], [1, 1, 1]], np.int8))
    assert V.tolist() == [[1, -1], [1, 2]]
    assert {number: rows.tolist() for number, rows in unseen.items()} == {0: [0]}


def test_as_missing_each_set_of_voters_is_a_variable():
    votes = np.array([[0, 1], [1, 1], [1, -1], [0, -1], [-1, 0], [-1, 1]], np.int8)
    recoding = recode(votes, [(0, 1)], use_abstain=False)
    assert recoding.n_variables == 3
    V, _ = recoding.apply(votes)
    assert ((V >= 0).sum(axis=1) == 1).all()
    which = (V >= 0).argmax(axis=1)
    assert len(set(which[:2])) == len(set(which[2:4])) == len(set(which[4:])) == 1
    assert len(set(which.tolist())) == 3


def test_as_missing_members_of_one_class_are_pooled_by_class():
    votes = np.array([[1, 1, -1, 0], [-1, 1, 0, -1], [1, -1, 0, 0], [-1, -1, -1, 0]], np.int8)
    recoding = recode(votes, [(0, 1, 2)], use_abstain=False)
    assert recoding.columns == ((2,), (3,), (0, 1))
    assert recoding.apply(votes)[0].tolist() == [[-1, 0, 1], [0, -1, 1], [0, 0, 1], [-1, 0, -1]]


@given(hnp.arrays(np.int8, st.tuples(st.integers(1, 30), st.just(5)), elements=st.integers(-1, 2)), st.booleans())
def test_what_was_seen_has_a_code_and_silence_stays_silence(votes, use_abstain):
    recoding = recode(votes, [(0, 3), (1, 2, 4)], k=3, use_abstain=use_abstain)
    V, unseen = recoding.apply(votes)
    assert not unseen
    assert ((V >= 0).any(axis=1) == (votes >= 0).any(axis=1)).all()
    assert V.max(initial=-1) < recoding.n_outcomes


def test_too_large_a_group_is_refused():
    wide = np.zeros((2, 12), np.int8)
    with pytest.raises(ConfigError, match="a group of 12 labeling functions"):
        recode(wide, [tuple(range(12))], k=56)
