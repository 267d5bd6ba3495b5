"""The typed description of a project.

Every default lives here and in `lfconfig`; `conf/base.yaml` says the same with comments, and a test holds them
equal. The module is longer than 300 lines so that what sections ask of each other is found in one place.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from sparkws.checks import check_class_balance, check_label_shares, did_you_mean, first_few
from sparkws.errors import ConfigError
from sparkws.feasible import TaskGraph, graph_of
from sparkws.lfconfig import ExpressionConfig, LFsConfig, VotesConfig
from sparkws.modeloptions import chosen_functions, not_read, refusal
from sparkws.sections import Identifier, Section, SliceName, Text
from sparkws.vocab import MAX_CLASSES, TASK_TABLES

LaneOption = Literal["auto", "direct", "rows"]


class SourceConfig(Section):
    """The items: a table, or a query over several tables."""

    table: str | None = None
    query: str | None = None
    tables: dict[Identifier, str] = {}
    key: Text = "item_id"
    key_expression: Text | None = None
    version: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("give exactly one of 'table' and 'query'")
        if self.tables and self.query is None:
            raise ValueError("'tables' names the tables of a 'query'; for a single table use 'table'")
        if self.version is not None and self.table is None:
            raise ValueError("'version' is of a 'table'; in a query write VERSION AS OF behind the table")
        return self


class GoldConfig(Section):
    """The known classes of some items, and what they are used for."""

    column: str | None = None
    expression: str | None = None
    table: str | None = None
    key: str | None = None
    key_expression: Text | None = None
    split_column: str | None = None
    splits: tuple[str, ...] | None = None
    use: Literal["evaluate", "dev", "clamp"] = "evaluate"

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.column is None) == (self.expression is None):
            raise ValueError("give exactly one of 'column' (class names or indices) and 'expression' (Spark SQL)")
        if self.splits is not None and self.split_column is None:
            raise ValueError("'splits' needs 'split_column'")
        return self


class LabelModelConfig(Section):
    """How votes become probabilities."""

    kind: Literal[
        "auto",
        "majority",
        "weighted",
        "precision",
        "dawid_skene",
        "super_lf",
        "triplet",
        "published_triplet",
        "matrix_completion",
    ] = "auto"
    class_balance: tuple[float, ...] | Literal["estimate", "tensor", "uniform", "dev"] = "estimate"
    abstain: Literal["auto", "outcome", "missing", "published"] = "auto"
    smoothing: Annotated[float, Field(ge=0)] = 10.0
    one_coin: bool = False
    groups: tuple[tuple[str, ...], ...] | Literal["auto"] = "auto"
    max_group: Annotated[int, Field(ge=2)] = 6
    weights: Mapping[str, float] = {}
    precision: Literal["fixed", "learned"] = "fixed"
    one_vs_rest: bool = False
    l2: Annotated[float, Field(ge=0)] = 0.0
    max_iter: Annotated[int, Field(ge=1)] = 1000
    tol: Annotated[float, Field(ge=0)] = 1e-7
    polish: Annotated[int, Field(ge=0)] = 10
    lfs: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    exclude: tuple[str, ...] = ()
    calibrate: bool = False
    bootstrap: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    leave_one_out: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    label_intervals: bool = False
    tie_break_policy: Literal["abstain", "random"] = "abstain"
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0

    @model_validator(mode="after")
    def _reads(self) -> Self:
        unread = not_read(self.kind, [name for name, value in self if value != _DEFAULTS[name]])
        if unread:
            raise ValueError(refusal(self.kind, unread))
        if self.abstain == "published" and self.kind != "matrix_completion":
            raise ValueError(f"abstain: published is for kind: matrix_completion, got {self.kind!r}; take auto")
        if self.kind == "weighted" and self.class_balance == "dev":
            raise ValueError("kind: weighted takes class_balance as shares, tensor or uniform, got 'dev'")
        if self.lfs is not None and set(self.lfs) <= set(self.exclude):
            raise ValueError(f"exclude leaves none of lfs: {first_few(self.lfs)}; at least one function must take part")
        return self


_DEFAULTS = {name: field.get_default() for name, field in LabelModelConfig.model_fields.items()}


def _as_expression(value: object) -> object:
    return {"sql": value} if isinstance(value, str) else value


class TaskConfig(Section):
    """One task: its classes, its votes and its label model."""

    classes: Annotated[tuple[Text, ...], Field(min_length=2, max_length=MAX_CLASSES)]
    multi_label: bool = False
    gold: GoldConfig | None = None
    lfs: LFsConfig | None = None
    votes: VotesConfig | None = None
    slices: dict[SliceName, Annotated[ExpressionConfig, BeforeValidator(_as_expression)]] = {}
    label_model: LabelModelConfig = LabelModelConfig()

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) != len(classes):
            raise ValueError(f"classes must differ, got {list(classes)}")
        return classes

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.lfs is None) == (self.votes is None):
            raise ValueError("give exactly one of 'lfs' (functions to run) and 'votes' (votes made elsewhere)")
        return self

    @model_validator(mode="after")
    def _slices(self) -> Self:
        if self.slices and self.lfs is None:
            raise ValueError(
                f"slices {list(self.slices)} are found in the pass that runs 'lfs', but the task takes its votes from "
                "a table; leave them out"
            )
        if len({name.lower() for name in self.slices}) != len(self.slices):
            raise ValueError(f"names of slices must differ by more than case, got {list(self.slices)}")
        labeled = [name for name, condition in self.slices.items() if condition.label is not None]
        if labeled:
            raise ValueError(f"slice {labeled[0]!r} is a condition and has no label")
        return self

    @model_validator(mode="after")
    def _balance(self) -> Self:
        balance = self.label_model.class_balance
        if isinstance(balance, tuple) and self.multi_label:
            check_label_shares(balance, self.classes)
        elif isinstance(balance, tuple):
            check_class_balance(balance, len(self.classes))
        if balance == "dev" and (self.gold is None or self.gold.use == "evaluate"):
            raise ValueError("class_balance: dev needs gold with use: dev or use: clamp")
        return self

    @model_validator(mode="after")
    def _trust(self) -> Self:
        if self.label_model.calibrate and (self.gold is None or self.gold.use == "evaluate"):
            raise ValueError("label_model.calibrate: true needs gold with use: dev or use: clamp, to learn from")
        if self.label_model.bootstrap == 1:
            raise ValueError("label_model.bootstrap: 1 gives no interval; give at least 2, or 0 for none")
        if self.label_model.label_intervals and (self.label_model.bootstrap, self.label_model.leave_one_out) == (0, 0):
            raise ValueError("label_model.label_intervals: true needs 'bootstrap' or 'leave_one_out' above 0")
        return self

    @model_validator(mode="after")
    def _kind(self) -> Self:
        kind, k = self.label_model.kind, 2 if self.multi_label else len(self.classes)
        if kind == "published_triplet" and k > 2:
            raise ValueError(f"label_model.kind: published_triplet is for two classes, got {k}; take dawid_skene")
        if kind == "triplet" and k > 2 and not self.label_model.one_vs_rest:
            raise ValueError(
                f"label_model.kind: triplet is for two classes, got {k}; take dawid_skene, or set one_vs_rest: true"
            )
        if kind == "dawid_skene" and self.label_model.one_coin and self.label_model.abstain == "outcome":
            raise ValueError("label_model.one_coin: true takes abstaining for missing; leave out abstain: outcome")
        if kind == "weighted" and not self.label_model.weights:
            raise ValueError("label_model.kind: weighted needs weights: a number for each function")
        return self

    @model_validator(mode="after")
    def _named(self) -> Self:
        # The functions of a notebook are told later, as are those of a table all of whose columns are votes.
        if self.votes is not None and self.votes.columns is not None:
            chosen_functions(self.label_model, tuple(self.votes.columns))
        return self

    @model_validator(mode="after")
    def _of_labels(self) -> Self:
        by_column = self.votes is not None and isinstance(self.votes.columns, dict)
        if self.multi_label and self.votes is not None and not by_column:
            raise ValueError(
                "a multi_label task takes votes in format: wide, and 'columns' says on which class each column votes: "
                f"{{ana_1: {self.classes[0]}, ana_2: {self.classes[1]}}}"
            )
        if self.multi_label and self.slices:
            raise ValueError(
                f"slices {list(self.slices)} are of a task where an item has one class, not of multi_label"
            )
        if self.multi_label and self.votes is not None and self.votes.grids:
            raise ValueError("'grids' is for votes with a probability, which a multi_label task does not take")
        if not self.multi_label and by_column:
            raise ValueError("'columns' says on which class each column votes in a task with multi_label: true only")
        against = [] if self.lfs is None else [lf.name for lf in self.lfs.declarative if lf.absent is not None]
        if not self.multi_label and against:
            raise ValueError(f"LF {against[0]!r} says 'absent', which is for a task with multi_label: true")
        return self


# What is asked of a label model in a task graph too.
_OF_ANY = frozenset({"lfs", "exclude", "tie_break_policy", "seed"})


class TaskGraphConfig(Section):
    """Tasks that one model labels together, and which of their classes can be true of an item at once.

    In a tree the classes of a child end with `not_applicable`, which is true where its parent took another branch.
    """

    tasks: Annotated[tuple[Identifier, ...], Field(min_length=2)]
    parents: dict[Identifier, tuple[Identifier, Text]] = {}
    feasible: tuple[tuple[Text, ...], ...] = ()
    not_applicable: Text = "not applicable"
    smoothing: Annotated[float, Field(ge=0)] = 10.0
    max_iter: Annotated[int, Field(ge=1)] = 1000
    tol: Annotated[float, Field(ge=0)] = 1e-7
    bootstrap: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    leave_one_out: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    label_intervals: bool = False
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0

    @model_validator(mode="after")
    def _trust(self) -> Self:
        if self.bootstrap == 1:
            raise ValueError("'bootstrap': 1 gives no interval; give at least 2, or 0 for none")
        if self.label_intervals and (self.bootstrap, self.leave_one_out) == (0, 0):
            raise ValueError("'label_intervals': true needs 'bootstrap' or 'leave_one_out' above 0")
        return self

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if bool(self.parents) == bool(self.feasible):
            raise ValueError(
                "give exactly one of 'parents' (a tree) and 'feasible' (the combinations of classes that can be true)"
            )
        if len(set(self.tasks)) != len(self.tasks):
            raise ValueError(f"tasks must differ, got {list(self.tasks)}")
        return self

    def graph(self, classes: Mapping[str, Sequence[str]]) -> TaskGraph:
        """What can be true together, for tasks of these classes; see `feasible.graph_of`."""
        return graph_of(
            self.tasks,
            classes,
            parents=self.parents,
            feasible=self.feasible,
            not_applicable=self.not_applicable,
        )


def _of_graph(keys: list[str]) -> str:
    """Which keys of a label model are options of a task graph, as the end of a sentence."""
    there = [key for key in keys if key in TaskGraphConfig.model_fields]
    return f", and give {first_few(there)} to the task graph" if there else ""


class EngineConfig(Section):
    """How work is carried."""

    lane: LaneOption = "auto"
    key_check: Literal["changed", "always", "trust"] = "changed"
    task_mib: Annotated[int, Field(ge=1)] = 256
    batch_rows: Annotated[int, Field(ge=1)] = 100_000
    worker_memory_mib: Annotated[int, Field(ge=256)] | None = None
    lock_wait_s: Annotated[float, Field(ge=0)] = 0.0


class SparkConfig(Section):
    """The session that is made where none is running; ignored on Databricks and with a remote."""

    master: str | None = None
    remote: str | None = None
    driver_memory: str = "2g"
    settings: dict[str, str] = {}


class ProjectConfig(Section):
    """A project: items, tasks, and where the tables go."""

    project: Identifier
    workspace: str
    base_dir: str = "."
    source: SourceConfig | None = None
    tasks: Annotated[dict[Identifier, TaskConfig], Field(min_length=1)]
    task_graphs: dict[Identifier, TaskGraphConfig] = {}
    engine: EngineConfig = EngineConfig()
    spark: SparkConfig = SparkConfig()

    @property
    def tables(self) -> list[str]:
        """The tables of the workspace that belong to tasks and task graphs."""
        of_tasks = [f"{task}_{table}" for task in self.tasks for table in TASK_TABLES]
        return [*of_tasks, *(f"{graph}_patterns" for graph in self.task_graphs)]

    @model_validator(mode="after")
    def _distinct_tasks(self) -> Self:
        if len({name.lower() for name in self.tasks}) != len(self.tasks):
            raise ValueError(f"task names must differ by more than case, got {sorted(self.tasks)}")
        return self

    @model_validator(mode="after")
    def _sources(self) -> Self:
        for name, task in self.tasks.items():
            if self.source is None and task.lfs is not None:
                raise ValueError(f"task {name!r} has LFs to run, so the project needs a 'source'")
            if self.source is None and task.gold is not None and task.gold.table is None:
                raise ValueError(f"the gold of task {name!r} needs a 'table', because the project has no 'source'")
        return self

    @model_validator(mode="after")
    def _graphs(self) -> Self:
        graph_of: dict[str, str] = {}
        for name, graph in self.task_graphs.items():
            if name.lower() in {task.lower() for task in self.tasks}:
                raise ValueError(f"task graph {name!r} is called like a task, and so would be its tables; rename it")
            unknown = [task for task in graph.tasks if task not in self.tasks]
            if unknown:
                hint = did_you_mean(unknown[0], self.tasks)
                has = list(self.tasks)
                raise ValueError(f"task graph {name!r} has no task {unknown[0]!r}; the project has {has}.{hint}")
            for task in graph.tasks:
                other = graph_of.setdefault(task, name)
                if other != name:
                    raise ValueError(f"task {task!r} is in the task graphs {other!r} and {name!r}; leave it in one")
                config = self.tasks[task]
                if config.multi_label:
                    raise ValueError(
                        f"task {task!r} of task graph {name!r} is multi_label, but in a graph an item has one class of "
                        "each task; leave it out"
                    )
                of_one = [key for key, value in config.label_model if value != _DEFAULTS[key] and key not in _OF_ANY]
                if of_one:
                    raise ValueError(
                        f"task {task!r} is labeled by the one model of task graph {name!r}, and its label_model has "
                        f"{of_one}; leave out all keys but {sorted(_OF_ANY)}{_of_graph(of_one)}"
                    )
                if config.gold is not None and config.gold.use == "dev":
                    raise ValueError(
                        f"the gold of task {task!r} cannot be used for the class balance, which task graph {name!r} "
                        "estimates from the votes on all its tasks; set gold.use: evaluate or clamp"
                    )
            try:
                graph.graph({task: self.tasks[task].classes for task in graph.tasks})
            except ConfigError as error:
                key = "parents" if graph.parents else "feasible"
                raise ValueError(f"'task_graphs.{name}.{key}': {error}") from None
        return self
