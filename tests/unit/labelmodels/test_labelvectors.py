"""Sums over label vectors of a class, and which vectors known classes leave."""

import numpy as np
import pytest

from sparkws.errors import InvalidGold
from sparkws.feasible import task_graph
from sparkws.labelmodels.labelvectors import hold, log_factors, log_sums, most_log_odds, ruled_out

GRAPH = task_graph({"t": ["x", "y", "z"], "u": ["a", "b"]}, [("x", "a"), ("x", "b"), ("z", "b")])


def test_sums_are_over_the_vectors_of_a_class_and_do_not_underflow():
    scores = np.log([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]]) - 2000
    classes = GRAPH.classes_of("t")
    assert classes.tolist() == [0, 0, 2]
    np.testing.assert_allclose(log_sums(scores, classes, 3, -5.0)[:, [0, 2]] + 2000, np.log([[0.5, 0.5], [0.2, 0.8]]))
    assert (log_sums(scores, classes, 3, -5.0)[:, 1] == -5.0).all(), "no vector has the class y"


def test_a_factor_is_that_of_the_class_that_a_vector_has():
    table = np.array([[0.9, 0.2], [0.1, 0.8]])
    factors = log_factors([table, np.full((3, 3), 1 / 3)], np.stack([GRAPH.classes_of("u"), GRAPH.classes_of("t")]))
    np.testing.assert_allclose(np.exp(factors[0, :2]), table[:, [0, 1, 1]])
    assert (factors[0, 2] == 0).all(), "the task has no third class"


@pytest.mark.parametrize("n", [1, 31, 250, 5000])
def test_what_is_ruled_out_is_below_all_that_votes_can_do(n):
    """Of `n` votes that each say 1 for one class and `FLOOR`, 1e-10, for the other, and a prior that says the same."""
    vote = 10 * np.log(10)
    assert most_log_odds(n, 4) == pytest.approx((n + 1) * vote + np.log(4))
    possible, impossible = -(n + 1) * vote, ruled_out(n, 4) + np.log(4)
    assert possible - impossible > most_log_odds(n, 4)
    assert (possible + vote) - (impossible + vote) > most_log_odds(n, 4), "without the prior"


def test_known_classes_leave_the_vectors_that_have_them():
    known = np.array([[-1, -1], [0, -1], [0, 1], [-1, 1]], np.int8)
    assert (hold(known, GRAPH) == 0).tolist() == [
        [True, True, True],
        [True, True, False],
        [False, True, False],
        [False, True, True],
    ]
    with pytest.raises(InvalidGold, match=r"1 rows have known classes .* first {'t': 'z', 'u': 'a'}"):
        hold(np.array([[2, 0]], np.int8), GRAPH)
