"""What somebody does to a project between two runs: to its rows, its functions, its options."""

from collections.abc import Callable
from random import Random
from typing import Any

from tests.soak.files import (
    Spark,
    append_rows,
    source_of,
    unused_keys,
    write_config,
    write_crowd,
    write_gold,
)
from tests.soak.projects import Project, new_function, random_engine, random_gold, random_model, vote_elsewhere

# What a run after the edit does: everything may run; nothing; no votes are made anew.
ANYTHING, NOTHING, NO_VOTES = "anything", "nothing", "no votes"


def edit(project: Project, rng: Random, spark: Spark) -> tuple[str, str]:
    """Change a project at random; gives what was done, and what a run does after it."""
    chosen = rng.choice(_EDITS)
    effect = chosen(project, rng, spark)
    write_config(project)
    return chosen.__name__.removeprefix("_"), effect


def spoil_keys(project: Project, rng: Random) -> Callable[[], None]:
    """Append a row whose key is there already, or NULL; gives what takes it away again."""
    twice = bool(project.source_rows) and rng.random() < 0.5
    key: Any = rng.choice(project.source_rows)["id"] if twice else None
    rows = project.rows
    pos = project.next_pos
    append_rows(project, rng, [key], with_late=True, spark=None)

    def mend() -> None:
        source_of(project).delete(f"pos = {pos}")
        project.rows = rows

    return mend


def _nothing(project: Project, rng: Random, spark: Spark) -> str:
    return NOTHING


def _how_work_is_carried(project: Project, rng: Random, spark: Spark) -> str:
    project.engine = random_engine(rng, project)
    return NOTHING


def _rows_appended(project: Project, rng: Random, spark: Spark) -> str:
    keys = unused_keys(project, rng)
    n = rng.choice((0, 1, rng.randrange(60)))
    own = spark if project.is_hidden else None
    append_rows(project, rng, [next(keys) for _ in range(n)], with_late=rng.random() < 0.7, spark=own)
    return ANYTHING


def _rows_deleted(project: Project, rng: Random, spark: Spark) -> str:
    share = rng.choice((0.1, 0.5, 1.0))
    gone = [row["pos"] for row in project.rows if rng.random() < share]
    if gone:
        _change(project, spark, f"DELETE FROM {{}} WHERE pos IN ({', '.join(map(str, gone))})")
        project.rows = [row for row in project.rows if row["pos"] not in set(gone)]
    return ANYTHING


def _rows_updated(project: Project, rng: Random, spark: Spark) -> str:
    chosen = {row["pos"] for row in project.rows if rng.random() < 0.3}
    if chosen:
        _change(project, spark, f"UPDATE {{}} SET count = 4 WHERE pos IN ({', '.join(map(str, chosen))})")
        project.rows = [{**row, "count": 4} if row["pos"] in chosen else row for row in project.rows]
    return ANYTHING


def _files_compacted(project: Project, rng: Random, spark: Spark) -> str:
    if project.is_hidden or rng.random() < 0.5:
        spark.sql(f"OPTIMIZE delta.`{project.items}`")
    else:
        source_of(project).optimize.compact()
    return ANYTHING


def _files_rearranged(project: Project, rng: Random, spark: Spark) -> str:
    if project.is_hidden:
        spark.sql(f"OPTIMIZE delta.`{project.items}` ZORDER BY (pos)")
    else:
        source_of(project).optimize.z_order(["count"])
    return ANYTHING


def _functions_changed(project: Project, rng: Random, spark: Spark) -> str:
    task = rng.choice(project.tasks)
    if task.functions is None:
        return NOTHING
    at = rng.randrange(len(task.functions))
    kind = rng.choice(("changed", "added", "removed", "in another order"))
    others = [f for i, f in enumerate(task.functions) if i != at]
    if kind == "added" or (kind == "removed" and not others):
        task.functions = [*task.functions, new_function(project, rng, task)]
    elif kind == "removed":
        task.functions = others
    elif kind == "changed":
        task.functions = [*others[:at], new_function(project, rng, task), *others[at:]]
    else:
        task.functions = rng.sample(task.functions, len(task.functions))
    return ANYTHING


def _model_changed(project: Project, rng: Random, spark: Spark) -> str:
    task = rng.choice(project.tasks)
    task.model = random_model(task, rng)
    task.max_fault_rate = rng.choice((0.0, 0.1, 0.3, 1.0))
    return NO_VOTES


def _faults_taken_otherwise(project: Project, rng: Random, spark: Spark) -> str:
    task = rng.choice(project.tasks)
    task.on_fault = "fail" if task.on_fault == "quarantine" else "quarantine"
    return ANYTHING


def _gold_changed(project: Project, rng: Random, spark: Spark) -> str:
    task = rng.choice(project.tasks)
    task.gold = random_gold(project, task, rng)
    write_gold(project, task)
    if task.model.get("class_balance") == "dev" and (task.gold is None or task.gold.use == "evaluate"):
        task.model = {**task.model, "class_balance": "uniform"}
    return NO_VOTES


def _classes_in_another_order(project: Project, rng: Random, spark: Spark) -> str:
    task = rng.choice(project.tasks)
    task.classes = rng.sample(task.classes, len(task.classes))
    return ANYTHING


def _crowd_asked_again(project: Project, rng: Random, spark: Spark) -> str:
    task = rng.choice(project.tasks)
    if task.crowd is None:
        return NOTHING
    if rng.random() < 0.5:
        task.crowd.rows = [row for row in task.crowd.rows if rng.random() < 0.8]
    answered = {row["item"] for row in task.crowd.rows}
    vote_elsewhere(task, rng, [row["id"] for row in project.rows if row["id"] not in answered and rng.random() < 0.5])
    write_crowd(project, task)
    return ANYTHING


def _change(project: Project, spark: Spark, statement: str) -> None:
    """Delete or update rows: Spark where the table hides rows, else delta-rs."""
    if project.is_hidden:
        spark.sql(statement.format(f"delta.`{project.items}`"))
        return
    where = statement.partition(" WHERE ")[2]
    if statement.startswith("DELETE"):
        source_of(project).delete(where)
    else:
        source_of(project).update(predicate=where, updates={"count": "4"})


_EDITS: tuple[Callable[[Project, Random, Spark], str], ...] = (
    _nothing,
    _how_work_is_carried,
    _rows_appended,
    _rows_appended,
    _rows_deleted,
    _rows_updated,
    _files_compacted,
    _files_rearranged,
    _functions_changed,
    _functions_changed,
    _functions_changed,
    _model_changed,
    _model_changed,
    _faults_taken_otherwise,
    _gold_changed,
    _classes_in_another_order,
    _crowd_asked_again,
)
