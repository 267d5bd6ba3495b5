"""What can be true together of several tasks.

In a tree a task that does not apply, because its parent took another branch, has the class "not applicable",
its last one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import did_you_mean, first_few
from sparkws.errors import ConfigError

_MOST_VECTORS: Final = 1 << 16


@dataclass(frozen=True, eq=False)
class TaskGraph:
    """The label vectors that can be true.

    Attributes
    ----------
    classes : mapping of str to tuple of str
        The classes of each task, in the order of the vectors.
    feasible : (f, t) int8 array
        The vectors: the class of each task.
    """

    classes: Mapping[str, tuple[str, ...]]
    feasible: NDArray[np.int8]

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks."""
        return tuple(self.classes)

    @property
    def largest(self) -> int:
        """The classes of the task that has most."""
        return max(map(len, self.classes.values()))

    def classes_of(self, task: str) -> NDArray[np.int8]:
        """The class that each vector has for a task, `(f,)`.

        Raises
        ------
        ConfigError
            If there is no such task.
        """
        if task not in self.classes:
            raise ConfigError(
                f"there is no task {task!r}; the tasks are {first_few(self.tasks, 12)}.{did_you_mean(task, self.tasks)}"
            )
        return self.feasible[:, self.tasks.index(task)]


def graph_of(
    tasks: Sequence[str],
    classes: Mapping[str, Sequence[str]],
    *,
    parents: Mapping[str, tuple[str, str]],
    feasible: Sequence[Sequence[str]],
    not_applicable: str,
) -> TaskGraph:
    """The graph that a configuration describes: of vectors where `feasible` are given, else a tree.

    Parameters
    ----------
    tasks : sequence of str
        Those of the graph, in any order.
    classes : mapping of str to sequences of str
        The classes of each task of the project.
    parents, feasible, not_applicable
        As of `task_tree` and `task_graph`.

    Raises
    ------
    ConfigError
        If a vector, a parent or a class does not exist, the parents go in a circle, or a child lacks the class of
        items to which it does not apply.
    """
    own = {task: tuple(classes[task]) for task in tasks}
    if feasible:
        return task_graph(own, feasible)
    ordered = _in_order(own, parents)
    for child in parents:
        if child in own and own[child][-1] != not_applicable:
            parent, branch = parents[child]
            raise ConfigError(
                f"the last class of task {child!r} must be {not_applicable!r}, for items whose {parent!r} is not "
                f"{branch!r}; it has {first_few(own[child], 12)}."
            )
    return task_tree({task: own[task] for task in ordered}, parents, not_applicable=not_applicable)


def task_graph(classes: Mapping[str, Sequence[str]], feasible: Sequence[Sequence[str]]) -> TaskGraph:
    """The graph of vectors that are given as class names.

    Raises
    ------
    ConfigError
        If a vector is too short or too long, names no class of its task, or there is none, or classes of a task are
        the same.

    Examples
    --------
    >>> graph = task_graph({"animal": ["cat", "dog"], "sound": ["meow", "bark"]}, [("cat", "meow"), ("dog", "bark")])
    >>> graph.feasible.tolist()
    [[0, 0], [1, 1]]
    """
    tasks = list(classes)
    _check_distinct(classes)
    rows = []
    for vector in feasible:
        if len(vector) != len(tasks):
            raise ConfigError(
                f"the vector {list(vector)!r} has {len(vector)} classes, expected one for each of {tasks}."
            )
        for task, name in zip(tasks, vector, strict=True):
            if name not in classes[task]:
                raise ConfigError(f"{name!r} is no class of task {task!r}, which has {list(classes[task])}.")
        rows.append([list(classes[task]).index(name) for task, name in zip(tasks, vector, strict=True)])
    if not rows:
        raise ConfigError(f"the task graph of {tasks} has no feasible vector; give at least one.")
    kept = np.unique(np.array(rows, np.int8), axis=0)
    return TaskGraph({task: tuple(names) for task, names in classes.items()}, kept)


def task_tree(
    classes: Mapping[str, Sequence[str]],
    parents: Mapping[str, tuple[str, str]],
    *,
    not_applicable: str = "not applicable",
) -> TaskGraph:
    """The graph of a tree of tasks.

    Parameters
    ----------
    classes : mapping of str to sequences of str
        The classes of each task, parents before children.
    parents : mapping of str to (str, str)
        For a child the parent task and the class of it under which the child applies. Elsewhere the child
        is `not_applicable`: its last class, which is added where it is not there, as a configuration has it.

    Raises
    ------
    ConfigError
        If a parent comes after its child or has no such class, a child has `not_applicable` as another class than its
        last or no class besides it, classes of a task are the same, or more than 65,536 vectors are feasible.

    Examples
    --------
    >>> tree = task_tree({"kind": ["person", "place"], "job": ["cook", "pilot"]}, {"job": ("kind", "person")})
    >>> tree.classes["job"], tree.feasible.tolist()
    (('cook', 'pilot', 'not applicable'), [[0, 0], [0, 1], [1, 2]])
    """
    tasks = list(classes)
    unknown = [child for child in parents if child not in classes]
    if unknown:
        raise ConfigError(f"{unknown[0]!r} has a parent and is no task; the tasks are {tasks}.")
    _check_distinct(classes)
    own = {
        task: _applicable(task, names, not_applicable) if task in parents else tuple(names)
        for task, names in classes.items()
    }
    vectors: list[tuple[int, ...]] = [()]
    for at, task in enumerate(tasks):
        if task not in parents:
            vectors = [(*vector, y) for vector, y in product(vectors, range(len(own[task])))]
        else:
            parent, branch = parents[task]
            if parent not in tasks[:at] or branch not in own[parent]:
                raise ConfigError(
                    f"task {task!r} is under class {branch!r} of {parent!r}, which is not a class of a task before it."
                )
            above, y_above = tasks.index(parent), own[parent].index(branch)
            n = len(own[task])
            vectors = [(*vector, y) for vector in vectors for y in (range(n) if vector[above] == y_above else (n,))]
        if len(vectors) > _MOST_VECTORS:
            raise ConfigError(
                f"more than {_MOST_VECTORS:,} label vectors of {first_few(tasks)} are feasible; split them."
            )
    named = {task: (*names, not_applicable) if task in parents else names for task, names in own.items()}
    return TaskGraph(named, np.array(vectors, np.int8))


def _applicable(task: str, names: Sequence[str], not_applicable: str) -> tuple[str, ...]:
    """The classes of a child where it applies."""
    own = tuple(names[:-1] if names and names[-1] == not_applicable else names)
    if not own:
        raise ConfigError(f"task {task!r} has no class besides {not_applicable!r}; give at least one.")
    if not_applicable in own:
        raise ConfigError(
            f"{not_applicable!r} must be the last class of task {task!r}, which has {first_few(names, 12)}; votes are "
            "indices into them."
        )
    return own


def _check_distinct(classes: Mapping[str, Sequence[str]]) -> None:
    for task, names in classes.items():
        if len(set(names)) != len(names):
            raise ConfigError(f"the classes of task {task!r} must differ, got {first_few(names, 12)}.")


def _in_order(tasks: Collection[str], parents: Mapping[str, tuple[str, str]]) -> list[str]:
    """The tasks, parents before their children."""
    ordered: list[str] = []
    for task in tasks:
        above = [task]
        while above[-1] in parents and above[-1] not in ordered:
            parent = parents[above[-1]][0]
            if parent in above:
                circle = " under ".join(repr(one) for one in [*above[above.index(parent) :], parent])
                raise ConfigError(f"the parents go in a circle: {circle}; a tree has a task without a parent.")
            if parent not in tasks:  # told by the tree that is made of them
                break
            above.append(parent)
        ordered += [one for one in reversed(above) if one not in ordered]
    return ordered
