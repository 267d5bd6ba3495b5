"""A project on disk: its tables, its configuration, its modules."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import yaml
from deltalake import DeltaTable, write_deltalake

from tests.soak.functions import HEADER
from tests.soak.hashes import Key
from tests.soak.items import KEY_TYPES, Row, random_keys, random_row, schema_of
from tests.soak.projects import Gold, Project, Task, random_gold, random_model, vote_elsewhere

# What the reference says of them in Python.
FILTER = "SELECT * FROM {items} WHERE count IS NULL OR count >= 0"
GOLD_SQL = "CASE WHEN pos % 4 = 3 THEN 1 WHEN pos % 4 < 2 THEN 0 END"  # no function reads `pos`

Spark = Any  # a session, of either kind

_PLAIN = pl.CompatLevel.oldest()


def fill(project: Project, rng: Random, spark: Spark) -> None:
    """Give the source 0 to 400 rows in 1 to 6 files, and each task its crowd, its gold and its model."""
    project.folder.mkdir(parents=True)
    keys = random_keys(rng, project.key_type)
    n_files = rng.randrange(1, 7)
    for file in range(n_files):
        n = rng.choice((0, 1, rng.randrange(20), rng.randrange(67)))
        # The last one has the newer column, so that functions may read it.
        is_last = file == n_files - 1
        append_rows(project, rng, [next(keys) for _ in range(n)], with_late=is_last or rng.random() < 0.6, spark=None)
    if project.is_hidden:
        spark.sql(f"ALTER TABLE delta.`{project.items}` SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    if project.way == "name" or project.in_catalog:
        spark.sql(f"CREATE SCHEMA {project.schema_name}")
    if project.way == "name":
        spark.sql(f"CREATE TABLE {project.schema_name}.items USING delta LOCATION '{project.items}'")
    for task in project.tasks:
        if task.crowd is not None:
            own = [row["id"] for row in project.rows if rng.random() < 0.8]
            strangers = [key for key, _ in zip(keys, range(rng.randrange(5)), strict=False)]
            vote_elsewhere(task, rng, [*own, *strangers])
            write_crowd(project, task)
        task.gold = random_gold(project, task, rng)
        write_gold(project, task)
        task.model = random_model(task, rng)
    write_config(project)


def append_rows(project: Project, rng: Random, keys: Sequence[Key], *, with_late: bool, spark: Spark | None) -> None:
    """Append one commit of random rows; with a session Spark writes it."""
    truths = {task.truth: task.classes for task in project.tasks}
    rows = [random_row(rng, key, project.next_pos + i, truths, with_late=with_late) for i, key in enumerate(keys)]
    project.next_pos += len(rows)
    project.rows = [*project.rows, *rows]
    schema = schema_of(project.key_type, with_late=with_late)
    table = pl.DataFrame(rows, schema_of(project.key_type)).select(schema.names()).to_arrow(compat_level=_PLAIN)
    if spark is not None and rows:
        spark.createDataFrame(table).write.format("delta").mode("append").save(str(project.items))
    elif spark is None:
        partitions = ["part"] if project.is_partitioned else None
        write_deltalake(str(project.items), table, mode="append", partition_by=partitions, schema_mode="merge")


def write_config(project: Project) -> None:
    """Write the configuration, the modules and the files of lookups anew."""
    for task in project.tasks:
        coded = [f.code for f in task.lfs if f.code]
        (project.folder / f"{task.name}.py").write_text(HEADER + "".join(coded), encoding="utf-8")
        for name, text in (pair for f in task.lfs for pair in f.files.items()):
            (project.folder / name).write_text(text, encoding="utf-8")
    source: dict[str, Any] = {"table": "./items"}
    if project.way == "name":
        source = {"table": f"{project.schema_name}.items"}
    elif project.way == "query":
        source = {"query": FILTER, "tables": {"items": "./items"}}
    config = {
        "project": "soak",
        "workspace": project.schema_name if project.in_catalog else "./tables",
        "source": {**source, "key": "id"},
        "tasks": {task.name: _task_config(task) for task in project.tasks},
        "engine": project.engine,
    }
    project.config.write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), encoding="utf-8")


def write_crowd(project: Project, task: Task) -> None:
    """Replace the crowd's table."""
    crowd = task.crowd
    if crowd is None:
        return
    said = pl.Int32() if crowd.is_numeric else pl.String()
    columns: dict[str, pl.DataType] = {"item": KEY_TYPES[project.key_type]}
    if crowd.format == "wide":
        columns |= dict.fromkeys(crowd.workers, said)
    else:
        columns |= {"worker": pl.String(), "answer": said}
    _replace(project.folder / f"{task.name}_crowd", crowd.rows, columns)


def write_gold(project: Project, task: Task) -> None:
    """Replace the table of known classes."""
    if task.gold is not None and task.gold.way == "table":
        columns = {"thing": KEY_TYPES[project.key_type], "label": pl.String(), "fold": pl.String()}
        _replace(project.folder / f"{task.name}_known", task.gold.rows, columns)


def source_of(project: Project) -> DeltaTable:
    """The source as delta-rs opens it."""
    return DeltaTable(str(project.items))


def unused_keys(project: Project, rng: Random) -> Iterator[Key]:
    """Keys that no row has."""
    taken = {row["id"] for row in project.rows}
    return (key for key in random_keys(rng, project.key_type) if key not in taken)


def forget(project: Project, spark: Spark) -> None:
    """Remove what a project left on disk and in the catalog."""
    if project.way == "name" or project.in_catalog:
        spark.sql(f"DROP SCHEMA {project.schema_name} CASCADE")
    shutil.rmtree(project.folder)


def _task_config(task: Task) -> dict[str, Any]:
    config: dict[str, Any] = {"classes": task.classes, "label_model": task.model}
    if task.functions is not None:
        declared = [dict(f.declarative) for f in task.lfs if f.declarative is not None]
        modules = [f"{task.name}.py"] if any(f.code for f in task.lfs) else []
        faults = {"on_fault": task.on_fault, "max_fault_rate": task.max_fault_rate}
        config["lfs"] = {"modules": modules, "declarative": declared, **faults}
    if task.crowd is not None:
        table = f"./{task.name}_crowd"
        config["votes"] = {"table": table, "format": task.crowd.format, "key": "item", "mapping": task.crowd.mapping}
        if task.crowd.format == "long":
            config["votes"] |= {"lf_column": "worker", "vote_column": "answer"}
    if task.gold is not None:
        config["gold"] = _gold_config(task, task.gold)
    return config


def _gold_config(task: Task, gold: Gold) -> dict[str, Any]:
    split_column = "fold" if gold.way == "table" else "split"
    config: dict[str, Any] = {"use": gold.use, "split_column": split_column, "splits": gold.splits}
    if gold.way == "column":
        config["column"] = task.truth
    elif gold.way == "expression":
        config["expression"] = GOLD_SQL
    else:
        config |= {"table": f"./{task.name}_known", "key": "thing", "column": "label"}
    return config


def _replace(folder: Path, rows: list[Row], columns: dict[str, pl.DataType]) -> None:
    table = pl.DataFrame(rows, pl.Schema(columns)).to_arrow(compat_level=_PLAIN)
    write_deltalake(str(folder), table, mode="overwrite", schema_mode="overwrite")
