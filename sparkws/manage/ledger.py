"""The ledger: one row for each step that ran, with what it read, what it wrote and what it was made of.

Rows are only ever appended. A step that starts reserves the next sequence number; a step that ends
appends a second row under the same number. The engine stores the rows, this module makes and reads them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import polars as pl

Status = Literal["started", "done", "failed"]

SCHEMA: Final = pl.Schema(
    {
        "step": pl.String(),
        "sequence": pl.Int64(),
        "status": pl.String(),
        "inputs": pl.String(),
        "outputs": pl.String(),
        "fingerprints": pl.String(),
        "started_at": pl.Datetime("us", "UTC"),
        "seconds": pl.Float64(),
        "n_rows": pl.Int64(),
        "details": pl.String(),
        "sparkws_version": pl.String(),
    }
)
_JSON_COLUMNS: Final = ("inputs", "outputs", "fingerprints", "details")


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """What the ledger knows of one run of a step.

    Attributes
    ----------
    step : str
        As "sentiment.votes".
    sequence : int
        Grows with every run in the workspace; the transaction number of what the step commits.
    inputs, outputs : mapping of str to int or None
        Tables with their versions; None for a source that has none, such as a view.
    fingerprints : mapping
        What else the outputs depend on: functions, options, classes. Plain values, compared as such.
    seconds : float
        Wall time.
    details : mapping
        What the step found and later steps or reports need. Plain values.
    """

    step: str
    sequence: int
    status: Status
    inputs: Mapping[str, int | None]
    outputs: Mapping[str, int | None] = field(default_factory=dict)
    fingerprints: Mapping[str, Any] = field(default_factory=dict)
    started_at: datetime
    seconds: float = 0.0
    n_rows: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)
    sparkws_version: str = ""


def to_rows(records: Sequence[StepRecord]) -> pl.DataFrame:
    """Records as rows of the `runs` table."""
    rows = []
    for record in records:
        row = dict(vars(record))
        row.update({name: _dumps(row[name]) for name in _JSON_COLUMNS})
        rows.append(row)
    return pl.DataFrame(rows, schema=SCHEMA)


def _dumps(value: Mapping[str, Any]) -> str:
    # A message may hold a lone surrogate, which no file takes; as an escape it is JSON again.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def from_rows(rows: pl.DataFrame) -> list[StepRecord]:
    """The records of the `runs` table, in the order in which they were reserved."""
    ordered = rows.sort("sequence", maintain_order=True)
    return [
        StepRecord(**{**row, **{name: json.loads(row[name]) for name in _JSON_COLUMNS}})
        for row in ordered.iter_rows(named=True)
    ]


def next_sequence(records: Sequence[StepRecord]) -> int:
    """A number above all that were ever reserved."""
    return max((record.sequence for record in records), default=0) + 1


def last_success(records: Sequence[StepRecord], step: str) -> StepRecord | None:
    """The last run of a step that ended well."""
    done = [record for record in records if record.step == step and record.status == "done"]
    return max(done, key=lambda record: record.sequence, default=None)


def maker_of(records: Sequence[StepRecord], table: str, version: int) -> StepRecord | None:
    """The run that made a table as it is at a version: the last that ended well and left it at that or before.

    A table that was only rearranged since has a later version than the one that the run left.
    """
    done = [record for record in records if record.status == "done" and record.outputs.get(table) is not None]
    made = [record for record in done if (record.outputs[table] or 0) <= version]
    return max(made, key=lambda record: record.sequence, default=None)
