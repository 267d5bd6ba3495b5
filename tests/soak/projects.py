"""A random small project: what is in its tables and its configuration, as plain values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.soak.functions import Function, random_function
from tests.soak.hashes import Key
from tests.soak.items import KEY_TYPES, SPLITS, Row

CLASSES = ("ham", "spam", "it's", "ü x", "1", "Ham")
WORKERS = ("ann", "Ann", "ANN", "a b", "a-b", "12", "gold", "ü", "_", "lf_12", "x" * 60)


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
    on_fault: str = "quarantine"
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
            task.on_fault = rng.choice(("quarantine",) * 9 + ("fail",))
            task.functions = [new_function(project, rng, task) for _ in range(rng.randrange(1, 9))]
        project.tasks.append(task)
    project.engine = random_engine(rng, project)
    return project


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
    options = {
        "kind": rng.choice(("majority", "dawid_skene", "dawid_skene")),
        "class_balance": rng.choice(balances),
        "abstain": rng.choice(("outcome", "missing")),
        "smoothing": rng.choice((0.0, 0.5, 10.0)),
        "max_iter": rng.randrange(1, 6),
        "tol": 0.0,
        # The reference does not draw items as numpy does.
        "bootstrap": 0,
        "leave_one_out": 0,
        "tie_break_policy": rng.choice(("abstain", "random")),
        "seed": rng.choice((0, 1, 2**63 - 1)),
    }
    # What majority vote does not read is refused; drawn above all the same, so that a seed stays one project.
    unread = ("class_balance", "abstain", "smoothing", "max_iter", "tol") if options["kind"] == "majority" else ()
    return {name: value for name, value in options.items() if name not in unread}


def random_gold(project: Project, task: Task, rng: Random) -> Gold | None:
    """Known classes from a column, an expression or a table; or none."""
    if rng.random() < 0.15:
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
