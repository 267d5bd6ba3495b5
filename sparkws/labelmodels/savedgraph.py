"""A fitted model of several tasks as JSON, and as the flat rows of each task's label model; never pickle.

The rows that people read tell of the task: its class balance, and what its functions vote given the class. One
more row holds the whole model as JSON, from which it is loaded: every number exactly.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.checks import check_columns, first_few, parsed_json, shown
from sparkws.errors import DataError, IncompatibleStatistics, NothingToFit
from sparkws.feasible import TaskGraph
from sparkws.labelmodels.hierarchy import Column, Hierarchical
from sparkws.labelmodels.persist import SCHEMA
from sparkws.labelmodels.storedchecks import (
    check_keys,
    check_range,
    check_stored_names,
    check_sums,
    stored_numbers,
    stored_value,
)
from sparkws.labelmodels.tables import Stored

FORMAT: Final = 1
_WHOLE: Final = "all_tasks"  # the parameter of the row that holds the JSON
_WHAT: Final = "the label model of several tasks"
_SHARES: Final = Stored(values="shares")
_SCALARS: Final[Mapping[str, Stored]] = {
    "balance_source": Stored(number=str),
    "log_likelihood": Stored(),
    "n_iter": Stored(number=int),
    "converged": Stored(number=bool),
}
_NEEDED: Final = ("tasks", "feasible", "balance", "columns", *_SCALARS)


def graph_to_json(model: Hierarchical, fingerprints: Mapping[Column, str] | None = None) -> str:
    """A fitted model of several tasks as JSON.

    Parameters
    ----------
    model : Hierarchical
    fingerprints : mapping of (str, str) to str, optional
        The fingerprints of the functions, by task and name, whose votes it was fitted on.

    Raises
    ------
    NothingToFit
        If the model was not fitted.
    """
    if not model.cpts_:
        raise NothingToFit("the label model has no parameters yet; call fit before saving it.")
    known = fingerprints or {}
    plain = {
        "format": FORMAT,
        "kind": model.kind,
        "tasks": [[task, list(names)] for task, names in model.graph.classes.items()],
        "feasible": model.graph.feasible.tolist(),
        "balance": model.balance_.tolist(),
        "balance_source": model.balance_source_,
        "columns": [
            {
                "task": task,
                "lf": lf,
                "fingerprint": known.get((task, lf)),
                "cpt": table.tolist(),
                "seen": seen.tolist(),
            }
            for (task, lf), table, seen in zip(model.columns, model.cpts_, model.seen_, strict=True)
        ],
        "log_likelihood": model.log_likelihood_,
        "n_iter": model.n_iter_,
        "converged": model.converged_,
    }
    return json.dumps(plain, allow_nan=False)


def graph_from_json(
    text: str,
    classes: Mapping[str, Sequence[str]] | None = None,
    lf_names: Mapping[str, Sequence[str]] | None = None,
    fingerprints: Mapping[Column, str] | None = None,
) -> Hierarchical:
    """The model that `graph_to_json` wrote.

    Parameters
    ----------
    classes, lf_names : mapping of str to sequence of str, optional
        The classes and the functions of each task, as they are expected to be. There may be functions that the
        model does not read.
    fingerprints : mapping of (str, str) to str, optional
        The fingerprints that the functions have now; those not named are not compared.

    Raises
    ------
    DataError
        If the text is not that of a model of several tasks, is of a later format, lacks a part of the model, or says
        what no fitted model can.
    IncompatibleStatistics
        If tasks, classes or functions differ; says which.
    """
    plain = parsed_json(text, "a label model of several tasks")
    found = plain.get("format") if isinstance(plain, dict) else None
    if found != FORMAT:
        raise DataError(
            f"expected a label model of several tasks in format {FORMAT}, got {shown(found)}; fit it again with this "
            "version."
        )
    if plain.get("kind") != Hierarchical.kind:
        raise DataError(
            f"expected a label model of several tasks, of kind {Hierarchical.kind!r}, got one of kind "
            f"{shown(plain.get('kind'))}; read it with from_json."
        )
    check_keys(plain, _NEEDED, _WHAT)
    graph = _stored_graph(plain)
    columns = _stored_columns(plain["columns"], graph)
    _check(graph.classes, plain["columns"], classes, lf_names, fingerprints or {})
    model = Hierarchical(graph, columns)
    sizes = [len(graph.classes[task]) for task, _ in columns]
    by_volume = plain["balance_source"] == "volume"
    model.cpts_ = tuple(
        _stored_table(column["cpt"], lf, k, adds_up=not by_volume)
        for column, (_, lf), k in zip(plain["columns"], columns, sizes, strict=True)
    )
    model.seen_ = tuple(
        _stored_seen(column["seen"], lf, k) for column, (_, lf), k in zip(plain["columns"], columns, sizes, strict=True)
    )
    model.balance_ = stored_numbers(plain["balance"], "balance", (len(graph.feasible),))
    check_range(model.balance_, "balance", _SHARES)
    check_sums(model.balance_, "balance", 0)
    values = {name: stored_value(name, how, plain[name], {}) for name, how in _SCALARS.items()}
    model.balance_source_, model.log_likelihood_ = values["balance_source"], values["log_likelihood"]
    model.n_iter_, model.converged_ = values["n_iter"], values["converged"]
    return model


def _stored_graph(plain: Mapping[str, Any]) -> TaskGraph:
    """The tasks, their classes and the vectors that can be true."""
    tasks = plain["tasks"]
    if not isinstance(tasks, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in tasks):
        raise DataError(
            f"'tasks' of {_WHAT} must be pairs of a task and its classes, got {shown(tasks)}; fit it again."
        )
    names = check_stored_names([task for task, _ in tasks], "the tasks")
    own = {
        task: check_stored_names(of_task, f"the classes of task {task!r}")
        for task, (_, of_task) in zip(names, tasks, strict=True)
    }
    listed = plain["feasible"] if isinstance(plain["feasible"], list) else []
    feasible = stored_numbers(listed, "feasible", (max(len(listed), 1), len(own)))
    check_range(feasible, "feasible", Stored(number=int))
    for at, (task, of_task) in enumerate(own.items()):
        if feasible[:, at].max() >= len(of_task):
            raise DataError(
                f"'feasible' of {_WHAT} has the class {int(feasible[:, at].max())} of task {task!r}, which has "
                f"{len(of_task)}; fit it again."
            )
    return TaskGraph(own, feasible.astype(np.int8))


def _stored_columns(columns: object, graph: TaskGraph) -> list[Column]:
    """The functions, each with its task."""
    if not isinstance(columns, list) or not columns or not all(isinstance(column, dict) for column in columns):
        raise DataError(f"'columns' of {_WHAT} must be a list of functions, got {shown(columns)}; fit it again.")
    for column in columns:
        check_keys(column, ("task", "lf", "fingerprint", "cpt", "seen"), f"a function of {_WHAT}")
        if column["task"] not in graph.tasks or not isinstance(column["lf"], str):
            raise DataError(
                f"{_WHAT} has the function {shown(column['lf'])} of task {shown(column['task'])}, which it does not "
                "name; fit it again."
            )
    return [(column["task"], column["lf"]) for column in columns]


def _stored_table(value: object, lf: str, k: int, *, adds_up: bool) -> NDArray[np.float64]:
    """P(vote | class, voted) of a function, `(k, k)`; where they do not add up to 1, see `tables.precise_table`."""
    called = f"cpt of {lf}"
    table = stored_numbers(value, called, (k, k))
    check_range(table, called, _SHARES)
    if adds_up:
        check_sums(table, called, 0)
    return table


def task_rows(model: Hierarchical, task: str, fingerprints: Mapping[Column, str] | None = None) -> pl.DataFrame:
    """The rows of one task's label model table, with the whole model in one of them.

    Raises
    ------
    NothingToFit
        If the model was not fitted.
    """
    whole = graph_to_json(model, fingerprints)
    names = model.graph.classes[task]
    rows: list[dict[str, Any]] = [
        {"parameter": "class_balance", "class": name, "value": share}
        for name, share in zip(names, model.balance_of(task), strict=True)
    ]
    own = [(lf, table) for (of, lf), table in zip(model.columns, model.cpts_, strict=True) if of == task]
    for position, (lf, table) in enumerate(own):
        rows.append({"parameter": "lf", "lf": lf, "value": position})
        rows.append({"parameter": "fingerprint", "lf": lf, "text": (fingerprints or {}).get((task, lf))})
        rows += [
            {"parameter": "cpt", "lf": lf, "vote": vote, "class": name, "value": table[v, y]}
            for v, vote in enumerate(names)
            for y, name in enumerate(names)
        ]
    rows.append({"parameter": "n_iter", "value": model.n_iter_})
    rows.append({"parameter": "converged", "value": model.converged_})
    rows.append({"parameter": _WHOLE, "text": whole})
    plain = [{name: float(value) if name == "value" else value for name, value in row.items()} for row in rows]
    return pl.DataFrame([{"kind": model.kind, **row} for row in plain], SCHEMA)


def graph_from_rows(
    rows: pl.DataFrame,
    classes: Mapping[str, Sequence[str]] | None = None,
    lf_names: Mapping[str, Sequence[str]] | None = None,
    fingerprints: Mapping[Column, str] | None = None,
) -> Hierarchical:
    """The model that `task_rows` wrote for any of its tasks; see `graph_from_json`.

    Raises
    ------
    DataError
        If the rows are not those of one model of several tasks.
    """
    check_columns("label model", list(SCHEMA), rows.columns)
    texts = rows.filter(pl.col("parameter") == _WHOLE)["text"].to_list()
    if len(texts) != 1:
        raise DataError(
            f"expected the rows of one label model of several tasks, got {rows.height:,} rows of the kinds "
            f"{sorted(rows['kind'].unique())}; fit it again."
        )
    return graph_from_json(texts[0], classes, lf_names, fingerprints)


def _stored_seen(value: object, lf: str, k: int) -> NDArray[np.bool_]:
    """Which votes a column cast, `(k,)`."""
    name = f"seen of {lf}"
    seen = stored_numbers(value, name, (k,))
    check_range(seen, name, Stored(number=bool))
    return seen.astype(np.bool_)


def _check(
    own: Mapping[str, Sequence[str]],
    columns: Sequence[Mapping[str, Any]],
    classes: Mapping[str, Sequence[str]] | None,
    lf_names: Mapping[str, Sequence[str]] | None,
    fingerprints: Mapping[Column, str],
) -> None:
    if classes is not None:
        differ = [task for task in {**own, **classes} if tuple(own.get(task, ())) != tuple(classes.get(task, ()))]
        if differ:
            raise IncompatibleStatistics(
                f"the label model has other classes of task {differ[0]!r}: {first_few(own.get(differ[0], ()), 12)}, "
                f"expected {first_few(classes.get(differ[0], ()), 12)}; fit it again."
            )
    if lf_names is not None:
        gone = [f"{one['task']}.{one['lf']}" for one in columns if one["lf"] not in lf_names.get(one["task"], ())]
        if gone:
            raise IncompatibleStatistics(f"the label model reads {first_few(gone)}, which do not vote; fit it again.")
    changed = [
        f"{one['task']}.{one['lf']}"
        for one in columns
        if one["fingerprint"] is not None
        and fingerprints.get((one["task"], one["lf"]), one["fingerprint"]) != one["fingerprint"]
    ]
    if changed:
        raise IncompatibleStatistics(f"{first_few(changed)} changed since the label model was fitted; fit it again.")
