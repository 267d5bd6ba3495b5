"""The kernel of the stage: a batch of items -> their votes, and what failed.

Declarative functions are evaluated together by polars, vectorized ones get the batch, and all functions
of single items share one pass over the rows. A function that raises leaves NULL in its own column.
"""

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING, Final

import polars as pl

from sparkws.checks import first_few
from sparkws.errors import ConfigError, InvalidFunction, InvalidKeys, MissingColumns
from sparkws.hashing import hash_keys
from sparkws.lfs import findings
from sparkws.lfs.again import ended_early, refuse_changed
from sparkws.lfs.ahead import OBJECT_ROWS
from sparkws.lfs.ballots import Ballot, bind_ballots, columns_of, vote_columns
from sparkws.lfs.compiled import Compiled
from sparkws.lfs.costs import BUDGET, PYTHON, TOGETHER, WHOLE, Clock, Costs, time_alone
from sparkws.lfs.declarative import Rule, only_spark
from sparkws.lfs.faults import FaultLog, texts_of
from sparkws.lfs.findings import Findings
from sparkws.lfs.native import Native, evaluate
from sparkws.lfs.options import check_reads
from sparkws.lfs.pythonpass import PythonPass, nothing, recorded
from sparkws.lfs.rehearsal import rehearsal_rows
from sparkws.lfs.returns import votes_of_array
from sparkws.lfs.sieve import Sieve, sieves_of
from sparkws.lfs.soft import cells_of_array
from sparkws.lfs.statements import ASK
from sparkws.trail import Trail, current_trail
from sparkws.vocab import ITEM_ID

if TYPE_CHECKING:
    from sparkws.lfs.lfset import LFSet

logger = logging.getLogger(__name__)

Timed = Mapping[tuple[str, str], tuple[int, int]]
ON_FAULT: Final = ("quarantine", "fail")


@dataclass(frozen=True, eq=False)
class VotesKernel:
    """Labeling functions bound to the classes of a task and the columns of a source.

    Attributes
    ----------
    lfset : LFSet
    classes : tuple of str
        The names of the k classes, in the order of their indices.
    key : str
        The column that identifies an item.
    source_schema : Schema
        The columns of the source.
    on_fault : {"quarantine", "fail"}
        What happens when a function raises: NULL for that item, or an error.
    time_limit_s : float, optional
        Seconds that each function written in Python has for a batch; in the main thread only. What has used
        them up fails on the rest of the batch.
    hidden : tuple of str
        Columns that no function gets that does not say what it reads.
    interpreted : set of str
        Functions of single items that are not to be compiled.
    multi_label : bool
        A function votes on several classes, and none is compiled.
    columns : tuple of str
        What is read: the key, and what the functions need.
    schema : Schema
        `item_id` of the key's type, and an Int8 column for each function: class index, -1 abstained,
        NULL failed. The vote of a function with a grid is the index of a cell. Of a multi-label task a column for
        each class that a function votes on: 1, 0, -1, NULL.

    Raises
    ------
    MissingColumns
        If a function reads a column that the source lacks.
    ConfigError
        If a declarative function votes for a class that there is not, or reads a column of another type.
    """

    lfset: "LFSet"
    classes: tuple[str, ...]
    key: str
    source_schema: pl.Schema
    on_fault: str = "quarantine"
    time_limit_s: float | None = None
    hidden: tuple[str, ...] = ()
    interpreted: frozenset[str] = frozenset()
    multi_label: bool = False
    columns: tuple[str, ...] = field(init=False)
    schema: pl.Schema = field(init=False)
    fingerprints: dict[str, str] = field(init=False, repr=False)
    ballots: dict[str, Ballot] = field(init=False, repr=False)
    _natives: dict[str, Native] = field(init=False, repr=False)
    _compiled: Compiled = field(init=False, repr=False)
    _sieves: tuple[Sieve, ...] = field(init=False, repr=False)
    _python: PythonPass = field(init=False, repr=False)
    _steady: PythonPass = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.on_fault not in ON_FAULT:
            raise ConfigError(f"'on_fault' must be one of {list(ON_FAULT)}, got {self.on_fault!r}.")
        self._check_columns()
        ballots = bind_ballots(self.lfset, self.classes, multi_label=self.multi_label)
        self.lfset.grids(self.classes)  # refuses one that is of other classes
        opened = self.source_schema.names() if self.lfset.given is None else []
        named = {name for lf in self.lfset for name in lf.given or ()}
        needed = {self.key, *named, *(name for name in opened if name not in self.hidden)}
        rules = {lf.name: lf.f for lf in self.lfset if isinstance(lf.f, Rule)}
        compiled = self._compile()
        natives = {name: rule.native(self.classes, self.source_schema) for name, rule in rules.items()}
        natives.update(compiled.natives)
        columns = (self.key, *(name for name in self.source_schema if name in needed - {self.key}))
        answers = {rule.answer for rule in rules.values()}
        # What is shown to a function that may read everything: the item, not the answers for others.
        chained = {entry for lf in self.lfset for entry in lf.chain if entry.materialize}
        stored = {name for entry in chained for name in entry.stored.values()}
        columns = (*columns, *(name for name in self.source_schema if name in stored - set(columns)))
        shown = tuple(name for name in columns if name not in {*answers, *self.hidden, *stored})
        lfs = [lf for lf in self.lfset if lf.name not in natives]
        bound_to = (tuple(self.classes), shown, self.source_schema, self.time_limit_s, ballots)
        votes = dict.fromkeys(vote_columns(self.lfset.names, ballots), pl.Int8())
        bound = {
            "classes": tuple(self.classes),
            "columns": columns,
            "schema": pl.Schema({ITEM_ID: self.source_schema[self.key], **votes}),
            "ballots": ballots,
            "fingerprints": {lf.name: lf.fingerprint for lf in self.lfset},
            "_natives": natives,
            "_compiled": compiled,
            "_sieves": sieves_of(test for native in natives.values() for test in native.tests),
            "_python": PythonPass(lfs, *bound_to),
            "_steady": PythonPass([lf for lf in lfs if lf.deterministic], *bound_to),
        }
        for attribute, value in bound.items():
            object.__setattr__(self, attribute, value)

    def run(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, Findings]:
        """The votes on the items of `batch`, in its order, what failed and what it cost.

        Raises
        ------
        InvalidKeys
            If an item has no key.
        InvalidVote
            If a function returns anything that is not a vote.
        InvalidFunction
            If a resource cannot be loaded, or a preprocessor of batches returns other columns than it promised.
        FunctionFailed
            If a function raises and `on_fault` is "fail".
        VotesNotRepeatable
            If a function that is not declared so votes otherwise when it is run again.
        CompiledVotesDiffer
            If a compiled function votes otherwise than the function itself on an item of a sample.
        """
        if self._python.ahead.makes_objects and len(batch) > OBJECT_ROWS:
            parts = [self.run(part) for part in batch.iter_slices(OBJECT_ROWS)]
            return pl.concat([votes for votes, _ in parts]), reduce(self.merge, (found for _, found in parts))
        keys = batch[self.key].alias(ITEM_ID)
        if keys.null_count():
            raise InvalidKeys(
                f"key column {self.key!r} has {keys.null_count():,} NULLs in a batch of {len(keys):,} items; "
                "every item needs an id of its own. Filter them out, or name another 'source.key'."
            )
        trail = current_trail()
        # Nobody sits at the keyboard of a worker, the only process with a trail.
        passes: tuple[type[BaseException], ...] = (KeyboardInterrupt,) if trail is None else ()
        log = FaultLog(keys, self.fingerprints, may_fail=self.on_fault == "fail", lets_pass=passes)
        try:
            began, began_work = time.perf_counter_ns(), time.process_time_ns()
            votes = self._native(batch, log, trail)
            native_ns = time.process_time_ns() - began_work  # work, because polars waits for nothing
            clock = Clock({*self._compiled.natives, *self._python.all} - self._steady.rows)
            votes.update(self._compiled.decided(batch, votes, log, trail, clock))
            votes.update(self._python.run(batch, log, trail, clock))
            ended = time.perf_counter_ns()
            if self.on_fault == "fail":
                log.fail()
            costs = Costs()
            if not batch.is_empty():
                costs = Costs(
                    {
                        (WHOLE, ""): (len(batch), ended - began),
                        (TOGETHER, ""): (len(batch), native_ns),
                        **clock.costs(len(batch)),
                        **self._run_again(batch, votes, log, trail),
                        **self._time_natives(batch, keys, (ended - began) // BUDGET),
                    }
                )
        finally:
            if trail is not None:
                trail.clear()
        columns = columns_of([votes[name] for name in self.lfset.names], self.ballots)
        return pl.DataFrame([keys, *columns]), Findings(log.faults(), costs)

    def log_compiled(self) -> None:
        """Log how many of the functions of single items are compiled, if there are any."""
        n_all, n_compiled = sum(lf.kind == "row" for lf in self.lfset), len(self._compiled.natives)
        if n_all:
            why = "" if n_compiled == n_all else "; sparkws lfs --explain tells why not the others"
            logger.info("%d of %d Python functions compiled%s", n_compiled, n_all, why)

    def zero(self) -> Findings:
        """What is found in no items."""
        return Findings()

    def merge(self, a: Findings, b: Findings) -> Findings:
        """What is found in the items of both."""
        return findings.merge(a, b)

    def dump(self, value: Findings) -> pl.DataFrame:
        """Findings as rows of plain types."""
        return findings.dump(value)

    def load(self, rows: pl.DataFrame) -> Findings:
        """The findings that `dump` wrote."""
        return findings.load(rows)

    def _compile(self) -> Compiled:
        rows = [lf for lf in self.lfset if lf.kind == "row" and lf.deterministic and not self.multi_label]
        return Compiled(rows, tuple(self.classes), self.source_schema, self.time_limit_s, self.interpreted)

    def _check_columns(self) -> None:
        has = list(self.source_schema)
        if self.key not in self.source_schema:
            raise MissingColumns(f"the source lacks its key {self.key!r}; it has {first_few(has, 12)}.")
        for lf in self.lfset:
            if isinstance(lf.f, Rule) and lf.f.answer not in (None, *has):
                raise InvalidFunction(only_spark(lf.f))
            check_reads(lf.name, lf.given or (), self.source_schema)

    def _native(self, batch: pl.DataFrame, log: FaultLog, trail: Trail | None) -> dict[str, pl.Series]:
        given: pl.DataFrame | None = None
        if self._natives and not (trail is not None and trail.careful):
            if trail is not None:
                trail.note([*map(repr, self._natives)], log.whole)
            # Where one of them fails, which one is found by evaluating each alone.
            with suppress(Exception, pl.exceptions.PanicException):
                given = evaluate(batch, self._natives, self._sieves)
        votes = {}
        for name, native in self._natives.items():
            if trail is not None and given is None:
                trail.note([repr(name)], log.whole)
            try:
                returned = (evaluate(batch, {name: native}) if given is None else given)[name]
            except log.lets_pass:
                raise
            except BaseException as error:
                if name in self._compiled.natives:
                    votes[name] = pl.Series(name, [ASK], pl.Int8).new_from_index(0, len(batch))
                    continue
                log.record_all(name, error)
                votes[name] = nothing(name, len(batch))
                continue
            cells = self.lfset[name].cells
            if native.gives_votes:
                votes[name] = returned
            elif cells is None:
                votes[name] = votes_of_array(name, returned, self.classes, log.keys)
            else:
                votes[name] = recorded(*cells_of_array(name, returned, cells, self.classes, log.keys), log)
        return votes

    def _run_again(
        self, batch: pl.DataFrame, votes: Mapping[str, pl.Series], log: FaultLog, trail: Trail | None
    ) -> Timed:
        """Run what is written in Python once more on a few items, in reverse: a state carried on shows too.

        What comes out is what the functions of single items took for them.
        """
        out_of_time = ended_early(log)
        steady = self._steady
        if out_of_time:
            steady = replace(steady, lfs=[lf for lf in steady.lfs if lf.name not in out_of_time])
        limit_ns = int(1e9 * (self.time_limit_s or 0))
        at_least = {(PYTHON, name): (len(batch), limit_ns) for name in out_of_time if limit_ns}
        if not steady.lfs:
            return at_least
        rows = rehearsal_rows(len(batch))[::-1]
        keys = log.keys.gather(rows)
        second = FaultLog(keys, self.fingerprints, may_fail=False, lets_pass=log.lets_pass)
        clock = Clock(steady.rows)
        again = steady.run(batch[rows], second, trail, clock)
        out_of_time = ended_early(second)
        compared = [lf for lf in steady.lfs if lf.name not in out_of_time]
        refuse_changed(compared, {name: votes[name].gather(rows) for name in again}, again, self.classes, keys)
        return {**clock.costs(len(rows)), **at_least}

    def _time_natives(self, batch: pl.DataFrame, keys: pl.Series, budget_ns: int) -> Timed:
        turn = int(hash_keys(texts_of(keys[:1]))[0])
        with suppress(Exception, pl.exceptions.PanicException):  # one that fails has been told as a fault
            return time_alone(batch, self._natives, turn, budget_ns)
        return {}
