"""What a configuration says can be true together of several tasks."""

import pytest

from sparkws.config import TaskGraphConfig
from sparkws.errors import ConfigError
from sparkws.feasible import task_graph, task_tree

NOT = "not applicable"
CLASSES = {
    "job": ("cook", "pilot", NOT),
    "kind": ("person", "place"),
    "dish": ("soup", "pie", NOT),
    "other": ("x", "y"),
}


def graph(**options):
    return TaskGraphConfig(**options).graph(CLASSES)


def vectors(found):
    """The feasible vectors as class names by task, in any order of tasks."""
    return {
        frozenset((task, found.classes[task][y]) for task, y in zip(found.tasks, vector, strict=True))
        for vector in found.feasible.tolist()
    }


def test_a_tree_may_name_children_before_their_parents():
    parents = {"dish": ("job", "cook"), "job": ("kind", "person")}
    found = graph(tasks=("dish", "job", "kind"), parents=parents)
    assert vectors(found) == {
        frozenset({("kind", "person"), ("job", "cook"), ("dish", "soup")}),
        frozenset({("kind", "person"), ("job", "cook"), ("dish", "pie")}),
        frozenset({("kind", "person"), ("job", "pilot"), ("dish", NOT)}),
        frozenset({("kind", "place"), ("job", NOT), ("dish", NOT)}),
    }
    assert found.largest == 3
    # The classes and their order are those of the project: votes and labels are indices into them.
    assert {task: found.classes[task] for task in found.tasks} == {task: CLASSES[task] for task in found.tasks}
    in_order = task_tree({"kind": CLASSES["kind"], "job": ("cook", "pilot")}, {"job": ("kind", "person")})
    assert vectors(graph(tasks=("job", "kind"), parents={"job": ("kind", "person")})) == vectors(in_order)


def test_a_tree_in_python_takes_the_classes_of_a_configuration():
    """Votes are indices into the classes that the user gives: "not applicable" stays where they have it."""
    parents = {"job": ("kind", "person")}
    found = task_tree({"kind": CLASSES["kind"], "job": CLASSES["job"]}, parents)
    assert found.classes == {"kind": ("person", "place"), "job": ("cook", "pilot", NOT)}
    assert found.feasible.tolist() == [[0, 0], [0, 1], [1, 2]]
    assert found.feasible.tolist() == graph(tasks=("kind", "job"), parents=parents).feasible.tolist()
    other = task_tree({"kind": CLASSES["kind"], "job": ("cook", NOT)}, parents, not_applicable="none")
    assert other.classes["job"] == ("cook", NOT, "none")


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ((NOT, "cook"), rf"'{NOT}' must be the last class of task 'job', which has \['{NOT}', 'cook'\]; votes"),
        ((NOT,), f"task 'job' has no class besides '{NOT}'; give at least one"),
        ((), f"task 'job' has no class besides '{NOT}'; give at least one"),
        (("cook", "cook"), r"the classes of task 'job' must differ, got \['cook', 'cook'\]"),
        (("cook", NOT, NOT), rf"the classes of task 'job' must differ, got \['cook', '{NOT}', '{NOT}'\]"),
    ],
)
def test_a_tree_of_classes_that_no_vote_can_mean_is_refused(job, said):
    with pytest.raises(ConfigError, match=said):
        task_tree({"kind": ("person", "place"), "job": job}, {"job": ("kind", "person")})


def test_vectors_of_classes_that_are_the_same_are_refused():
    with pytest.raises(ConfigError, match=r"the classes of task 'kind' must differ, got \['a', 'a'\]"):
        task_graph({"kind": ("a", "a"), "other": ("x", "y")}, [("a", "x")])


def test_vectors_may_be_listed():
    found = graph(tasks=("kind", "other"), feasible=(("person", "x"), ("place", "y"), ("person", "x")))
    assert found.feasible.tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"tasks": ("job", "dish"), "parents": {"job": ("dish", "soup"), "dish": ("job", "cook")}},
            "the parents go in a circle: 'job' under 'dish' under 'job'",
        ),
        ({"tasks": ("kind", "job"), "parents": {"kind": ("kind", "person")}}, "'kind' under 'kind'"),
        (
            {"tasks": ("kind", "other"), "parents": {"other": ("kind", "person")}},
            r"the last class of task 'other' must be 'not applicable', for items whose 'kind' is not 'person'; "
            r"it has \['x', 'y'\]",
        ),
        ({"tasks": ("kind", "job"), "parents": {"job": ("kind", "persn")}}, "'job' is under class 'persn' of 'kind'"),
        ({"tasks": ("kind", "job"), "parents": {"job": ("knd", "person")}}, "'job' is under class 'person' of 'knd'"),
        ({"tasks": ("kind", "job"), "parents": {"dish": ("kind", "person")}}, "'dish' has a parent and is no task"),
        ({"tasks": ("kind", "other"), "feasible": (("person", "z"),)}, "'z' is no class of task 'other'"),
        ({"tasks": ("kind", "other"), "feasible": (("person",),)}, r"vector \['person'\] has 1 classes"),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        graph(**options)
