"""Compiled labeling functions over a batch: where they ask, the function itself votes, and a sample is verified."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from sparkws.errors import CompiledVotesDiffer, InvalidVote
from sparkws.lfs.again import told
from sparkws.lfs.compile import StaysPython, compiled
from sparkws.lfs.costs import Clock
from sparkws.lfs.faults import FaultLog, PartOfLog
from sparkws.lfs.function import LabelingFunction
from sparkws.lfs.native import Native
from sparkws.lfs.pythonpass import PythonPass
from sparkws.lfs.rehearsal import rehearsal_rows
from sparkws.lfs.statements import ASK
from sparkws.trail import Trail

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Compiled:
    """The functions of a set that could be compiled, bound to the columns of a source.

    Attributes
    ----------
    lfs : tuple of LabelingFunction
        All that are functions of single items.
    classes : tuple of str
    source_schema : Schema
    time_limit_s : float, optional
        Seconds that each function has for the rows of a batch on which it is asked.
    interpreted : set of str
        Functions that are not to be compiled.
    natives : dict
        The compiled ones.
    """

    lfs: Iterable[LabelingFunction]
    classes: tuple[str, ...]
    source_schema: pl.Schema
    time_limit_s: float | None
    interpreted: frozenset[str]
    natives: dict[str, Native] = field(init=False, repr=False)
    _python: dict[str, PythonPass] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        natives, python = {}, {}
        for lf in self.lfs:
            if lf.name in self.interpreted:
                continue
            try:
                natives[lf.name] = compiled(lf, self.classes, self.source_schema)
            except StaysPython as why:
                logger.debug("%r stays Python: it %s", lf.name, why)
                continue
            shown = tuple(lf.columns or ())
            python[lf.name] = PythonPass([lf], self.classes, shown, self.source_schema, self.time_limit_s)
        object.__setattr__(self, "natives", natives)
        object.__setattr__(self, "_python", python)

    def decided(
        self, batch: pl.DataFrame, given: Mapping[str, pl.Series], log: FaultLog, trail: Trail | None, clock: Clock
    ) -> dict[str, pl.Series]:
        """The votes of the compiled functions; what they were given natively holds `ASK` where it is not decided.

        The clock times the functions where they are asked.

        Raises
        ------
        CompiledVotesDiffer
            If a function votes otherwise on an item of the sample than its expression.
        InvalidVote
            If a function that is asked returns anything that is not a vote.
        """
        votes = {name: given[name] for name in self.natives}
        sampled = rehearsal_rows(len(batch))
        sample, keys = batch[sampled], log.keys.gather(sampled)
        for name, native in votes.items():
            self._verify(name, native.gather(sampled), sample, keys, log, trail)
            rows = (native == ASK).arg_true().to_numpy()
            if len(rows):
                asked = self._python[name].run(batch[rows], PartOfLog(log, rows), trail, clock)[name]
                votes[name] = native.scatter(rows, asked)
        return votes

    def _verify(
        self, name: str, votes: pl.Series, sample: pl.DataFrame, keys: pl.Series, log: FaultLog, trail: Trail | None
    ) -> None:
        is_native = votes != ASK
        if not is_native.any():
            return
        votes, keys = votes.filter(is_native), keys.filter(is_native)
        second = FaultLog(keys, log.fingerprints, may_fail=False, lets_pass=log.lets_pass)
        try:
            asked = self._python[name].run(sample.filter(is_native), second, trail)[name]
        except InvalidVote as error:
            raise differs(name, f"{error}") from None
        if any(error_class in ("TimeLimitExceeded", "MemoryError") for _, error_class in second.counted):
            return
        other = votes.ne_missing(asked).arg_true()
        if len(other):
            first = other[0]
            one, two = (told(series[first], self.classes) for series in (votes, asked))
            raise differs(name, f"compiled it {one} on item_id {keys[first]!r}, interpreted it {two}.")


def differs(name: str, how: str) -> CompiledVotesDiffer:
    """The error that names a function whose expression is not equal to it."""
    error = CompiledVotesDiffer(f"{name!r} does not vote as its translation: {how} Please report it.")
    error.lf = name
    return error
