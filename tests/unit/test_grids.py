"""Grids of soft votes: what may be declared, and what their cells stand for."""

import numpy as np
import pytest

from sparkws.errors import ConfigError
from sparkws.grids import Grids, bind_cells, cell_texts, classes_voted, grids_from_plain, make_cells, refuse_soft

THREE = ((0.9, 0.1), (0.5, 0.5), (0.2, 0.8))
GRIDS = Grids({"soft": THREE})


def test_a_grid_of_numbers_is_of_two_classes():
    assert make_cells("'a'", [0, 0.25, 1]) == ((1.0, 0.0), (0.75, 0.25), (0.0, 1.0))
    assert make_cells("'a'", np.array([0.25])) == ((0.75, 0.25),)


def test_a_grid_of_vectors_is_of_any_number_of_classes():
    assert make_cells("'a'", [[0.5, 0.25, 0.25], [0, 0, 1]]) == ((0.5, 0.25, 0.25), (0.0, 0.0, 1.0))


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ((), r"the grid of 'a' must be a list of 1 to 127 probabilities or vectors, got 0"),
        (0.5, "must be a list of 1 to 127 probabilities or vectors, got 0.5"),
        ("0.5", "must be a list of 1 to 127"),
        ([n / 200 for n in range(128)], "1 to 127 probabilities or vectors, got 128"),
        ((0.5, 0.2), r"must be ascending probabilities, got \(0.5, 0.2\)"),
        ((0.5, 0.5), "must be ascending probabilities"),
        ((0.5, 1.5), "must be ascending probabilities, got"),
        ((0.5, float("nan")), "must be ascending probabilities, got"),
        (
            (True,),
            "must be a vector with a probability for each class, as many as the first and adding up to 1, got True",
        ),
        (([0.5, 0.4],), r"adding up to 1, got \[0.5, 0.4\]"),
        (([0.5, 0.5], [1.0]), r"as many as the first and adding up to 1, got \[1.0\]"),
        (([0.5, 0.5], 0.3), "got 0.3"),
        (([0.5, 0.5], [0.5, 0.5]), "has the same cell twice"),
    ],
)
def test_what_is_no_grid_is_refused(declared, said):
    with pytest.raises(ConfigError, match=said):
        make_cells("'a'", declared)


def test_a_grid_of_another_number_of_classes_is_refused():
    with pytest.raises(ConfigError, match=r"the grid of 'a' has probabilities of 2 classes, but the task has 3"):
        bind_cells("'a'", THREE, ("x", "y", "z"))


def test_a_grid_of_the_classes_themselves_is_none():
    assert bind_cells("'a'", make_cells("'a'", (0, 1)), ("x", "y")) is None
    assert bind_cells("'a'", make_cells("'a'", np.eye(3)), ("x", "y", "z")) is None
    assert bind_cells("'a'", make_cells("'a'", (0, 0.5, 1)), ("x", "y")) is not None


def test_what_votes_say_and_are_for():
    says = GRIDS.says(("hard", "soft"), 2)
    assert says.tolist() == [[[1, 0], [0, 1], [0, 0]], [list(cell) for cell in THREE]]
    classes = GRIDS.classes(("hard", "soft"), 2)
    assert classes.tolist() == [[-1, 0, 1, -1], [-1, 0, -1, 1]]  # abstention first; .5 is for no class
    votes = np.array([[1, 1], [-1, 2], [0, -1]], np.int8)
    assert classes_voted(votes, classes).tolist() == [[1, -1], [-1, 1], [0, -1]]
    assert GRIDS.sizes(("hard", "soft"), 2) == (2, 3)


def test_without_grids_all_votes_are_classes():
    votes = np.array([[0, 1]], np.int8)
    assert Grids().says(("a", "b"), 2) is None
    assert classes_voted(votes, Grids().classes(("a", "b"), 2)) is votes


def test_grids_are_what_their_plain_form_says():
    assert grids_from_plain(GRIDS.to_plain()) == GRIDS
    assert GRIDS.select(["hard"]) == Grids()


def test_cells_are_told_briefly():
    assert cell_texts(THREE) == ("0.1", "0.5", "0.8")
    assert cell_texts(((0.5, 0.25, 0.25),)) == ("0.5/0.25/0.25",)


def test_what_takes_no_soft_votes_says_so():
    refuse_soft(Grids(), "super_lf")
    with pytest.raises(ConfigError, match=r"super_lf takes no votes with a probability, as \['soft'\] casts"):
        refuse_soft(GRIDS, "super_lf")
