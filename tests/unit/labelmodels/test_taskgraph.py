"""What a configuration says can be true together of several tasks."""

import pytest

from sparkws.config import TaskGraphConfig
from sparkws.errors import ConfigError
from sparkws.labelmodels.taskgraph import graph_of, task_tree

NOT = "not applicable"
CLASSES = {
    "job": ("cook", "pilot", NOT),
    "kind": ("person", "place"),
    "dish": ("soup", "pie", NOT),
    "other": ("x", "y"),
}


def graph(**options):
    return graph_of("life", TaskGraphConfig(**options), CLASSES)


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
    # The classes and their order are those of the project: votes and labels are indices into them.
    assert {task: found.classes[task] for task in found.tasks} == {task: CLASSES[task] for task in found.tasks}
    in_order = task_tree({"kind": CLASSES["kind"], "job": ("cook", "pilot")}, {"job": ("kind", "person")})
    assert vectors(graph(tasks=("job", "kind"), parents={"job": ("kind", "person")})) == vectors(in_order)


def test_vectors_may_be_listed():
    found = graph(tasks=("kind", "other"), feasible=(("person", "x"), ("place", "y"), ("person", "x")))
    assert found.feasible.tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"tasks": ("job", "dish"), "parents": {"job": ("dish", "soup"), "dish": ("job", "cook")}},
            "task graph 'life': the parents go in a circle: 'job' under 'dish' under 'job'",
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
