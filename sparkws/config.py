"""The typed description of a project.

Every default lives here; `conf/base.yaml` says the same with comments, and a test holds them equal. The
module is longer than 300 lines so that every key of a project file is found in one place.
"""

from collections.abc import Mapping
from datetime import date
from functools import partial
from math import inf
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from sparkws.checks import check_class_balance, check_label_shares, did_you_mean
from sparkws.grids import settled
from sparkws.vocab import MAX_CLASSES, TASK_TABLES

# LF and task names become column and table names, which Delta without column mapping restricts.
IDENTIFIER = r"^[A-Za-z_][A-Za-z0-9_]*$"
# With what is put behind it, it must stay a name that a file system takes.
Identifier = Annotated[str, Field(pattern=IDENTIFIER, max_length=200)]
SliceName = Annotated[str, Field(pattern=IDENTIFIER, max_length=190)]


def _not_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"got {value}: YAML reads unquoted yes, no, on, off, true and false as such; quote it")
    return value


# Never a boolean or a float, which would pass for the index 0 or 1.
Label = Annotated[StrictStr | StrictInt, BeforeValidator(_not_boolean)]
Text = Annotated[str, Field(min_length=1), BeforeValidator(_not_boolean)]
LaneOption = Literal["auto", "direct", "rows"]
Normalization = Literal["lower", "strip_punctuation", "collapse_whitespace"]


# Of two classes P(class of index 1), else vectors over the classes: see `sparkws.grids`.
Grid = Annotated[Any, BeforeValidator(partial(settled, "a soft vote"))]


def _as_tuple(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


class Section(BaseModel):
    """A part of the configuration: immutable, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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


class KeywordConfig(Section):
    """Votes when the text contains any of some words."""

    column: str
    any: Annotated[tuple[Text, ...], Field(min_length=1)]
    match: Literal["word", "substring"] = "word"
    case_sensitive: bool = False
    label: Label


class RegexConfig(Section):
    """Votes when a regular expression (Rust syntax, linear time) is found in the text."""

    column: str
    pattern: Text
    case_sensitive: bool = True
    label: Label


class LookupConfig(Section):
    """Votes what a table says of a value: given here, in a CSV file with the columns value and class, or in Delta.

    A Delta table is joined by Spark: `key` names its columns, `label_column` holds what it says, and with `label`
    every match votes the same.
    """

    column: Text | Annotated[tuple[Text, ...], Field(min_length=1)]
    values: dict[Label, Label] = {}
    file: str | None = None
    table: str | None = None
    key: Text | Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    label_column: Text | None = None
    label: Label | None = None
    version: Annotated[int, Field(ge=0)] | None = None
    symmetric: bool = False
    join: Literal["auto", "broadcast", "shuffle"] = "auto"
    normalize: tuple[Normalization, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the source that are looked up together."""
        return _as_tuple(self.column)

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns of the table that they are compared with, in their order."""
        return self.columns if self.key is None else _as_tuple(self.key)

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if bool(self.values) + (self.file is not None) + (self.table is not None) != 1:
            raise ValueError("give exactly one of 'values', 'file' and 'table'")
        return self

    @model_validator(mode="after")
    def _of_a_table(self) -> Self:
        if self.table is None:
            for option in ("key", "label_column", "label", "version", "symmetric", "join"):
                if getattr(self, option) != type(self).model_fields[option].default:
                    raise ValueError(f"{option!r} is of a lookup in a 'table'")
            if len(self.columns) > 1:
                raise ValueError(f"several columns {list(self.columns)} are looked up in a 'table' only")
            return self
        if (self.label_column is None) == (self.label is None):
            raise ValueError("give exactly one of 'label_column' (of the table) and 'label' (of every match)")
        if len(self.keys) != len(self.columns):
            raise ValueError(f"'key' names {list(self.keys)} for the columns {list(self.columns)}; give one for each")
        if self.symmetric and len(self.columns) != 2:
            raise ValueError(f"'symmetric' is of a pair of columns, got {list(self.columns)}")
        return self


class ThresholdConfig(Section):
    """Votes when a number lies within all given bounds."""

    column: str
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    label: Label

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if all(bound is None for bound in (self.above, self.at_least, self.below, self.at_most)):
            raise ValueError("give at least one of 'above', 'at_least', 'below' and 'at_most'")
        lowest = max(bound for bound in (self.above, self.at_least, -inf) if bound is not None)
        highest = min(bound for bound in (self.below, self.at_most, inf) if bound is not None)
        if lowest > highest:
            raise ValueError(f"no number is above {lowest:g} and below {highest:g}")
        return self


class ExpressionConfig(Section):
    """Votes `label` where a SQL condition holds, or, without `label`, what the expression gives.

    With a `grid` it gives a probability, and votes the nearest cell. The dialect says who evaluates it: polars
    beside the data, or Spark, from which the items then come.
    """

    sql: str
    dialect: Literal["polars", "spark"] = "polars"
    label: Label | None = None
    grid: Grid | None = None

    @model_validator(mode="after")
    def _one_vote(self) -> Self:
        if self.label is not None and self.grid is not None:
            raise ValueError("an expression with a 'grid' gives a probability, so it has no 'label'; give one of them")
        return self


class ExampleConfig(Section):
    """An item and what a labeling function must vote on it: a class by name or index, or -1.

    In a multi-label task also a list of classes, or true or false for some.
    """

    row: dict[str, Any]
    vote: Label | tuple[Label, ...] | dict[Label, bool]


class DeclarativeLFConfig(Section):
    """A labeling function written as configuration: a name and exactly one kind."""

    name: Identifier
    keyword: KeywordConfig | None = None
    regex: RegexConfig | None = None
    lookup: LookupConfig | None = None
    threshold: ThresholdConfig | None = None
    expression: ExpressionConfig | None = None
    absent: bool | None = None
    examples: tuple[ExampleConfig, ...] = ()
    owner: str | None = None
    source: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None

    @property
    def kind(self) -> str:
        """The name of the one kind that is given."""
        return next(kind for kind in DECLARATIVE_KINDS if getattr(self, kind) is not None)

    @model_validator(mode="after")
    def _dates(self) -> Self:
        if self.valid_from is not None and self.valid_to is not None and self.valid_from > self.valid_to:
            raise ValueError(f"LF {self.name!r} is valid from {self.valid_from}, after its end {self.valid_to}")
        return self

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in DECLARATIVE_KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"LF {self.name!r} needs exactly one of {list(DECLARATIVE_KINDS)}, got {given}")
        return self


DECLARATIVE_KINDS = ("keyword", "regex", "lookup", "threshold", "expression")


class LFsConfig(Section):
    """Where the labeling functions are and what happens when one raises."""

    modules: tuple[str, ...] = ()
    declarative: tuple[DeclarativeLFConfig, ...] = ()
    on_fault: Literal["quarantine", "fail"] = "quarantine"
    max_fault_rate: Annotated[float, Field(ge=0, le=1)] = 0.01
    time_limit_s: Annotated[float, Field(ge=0.01)] | None = 60.0

    @field_validator("declarative")
    @classmethod
    def _unique(cls, lfs: tuple[DeclarativeLFConfig, ...]) -> tuple[DeclarativeLFConfig, ...]:
        names = [lf.name.lower() for lf in lfs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"LF names must differ by more than case: {twice}")
        return lfs


class VotesConfig(Section):
    """Votes made elsewhere: a column for each LF (wide) or a row for each vote (long).

    In a multi-label task `columns` says of each column on which class it votes.
    """

    table: str
    format: Literal["wide", "long"] = "wide"
    key: str = "item_id"
    columns: tuple[str, ...] | dict[str, Label] | None = None
    lf_column: str | None = None
    vote_column: str | None = None
    mapping: dict[Label, Label] = {}
    grids: dict[str, Grid] = {}

    @model_validator(mode="after")
    def _long(self) -> Self:
        named = self.lf_column is not None and self.vote_column is not None
        if self.format == "long" and not named:
            raise ValueError("a long votes table needs 'lf_column' and 'vote_column'")
        if self.format == "wide" and (self.lf_column or self.vote_column):
            raise ValueError("'lf_column' and 'vote_column' are for format: long")
        if self.format == "long" and self.columns is not None:
            raise ValueError("'columns' is for format: wide")
        if self.format == "long" and self.grids:
            raise ValueError("'grids' is for format: wide, where a column holds the probabilities of one function")
        if self.columns is not None and set(self.grids) - set(self.columns):
            raise ValueError(f"'grids' names {sorted(set(self.grids) - set(self.columns))}, which are not in 'columns'")
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
    abstain: Literal["auto", "outcome", "missing"] = "auto"
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
        if (kind == "weighted") != bool(self.label_model.weights):
            raise ValueError("label_model.kind: weighted, and no other, needs weights: a number for each function")
        return self

    @model_validator(mode="after")
    def _of_labels(self) -> Self:
        by_column = self.votes is not None and isinstance(self.votes.columns, dict)
        if self.multi_label and self.votes is not None and not by_column:
            raise ValueError(
                "a multi_label task takes votes in format: wide, and 'columns' says on which class each column votes: "
                f"{{ana_1: {self.classes[0]}, ana_2: {self.classes[1]}}}"
            )
        if self.multi_label and self.label_model.label_intervals:
            raise ValueError(
                "label_model.label_intervals is for tasks where an item has one class, not for multi_label"
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


_DEFAULTS = {name: field.get_default() for name, field in LabelModelConfig.model_fields.items()}
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

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if bool(self.parents) == bool(self.feasible):
            raise ValueError(
                "give exactly one of 'parents' (a tree) and 'feasible' (the combinations of classes that can be true)"
            )
        if len(set(self.tasks)) != len(self.tasks):
            raise ValueError(f"tasks must differ, got {list(self.tasks)}")
        return self


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
                        f"{of_one}; leave out all keys but {sorted(_OF_ANY)}"
                    )
                if config.label_model.calibrate or config.label_model.label_intervals:
                    raise ValueError(
                        f"task {task!r} is labeled by the one model of task graph {name!r}, which has no "
                        "label_model.calibrate and no label_model.label_intervals yet; leave them out"
                    )
                if config.gold is not None and config.gold.use == "dev":
                    raise ValueError(
                        f"the gold of task {task!r} cannot be used for the class balance, which task graph {name!r} "
                        "estimates from the votes on all its tasks; set gold.use: evaluate or clamp"
                    )
        return self
