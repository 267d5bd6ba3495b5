"""Preprocessors of batches: they run on a batch before any function votes on it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import polars as pl

from sparkws.checks import did_you_mean, first_few
from sparkws.errors import MissingColumns
from sparkws.lfs.chains import chain_of
from sparkws.lfs.costs import Clock
from sparkws.lfs.faults import FaultLog
from sparkws.lfs.limits import call_within
from sparkws.lfs.made import made_columns
from sparkws.lfs.options import record_batch
from sparkws.lfs.preprocess import Preprocessor
from sparkws.trail import Trail

OBJECT_ROWS: Final = 2_000  # that are objects of Python at a time: they take many times what their text does


@dataclass(frozen=True, eq=False)
class Given:
    """What a preprocessor made of the items of a batch.

    Attributes
    ----------
    frame : DataFrame
        Its columns; without any where it failed as a whole.
    error : exception, or None
        Why it failed as a whole.
    failed : dict
        The exceptions of single items, by their rows.
    """

    frame: pl.DataFrame
    error: BaseException | None = None
    failed: Mapping[int, BaseException] = field(default_factory=dict)

    @cached_property
    def values(self) -> dict[str, list[Any]]:
        """The values of each column."""
        return {column.name: column.to_list() for column in self.frame.get_columns()}

    def of(self, row: int) -> dict[str, Any]:
        """What it sets on one item."""
        error = self.error or self.failed.get(row)
        if error is not None:
            raise error.with_traceback(None)  # else it would grow with every item
        return {name: values[row] for name, values in self.values.items()}


@dataclass(frozen=True, eq=False)
class Ahead:
    """The preprocessors of batches that some functions need, in the order in which they run.

    Attributes
    ----------
    source : tuple of str
        The columns that they may read.
    stored : frozenset of Preprocessor
        Those whose results come with the batch, because a table holds them.

    Raises
    ------
    MissingColumns
        If one reads a column that neither the source has nor those before it make.
    """

    preprocessors: tuple[Preprocessor, ...]
    source: tuple[str, ...]
    stored: frozenset[Preprocessor] = frozenset()

    def __post_init__(self) -> None:
        for preprocessor in self.preprocessors:
            if preprocessor in self.stored:
                continue
            before = [name for earlier in chain_of(preprocessor.pre) for name in earlier.made]
            has = [*self.source, *before]
            missing = [name for name in preprocessor.columns or () if name not in has]
            if missing:
                raise MissingColumns(
                    f"{preprocessor} reads {first_few(missing)}, which neither the source has nor the preprocessors in "
                    f"its 'pre' make; there are {first_few(has, 12)}.{did_you_mean(missing[0], has)}"
                )

    @classmethod
    def of(cls, chains: Iterable[Sequence[Preprocessor]], source: Iterable[str], schema: Iterable[str] = ()) -> "Ahead":
        """Those of some chains, each once.

        Parameters
        ----------
        source : iterable of str
            The columns that they may read.
        schema : iterable of str
            All columns, among them the stored results of those that need not run.
        """
        has = set(schema)
        entries = dict.fromkeys(entry for chain in chains for entry in chain)
        stored = frozenset(entry for entry in entries if entry.materialize and has.issuperset(entry.stored.values()))
        ordered = tuple(entry for entry in entries if entry.vectorized is not None or entry in stored)
        return cls(ordered, tuple(source), stored)

    @property
    def makes_objects(self) -> bool:
        """Whether one of them makes objects of Python."""
        return any(dtype is object for entry in self.preprocessors for dtype in entry.made.values())

    def run(
        self,
        batch: pl.DataFrame,
        log: FaultLog,
        time_limit_s: float | None,
        trail: Trail | None,
        clock: Clock | None = None,
    ) -> dict[Preprocessor, Given]:
        """What each of them makes of a batch, or why it failed; the clock times what it is asked to.

        Raises
        ------
        InvalidFunction
            If one returns something else than the columns that it promised.
        """
        clock = clock or Clock(())
        given: dict[Preprocessor, Given] = {}
        for preprocessor in self.preprocessors:
            given[preprocessor] = self._given(preprocessor, batch, given, log, time_limit_s, trail, clock)
        return given

    def seen(
        self,
        batch: pl.DataFrame,
        columns: Sequence[str] | None,
        chain: Iterable[Preprocessor],
        given: Mapping[Preprocessor, Given],
    ) -> pl.DataFrame:
        """Columns of a batch with those that a chain made of it; the exception of one that failed is raised."""
        chain = tuple(chain)
        for entry in chain:
            error = given[entry].error
            if error is not None:
                raise error.with_traceback(None)
        names = [name for name in self.source if name in batch.columns] if columns is None else columns
        shown = {name: batch[name] for name in names if name in batch.columns}
        shown.update((column.name, column) for entry in chain for column in given[entry].frame.get_columns())
        return pl.DataFrame(list(shown.values()))

    def _given(
        self,
        preprocessor: Preprocessor,
        batch: pl.DataFrame,
        given: Mapping[Preprocessor, Given],
        log: FaultLog,
        time_limit_s: float | None,
        trail: Trail | None,
        clock: Clock,
    ) -> Given:
        makes = preprocessor.made
        if preprocessor in self.stored:
            return _read(preprocessor, batch)
        if batch.is_empty():  # few models take no rows
            return Given(pl.DataFrame({name: [] for name in makes}))
        call = clock.timed(str(preprocessor), preprocessor.call)
        try:
            frame = self.seen(batch, preprocessor.columns, chain_of(preprocessor.pre), given)
            if preprocessor.columns is not None:
                frame = frame.select(preprocessor.columns)
            argument = frame if preprocessor.vectorized == "polars" else record_batch(frame)
            returned = call_within(call, argument, str(preprocessor), log.whole, time_limit_s, trail)
        except log.lets_pass:
            raise
        except BaseException as error:
            return Given(pl.DataFrame(), error)
        made = made_columns(str(preprocessor), makes, returned, batch.height)
        failed = {
            row: value
            for name, dtype in makes.items()
            if dtype is object
            for row, value in enumerate(made[name])
            if isinstance(value, BaseException)
        }
        for entry in chain_of(preprocessor.pre):
            failed.update(given[entry].failed)
        return Given(made, None, failed)


def _read(preprocessor: Preprocessor, batch: pl.DataFrame) -> Given:
    """The results that come with a batch."""
    columns = preprocessor.stored
    frame = batch.select(pl.col(columns[name]).alias(name) for name in preprocessor.made)
    reasons = batch[columns[""]]
    failed = {row: StoredFailure(reasons[row]) for row in reasons.is_not_null().arg_true().to_list()}
    return Given(frame, None, failed)


class StoredFailure(Exception):
    """A preprocessor failed on an input when it was made for the table."""
