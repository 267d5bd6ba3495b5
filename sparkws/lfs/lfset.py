"""Sets of labeling functions: what a task votes with."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from sparkws.checks import did_you_mean, first_few
from sparkws.errors import ConfigError, InvalidFunction
from sparkws.grids import Grids, bind_cells, cell_texts, grid_text
from sparkws.lfconfig import DeclarativeLFConfig, LFsConfig
from sparkws.lfs.ballots import ballots_of, vote_columns
from sparkws.lfs.declarative import Rule, make_rule, only_spark
from sparkws.lfs.frames import as_frame
from sparkws.lfs.function import LabelingFunction
from sparkws.lfs.modules import load_modules
from sparkws.lfs.preprocess import Preprocessor
from sparkws.vocab import ITEM_ID


@dataclass(frozen=True, eq=False)
class LFSet:
    """Labeling functions in the order of their columns; their names differ by more than case.

    Raises
    ------
    ConfigError
        If two functions have the same name.
    InvalidFunction
        If anything else than a labeling function is among them.

    Examples
    --------
    >>> from sparkws.lfs import labeling_function
    >>> @labeling_function
    ... def lf_link(x):
    ...     return "spam" if "http" in x.text else -1
    >>> lfs = LFSet([lf_link])
    >>> lfs.names, lfs.columns
    (('lf_link',), ('text',))
    >>> lfs.apply(pl.DataFrame({"text": ["http://a", "hi"]}), classes=("ham", "spam"))["lf_link"].to_list()
    [1, -1]
    """

    lfs: Sequence[LabelingFunction]

    def __post_init__(self) -> None:
        lfs = tuple(self.lfs)
        strangers = [lf for lf in lfs if not isinstance(lf, LabelingFunction)]
        if strangers:
            raise InvalidFunction(
                f"an LF set holds labeling functions, got {strangers[0]!r}; decorate it with @labeling_function."
            )
        names = [lf.name for lf in lfs]
        times = Counter(name.lower() for name in names)
        twice = [name for name in names if times[name.lower()] > 1]
        if twice:
            raise ConfigError(f"names of labeling functions must differ by more than case, got {first_few(twice)}.")
        object.__setattr__(self, "lfs", lfs)

    @property
    def names(self) -> tuple[str, ...]:
        """The names in order."""
        return tuple(lf.name for lf in self.lfs)

    @property
    def columns(self) -> tuple[str, ...] | None:
        """What the functions read together, or None if one of them may read everything."""
        return _together(lf.columns for lf in self.lfs)

    @property
    def given(self) -> tuple[str, ...] | None:
        """What they are given of a batch: what they read, and the answers of Spark; None for everything."""
        return _together(lf.given for lf in self.lfs)

    @property
    def materialized(self) -> tuple[Preprocessor, ...]:
        """The preprocessors whose results are kept in tables.

        Raises
        ------
        ConfigError
            If two of them have the same name, and so the same table.
        """
        entries = dict.fromkeys(entry for lf in self.lfs for entry in lf.chain if entry.materialize)
        names = [entry.name.lower() for entry in entries]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(
                f"names of materialized preprocessors must differ by more than case, got {first_few(twice)}."
            )
        return tuple(entries)

    def grids(self, classes: Sequence[str]) -> Grids:
        """The grids of the functions whose votes are cells, in a task with these classes.

        Raises
        ------
        ConfigError
            If a grid is of another number of classes.
        """
        bound = {lf.name: bind_cells(repr(lf.name), lf.cells, classes) for lf in self.lfs if lf.cells is not None}
        return Grids({name: cells for name, cells in bound.items() if cells is not None})

    def __len__(self) -> int:
        return len(self.lfs)

    def __iter__(self) -> Iterator[LabelingFunction]:
        return iter(self.lfs)

    def __getitem__(self, name: str) -> LabelingFunction:
        for lf in self.lfs:
            if lf.name == name:
                return lf
        raise ConfigError(
            f"there is no labeling function {name!r} among {first_few(self.names)}.{did_you_mean(name, self.names)}"
        )

    def select(self, names: Iterable[str]) -> "LFSet":
        """The functions of these names, in the order of the names."""
        return LFSet([self[name] for name in names])

    def describe(self) -> pl.DataFrame:
        """A row for each function: what it is, what it reads and where it comes from."""
        rows = [
            {
                "name": lf.name,
                "kind": lf.kind,
                "columns": None if lf.columns is None else list(lf.columns),
                "deterministic": lf.deterministic,
                "owner": lf.owner,
                "source": lf.source,
                "valid_from": lf.valid_from,
                "valid_to": lf.valid_to,
                "fingerprint": lf.fingerprint,
                "grid": None if lf.cells is None else ", ".join(cell_texts(lf.cells)),
            }
            for lf in self.lfs
        ]
        return pl.DataFrame(rows, _DESCRIPTION)

    def comments(self) -> dict[str, str]:
        """For each function what is said of its column: kind, what it reads, owner, source and fingerprint."""
        return {lf.name: "; ".join(_said(lf)) for lf in self.lfs}

    def apply(
        self,
        data: Any,
        *,
        classes: Sequence[str],
        key: str | None = None,
        on_fault: Literal["quarantine", "fail"] = "fail",
        time_limit_s: float | None = None,
        multi_label: bool = False,
    ) -> pl.DataFrame:
        """The votes on a table in memory, as they would be published: `item_id` and a column for each function.

        Parameters
        ----------
        data : polars or pandas DataFrame, Arrow Table or RecordBatch
        classes : sequence of str
            The names of the classes, in the order of their indices.
        key : str, optional
            The column that identifies an item; rows are numbered if omitted.
        on_fault : {"fail", "quarantine"}
            What happens when a function raises: here at once an error, because somebody is looking.
        time_limit_s : float, optional
            Seconds that each Python function has for the table; in the main thread on Linux only.
        multi_label : bool
            Items may have several classes: a column for each (function, class).
        """
        # Kernels know sets; only this convenience goes the other way.
        from sparkws.lfs.voter import Voter

        frame = as_frame(data)
        if key is None:
            frame, key = frame.with_row_index(_ROW), _ROW
        return Voter(self, tuple(classes), on_fault, time_limit_s, multi_label)(frame, key)

    def as_udf(
        self,
        *,
        classes: Sequence[str],
        on_fault: Literal["quarantine", "fail"] = "quarantine",
        time_limit_s: float | None = None,
        multi_label: bool = False,
    ) -> Any:
        """All functions as one Spark UDF: a struct of columns in, a struct with a vote for each function out.

        The votes are those of the votes table. Call it as `f(struct("*"))` on a data frame, or register it
        and write `SELECT f(struct(*)) AS votes FROM items`.

        Parameters
        ----------
        classes : sequence of str
            The names of the classes, in the order of their indices.
        on_fault : {"quarantine", "fail"}
            A function that raises votes NULL, or fails the query.
        time_limit_s : float, optional
            Seconds that each Python function has for a batch. What cannot be interrupted is not ended here,
            and there is no limit on memory: both are what a run of the project has.
        multi_label : bool
            Items may have several classes: a field for each (function, class).
        """
        from sparkws.engine.udf import struct_udf  # the engine needs Spark, a set does not

        for lf in self.lfs:
            if isinstance(lf.f, Rule) and lf.f.answer is not None:
                raise InvalidFunction(only_spark(lf.f))
            _ = lf.fingerprint  # computed here and carried along: workers lack the sources

        from sparkws.lfs.voter import Voter

        voter = Voter(self, tuple(classes), on_fault, time_limit_s, multi_label)
        names = vote_columns(self.names, ballots_of(self.lfs, classes) if multi_label else {})

        def vote(rows: pl.DataFrame) -> pl.DataFrame:
            return voter(rows.with_row_index(_ROW), _ROW).drop(ITEM_ID)

        return struct_udf(vote, pl.Schema(dict.fromkeys(names, pl.Int8())))


def _together(columns: Iterable[Sequence[str] | None]) -> tuple[str, ...] | None:
    found: dict[str, None] = {}
    for of_one in columns:
        if of_one is None:
            return None
        found.update(dict.fromkeys(of_one))
    return tuple(found)


_ROW = "__row__"
_DESCRIPTION = pl.Schema(
    {
        "name": pl.String(),
        "kind": pl.String(),
        "columns": pl.List(pl.String()),
        "deterministic": pl.Boolean(),
        "owner": pl.String(),
        "source": pl.String(),
        "valid_from": pl.Date(),
        "valid_to": pl.Date(),
        "fingerprint": pl.String(),
        "grid": pl.String(),
    }
)


def _said(lf: LabelingFunction) -> list[str]:
    unknown = "what its SQL names" if isinstance(lf.f, Rule) else "all columns"
    reads = unknown if lf.columns is None else ", ".join(lf.columns) or "nothing"
    told = {"owner": lf.owner, "source": lf.source, "valid from": lf.valid_from, "valid to": lf.valid_to}
    dated = [f"{what} {value}" for what, value in told.items() if value is not None]
    chance = [] if lf.deterministic else ["not deterministic"]
    soft = [] if lf.cells is None else [grid_text(lf.cells)]
    return [f"{lf.kind} LF", f"reads {reads}", *soft, *chance, *dated, f"fingerprint {lf.fingerprint}"]


def declarative_lfs(configs: Iterable[DeclarativeLFConfig], base_dir: str | Path = ".") -> tuple[LabelingFunction, ...]:
    """The labeling functions of a configuration; files of lookups are found from `base_dir`.

    Raises
    ------
    InvalidFunction
        For a file, a pattern or an expression that cannot be used.
    """
    return tuple(
        LabelingFunction(
            config.name,
            make_rule(config, base_dir),
            soft=None if config.expression is None else config.expression.grid,
            examples=[(example.row, example.vote) for example in config.examples],
            owner=config.owner,
            source=config.source,
            valid_from=config.valid_from,
            valid_to=config.valid_to,
        )
        for config in configs
    )


def lfset_of(config: LFsConfig, base_dir: str | Path = ".") -> LFSet:
    """The labeling functions of a task: those of its modules, then the declarative ones.

    Raises
    ------
    ConfigError
        If there is none, or any of them cannot be used.
    """
    lfs = (*load_modules(config.modules, base_dir), *declarative_lfs(config.declarative, base_dir))
    if not lfs:
        raise ConfigError("the task has no labeling functions; name files in 'lfs.modules' or write 'lfs.declarative'.")
    return LFSet(lfs)
