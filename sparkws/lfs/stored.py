"""Results of preprocessors that are kept in a table: one row for each different input and each state of the code."""

from dataclasses import dataclass, field
from typing import Final

import polars as pl

from sparkws.lfs.ahead import Ahead
from sparkws.lfs.faults import FaultLog, shown
from sparkws.lfs.function import LabelingFunction
from sparkws.lfs.made import made_columns
from sparkws.lfs.preprocess import Preprocessor
from sparkws.lfs.rowloop import run_rows
from sparkws.lfs.rowplan import plan_rows
from sparkws.trail import Trail, current_trail

INPUT: Final = "input_hash"
CODE: Final = "code"
ERROR: Final = "error"


@dataclass(frozen=True, eq=False)
class StoreKernel:
    """Different inputs of a preprocessor -> rows of its table.

    Attributes
    ----------
    preprocessor : Preprocessor
        One that is to be materialized.
    source_schema : Schema
        The columns of the source, among them `INPUT`.
    time_limit_s : float, optional
        What it may use of its time for a batch.
    columns : tuple of str
        What is read.
    schema : Schema
        The hash of the input, the fingerprint of the code, what it makes, and why it failed, NULL if it did not.
    """

    preprocessor: Preprocessor
    source_schema: pl.Schema
    time_limit_s: float | None = None
    columns: tuple[str, ...] = field(init=False)
    schema: pl.Schema = field(init=False)
    code: str = field(init=False)

    def __post_init__(self) -> None:
        reads = self.preprocessor.reads
        assert reads is not None
        made = {name: dtype() if isinstance(dtype, type) else dtype for name, dtype in self.preprocessor.made.items()}
        columns = (INPUT, *(name for name in self.source_schema if name in reads.columns))
        object.__setattr__(self, "columns", columns)
        object.__setattr__(
            self, "schema", pl.Schema({INPUT: pl.String(), CODE: pl.String(), **made, ERROR: pl.String()})
        )
        object.__setattr__(self, "code", self.preprocessor.fingerprint)

    def __call__(self, batch: pl.DataFrame) -> pl.DataFrame:
        """A row for each input of `batch`, in its order.

        Raises
        ------
        InvalidFunction
            If what it made is not of the types that it promised.
        """
        trail = current_trail()
        passes: tuple[type[BaseException], ...] = (KeyboardInterrupt,) if trail is None else ()
        log = _Errors(batch[INPUT], passes)
        try:
            of_batches = self.preprocessor.vectorized is not None
            made = self._of_batch(batch, log, trail) if of_batches else self._of_items(batch, log, trail)
        finally:
            if trail is not None:
                trail.clear()
        errors = pl.Series(ERROR, [log.said.get(row) for row in range(batch.height)], dtype=pl.String)
        code = pl.Series(CODE, [self.code], dtype=pl.String).new_from_index(0, batch.height)
        return pl.DataFrame([batch[INPUT], code, *made.get_columns(), errors]).cast(self.schema)

    def _of_batch(self, batch: pl.DataFrame, log: "_Errors", trail: Trail | None) -> pl.DataFrame:
        ahead = Ahead.of([(self.preprocessor,)], self.columns[1:])
        given = ahead.run(batch, log, self.time_limit_s, trail)[self.preprocessor]
        if given.error is None:
            return given.frame
        for row in range(batch.height):
            log.record("", row, given.error)
        return self._nothing(batch.height)

    def _of_items(self, batch: pl.DataFrame, log: "_Errors", trail: Trail | None) -> pl.DataFrame:
        names = list(self.preprocessor.made)
        reader = LabelingFunction("read", lambda x: tuple(x.get(name) for name in names), pre=[self.preprocessor])
        plan = plan_rows([reader], self.source_schema)
        rows = run_rows(batch.select(self.columns[1:]), batch.height, plan, log, self.time_limit_s, trail)["read"]
        values = [row if isinstance(row, tuple) else (None,) * len(names) for row in rows]
        by_name = {name: [row[i] for row in values] for i, name in enumerate(names)}
        return made_columns(str(self.preprocessor), self.preprocessor.made, by_name, batch.height)

    def _nothing(self, n: int) -> pl.DataFrame:
        made = {name: self.schema[name] for name in self.preprocessor.made}
        return pl.DataFrame({name: [None] * n for name in made}, schema=made)


class _Errors(FaultLog):
    """Why each input failed, in words."""

    def __init__(self, inputs: pl.Series, lets_pass: tuple[type[BaseException], ...]) -> None:
        super().__init__(inputs, {}, may_fail=False, lets_pass=lets_pass)
        self.said: dict[int, str] = {}

    def record(self, lf: str, row: int, error: BaseException) -> None:
        """Note why an input failed."""
        self.said[row] = shown(error)
