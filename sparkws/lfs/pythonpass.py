"""What is written in Python, over a batch: preprocessors of batches, functions of single items, functions of batches.

A function that raises leaves NULL in its own column.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from sparkws.grids import Cells
from sparkws.lfs.ahead import Ahead, Given
from sparkws.lfs.ballots import Ballot
from sparkws.lfs.costs import Clock
from sparkws.lfs.faults import FaultLog
from sparkws.lfs.function import LabelingFunction
from sparkws.lfs.limits import call_within
from sparkws.lfs.loaded import Loaded
from sparkws.lfs.options import record_batch
from sparkws.lfs.preprocess import Preprocessor
from sparkws.lfs.returns import votes_of_array, votes_of_values
from sparkws.lfs.rowloop import run_rows
from sparkws.lfs.rowplan import RowPlan, plan_rows
from sparkws.lfs.soft import Refused, cells_of_array, cells_of_values
from sparkws.trail import Trail


@dataclass(frozen=True, eq=False)
class PythonPass:
    """Functions written in Python, bound to the columns of a source.

    Attributes
    ----------
    lfs : tuple of LabelingFunction
    classes : tuple of str
        The names of the k classes, in the order of their indices.
    shown : tuple of str
        What is shown to a function that may read everything.
    source_schema : Schema
        The columns of the source.
    time_limit_s : float, optional
        Seconds that each function and preprocessor has for a batch.
    ballots : dict of str to Ballot
        What each function votes on in a multi-label task; its votes are structs then.

    Raises
    ------
    MissingColumns
        If a preprocessor reads a column that nobody has.
    """

    lfs: Sequence[LabelingFunction]
    classes: tuple[str, ...]
    shown: tuple[str, ...]
    source_schema: pl.Schema
    time_limit_s: float | None
    ballots: Mapping[str, Ballot] = field(default_factory=dict)
    ahead: Ahead = field(init=False, repr=False)
    _plan: RowPlan = field(init=False, repr=False)
    _row_columns: tuple[str, ...] = field(init=False, repr=False)
    _loaded: tuple[Loaded, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rows = [lf for lf in self.lfs if lf.vectorized is None]
        needed = {name for lf in rows for name in (self.shown if lf.columns is None else lf.columns)}
        ahead = Ahead.of((lf.chain for lf in self.lfs), self.shown, self.source_schema)
        bound = {
            "ahead": ahead,
            "_plan": plan_rows(rows, self.source_schema, ahead.preprocessors),
            "_row_columns": tuple(name for name in self.source_schema if name in needed),
        }
        for attribute, value in bound.items():
            object.__setattr__(self, attribute, value)
        object.__setattr__(self, "_loaded", tuple(dict.fromkeys(self._recipes())))

    @property
    def rows(self) -> frozenset[str]:
        """What runs on single items: functions and preprocessors, as they are told."""
        names = [lf.name for _, members in self._plan.groups for lf in members]
        steps = [step.preprocessor for step in self._plan.steps]
        return frozenset([*names, *(str(preprocessor) for preprocessor in steps if preprocessor.vectorized is None)])

    @property
    def all(self) -> frozenset[str]:
        """What runs, as it is told."""
        return (
            self.rows | {lf.name for lf in self.lfs} | {str(preprocessor) for preprocessor in self.ahead.preprocessors}
        )

    def run(
        self, batch: pl.DataFrame, log: FaultLog, trail: Trail | None, clock: Clock | None = None
    ) -> dict[str, pl.Series]:
        """The votes of each function on the items of a batch; the clock times what it is asked to.

        Raises
        ------
        InvalidVote
            If a function returns anything that is not a vote.
        InvalidFunction
            If a resource cannot be loaded, or a preprocessor of batches returns other columns than it promised.
        """
        clock = clock or Clock(())
        for recipe in self._loaded:
            if trail is not None:
                trail.note([repr(recipe)], log.whole)
            _ = recipe.value  # outside of time limits, and what cannot be loaded is no fault of an item
        given = self.ahead.run(batch, log, self.time_limit_s, trail, clock)
        votes = self._rows(batch, given, log, trail, clock)
        for lf in self.lfs:
            if lf.vectorized is not None:
                votes[lf.name] = self._vectorized(lf, batch, given, log, trail, clock)
        return votes

    def _rows(
        self,
        batch: pl.DataFrame,
        given: Mapping[Preprocessor, Given],
        log: FaultLog,
        trail: Trail | None,
        clock: Clock,
    ) -> dict[str, pl.Series]:
        if not self._plan.groups:
            return {}
        frame = batch.select(self._row_columns)
        returned = run_rows(frame, len(batch), self._plan, log, self.time_limit_s, trail, given, clock)
        soft = {lf.name: lf.cells for lf in self.lfs if lf.cells is not None}
        return {name: self._votes(name, values, soft.get(name), log) for name, values in returned.items()}

    def _votes(self, name: str, returned: Sequence[object], cells: Cells | None, log: FaultLog) -> pl.Series:
        if name in self.ballots:
            return self.ballots[name].of_values(returned, log.keys, log.n_items)
        if cells is not None:
            return recorded(*cells_of_values(name, returned, cells, self.classes), log)
        return votes_of_values(name, returned, self.classes, log.keys, log.n_items)

    def _vectorized(
        self,
        lf: LabelingFunction,
        batch: pl.DataFrame,
        given: Mapping[Preprocessor, Given],
        log: FaultLog,
        trail: Trail | None,
        clock: Clock,
    ) -> pl.Series:
        columns, call = self.shown if lf.columns is None else lf.columns, clock.timed(lf.name, lf.call)
        try:
            frame = self.ahead.seen(batch, columns, lf.chain, given)
            argument = frame if lf.vectorized == "polars" else record_batch(frame)
            returned = call_within(call, argument, repr(lf.name), log.whole, self.time_limit_s, trail)
        except log.lets_pass:
            raise
        except BaseException as error:
            log.record_all(lf.name, error)
            votes = nothing(lf.name, len(batch))
            return self.ballots[lf.name].of_votes(votes) if self.ballots else votes
        failed = {row: reason for entry in lf.chain for row, reason in given[entry].failed.items()}
        if self.ballots:
            votes = self.ballots[lf.name].of_array(returned, log.keys, failed)
        else:
            if lf.cells is None:
                votes = votes_of_array(lf.name, returned, self.classes, log.keys)
            else:
                votes = recorded(*cells_of_array(lf.name, returned, lf.cells, self.classes, log.keys), log)
            votes = votes.scatter([*failed], None) if failed else votes
        for row, reason in failed.items():
            log.record(lf.name, row, reason)
        return votes

    def _recipes(self) -> Iterator[Loaded]:
        for lf in self.lfs:
            run = [entry for entry in lf.chain if entry not in self.ahead.stored]
            for resources in (lf.resources, *(entry.resources for entry in run)):
                yield from (value for value in resources.values() if isinstance(value, Loaded))


def recorded(votes: pl.Series, refused: Refused, log: FaultLog) -> pl.Series:
    """The votes of a soft function; what it returned that is no probability is a fault of its item."""
    for row, why in refused.items():
        log.record(votes.name, row, why)
    return votes


def nothing(name: str, n: int) -> pl.Series:
    """The votes of a function that failed on all n items."""
    return pl.Series(name, [None], dtype=pl.Int8).new_from_index(0, n)
