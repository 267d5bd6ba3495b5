"""A random small project: what is in its tables and its configuration as plain values, and both as files."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import yaml
from deltalake import DeltaTable, write_deltalake

from tests.soak.functions import HEADER, Function, random_function
from tests.soak.hashes import Key
from tests.soak.items import KEY_TYPES, SPLITS, Row, random_keys, random_row, schema_of

CLASSES = ("ham", "spam", "it's", "ü x", "1", "Ham")
WORKERS = ("ann", "Ann", "ANN", "a b", "a-b", "12", "gold", "ü", "_", "lf_12", "x" * 60)
FILTER = "SELECT * FROM {items} WHERE count IS NULL OR count >= 0"
Spark = Any  # a session, of either kind


@dataclass
class Gold:
    """Where known classes come from, and what they are for; `rows` are those of a table of its own."""

    way: str
    use: str
    splits: list[str] | None = None
    rows: list[Row] = field(default_factory=list)


@dataclass
class Crowd:
    """Votes made elsewhere: numbers or text, a column for each worker or a row for each vote."""

    format: str
    is_numeric: bool
    mapping: dict[str | int, str | int]
    workers: list[str]
    rows: list[Row] = field(default_factory=list)


@dataclass
class Task:
    """A task: either functions or a crowd votes."""

    name: str
    classes: list[str]
    functions: list[Function] | None
    crowd: Crowd | None
    gold: Gold | None
    model: dict[str, Any]
    max_fault_rate: float = 0.3

    @property
    def truth(self) -> str:
        """The source's column of known classes."""
        return f"truth_{self.name[-1]}"

    @property
    def lfs(self) -> list[Function]:
        """The functions in the order of their columns: those of modules come before declarative ones."""
        functions = self.functions or []
        return [*(f for f in functions if f.code), *(f for f in functions if not f.code)]


@dataclass
class Project:
    """All of a project; `rows` are those of its source."""

    seed: int
    folder: Path
    key_type: str
    way: str
    is_partitioned: bool
    is_hidden: bool
    in_catalog: bool
    engine: dict[str, Any]
    tasks: list[Task] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    next_pos: int = 0
    next_name: int = 0

    @property
    def config(self) -> Path:
        """The configuration's file."""
        return self.folder / "project.yaml"

    @property
    def items(self) -> Path:
        """The source's folder."""
        return self.folder / "items"

    @property
    def schema_name(self) -> str:
        """The schema of the catalog that the project uses, if it uses one."""
        return f"soak_{self.seed}"

    @property
    def source_rows(self) -> list[Row]:
        """The rows that the source gives: the query leaves some out."""
        if self.way != "query":
            return self.rows
        return [row for row in self.rows if row["count"] is None or row["count"] >= 0]


def random_project(seed: int, folder: Path, rng: Random, *, only_folders: bool = False) -> Project:
    """A project without rows yet; with `only_folders` nothing of it is in a catalog."""
    way = rng.choice(("path", "path", "path", "query", "path" if only_folders else "name"))
    is_hidden = way == "path" and rng.random() < 0.15
    task_names = ["task_a", "task_b"][: rng.randrange(1, 3)]
    project = Project(
        seed=seed,
        folder=folder,
        key_type=rng.choice(tuple(KEY_TYPES)),
        way=way,
        is_partitioned=rng.random() < 0.3,
        is_hidden=is_hidden,
        in_catalog=not only_folders and rng.random() < 0.15,
        engine={},
    )
    for name in task_names:
        classes = rng.sample(CLASSES, rng.randrange(2, 5))
        votes_elsewhere = rng.random() < 0.3
        task = Task(name, classes, None if votes_elsewhere else [], None, None, {})
        if votes_elsewhere:
            task.crowd = _random_crowd(rng, classes)
        else:
            task.functions = [new_function(project, rng, task) for _ in range(rng.randrange(1, 9))]
        project.tasks.append(task)
    project.engine = random_engine(rng, project)
    return project


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


def new_function(project: Project, rng: Random, task: Task) -> Function:
    """One more function, of a name that the project never had."""
    project.next_name += 1
    return random_function(rng, f"lf_{project.next_name}", task.classes)


def random_engine(rng: Random, project: Project) -> dict[str, Any]:
    """How work is carried; the direct lane is forced only where it is open."""
    pivots = any(task.crowd is not None and task.crowd.format == "long" for task in project.tasks)
    closed = pivots or project.is_hidden or project.way == "query" or project.in_catalog
    return {
        "lane": rng.choice(("auto", "rows") if closed else ("auto", "direct", "rows")),
        "key_check": rng.choice(("changed", "changed", "always", "trust")),
        "task_mib": 1,
        "batch_rows": rng.choice((1, 7, 100_000, 100_000)),
    }


def random_model(task: Task, rng: Random) -> dict[str, Any]:
    """Options of the label model, such that naive EM ends soon."""
    shares = [rng.randrange(1, 10) for _ in task.classes]
    balances: list[Any] = ["estimate", "estimate", "uniform", [share / sum(shares) for share in shares]]
    if task.gold is not None and task.gold.use != "evaluate":
        balances.append("dev")
    return {
        "kind": rng.choice(("majority", "dawid_skene", "dawid_skene")),
        "class_balance": rng.choice(balances),
        "abstain": rng.choice(("outcome", "missing")),
        "smoothing": rng.choice((0.0, 0.5, 10.0)),
        "max_iter": rng.randrange(1, 6),
        "tol": 0.0,
        "tie_break_policy": rng.choice(("abstain", "random")),
        "seed": rng.choice((0, 1, 2**63 - 1)),
    }


def random_gold(project: Project, task: Task, rng: Random) -> Gold | None:
    """Known classes from a column, an expression or a table; or none."""
    if rng.random() < 0.3:
        return None
    way = rng.choice(("column", "expression", "table"))
    splits = rng.choice((None, None, ["dev"], list(SPLITS)))
    gold = Gold(way, rng.choice(("evaluate", "dev", "clamp")), splits)
    if way == "table":
        keys = [row["id"] for row in project.rows if rng.random() < 0.5]
        gold.rows = [
            {"thing": key, "label": rng.choice((None, *task.classes)), "fold": rng.choice((None, *SPLITS))}
            for key in keys
        ]
    return gold


def vote_elsewhere(task: Task, rng: Random, keys: Sequence[Key]) -> None:
    """Add the crowd's answers about items that it was not asked about before."""
    crowd = task.crowd
    assert crowd is not None
    known = list(crowd.mapping) if crowd.mapping else []
    if crowd.is_numeric:
        answers: list[Any] = [None, -1, *(known or range(len(task.classes)))]
    else:
        answers = [None, *task.classes, *known]
    for key in keys:
        if crowd.format == "wide":
            crowd.rows.append({"item": key, **{worker: rng.choice(answers) for worker in crowd.workers}})
            continue
        asked = [worker for worker in crowd.workers if rng.random() < 0.7]
        crowd.rows += [{"item": key, "worker": worker, "answer": rng.choice(answers)} for worker in asked]


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
        config["lfs"] = {"modules": modules, "declarative": declared, "max_fault_rate": task.max_fault_rate}
    if task.crowd is not None:
        table = f"./{task.name}_crowd"
        config["votes"] = {"table": table, "format": task.crowd.format, "key": "item", "mapping": task.crowd.mapping}
        if task.crowd.format == "long":
            config["votes"] |= {"lf_column": "worker", "vote_column": "answer"}
    if task.gold is not None:
        config["gold"] = _gold_config(task, task.gold)
    return config


GOLD_SQL = "CASE WHEN count >= 3 THEN 1 WHEN count < 2 THEN 0 END"


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


def _random_crowd(rng: Random, classes: Sequence[str]) -> Crowd:
    is_numeric = rng.random() < 0.5
    mapping: dict[str | int, str | int] = {}
    if rng.random() < 0.5:
        mapping = {7: classes[0], 8: 1, 9: -1} if is_numeric else {"S!": classes[0], "": -1, "9": 1}
    if rng.random() < 0.7:
        return Crowd("long", is_numeric, mapping, rng.sample(WORKERS, rng.randrange(2, 8)))
    many = [f"w{i}" for i in range(45)]  # more than one integer of packed votes holds
    workers = rng.choice((["w-1", "w.1", "w_1"], ["lf_a", "Gold", "b"], many))
    return Crowd("wide", is_numeric, mapping, workers)


_PLAIN = pl.CompatLevel.oldest()


def _replace(folder: Path, rows: list[Row], columns: dict[str, pl.DataType]) -> None:
    table = pl.DataFrame(rows, pl.Schema(columns)).to_arrow(compat_level=_PLAIN)
    write_deltalake(str(folder), table, mode="overwrite", schema_mode="overwrite")


def source_of(project: Project) -> DeltaTable:
    """The source as delta-rs opens it."""
    return DeltaTable(str(project.items))


def unused_keys(project: Project, rng: Random) -> Iterator[Key]:
    """Keys that no row has."""
    taken = {row["id"] for row in project.rows}
    return (key for key in random_keys(rng, project.key_type) if key not in taken)
