"""The tables of a workspace against those of the reference, and the files beside them."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable

from tests.soak.items import KEY_TYPES, Row
from tests.soak.models import Fit
from tests.soak.projects import Project
from tests.soak.reference import Expected

ROUNDING = 1e-9

# What tells the rows of a table apart; the floats beside it are equal but for rounding, all else exactly.
_ORDER = {
    "votes": ("item_id",),
    "faults": ("lf", "item_id", "error_class"),
    "gold": ("item_id",),
    "stats": ("kind",),
    "label_model": ("parameter", "lf", "vote", "class"),
    "labels": ("item_id",),
}


class Difference(Exception):
    """A table that is not what it must be."""


def read_table(folder: Path) -> pl.DataFrame:
    """A published table as somebody without Spark reads it."""
    frame = pl.from_arrow(DeltaTable(str(folder)).to_pyarrow_table())
    assert isinstance(frame, pl.DataFrame)
    return frame


def n_iters(project: Project, folders: Mapping[str, Path]) -> dict[str, int]:
    """Where EM of each task stopped, as its table tells."""
    found = {}
    for task in project.tasks:
        folder = folders.get(f"{task.name}_label_model")
        if folder is not None and DeltaTable.is_deltatable(str(folder)):
            rows = read_table(folder).filter(pl.col("parameter") == "n_iter")
            found[task.name] = int(rows["value"][0])
    return found


def compare(project: Project, tables: Mapping[str, Sequence[Row]], folders: Mapping[str, Path]) -> int:
    """Fail at the first row that differs; gives the number of rows compared."""
    n = 0
    for name, expected in tables.items():
        kind = next(kind for kind in (*_ORDER, "patterns") if name.endswith(f"_{kind}"))
        folder = folders[name]
        if not DeltaTable.is_deltatable(str(folder)):
            raise Difference(f"{name} is not there")
        actual = read_table(folder)
        if "item_id" in actual.columns and kind != "faults" and actual["item_id"].dtype != KEY_TYPES[project.key_type]:
            raise Difference(f"{name}: item_id is {actual['item_id'].dtype}, the key is a {project.key_type}")
        _compare_rows(name, kind, expected, _plain(kind, actual))
        n += len(expected)
    return n


def check_stop(expected: Expected, published: Mapping[str, int], folders: Mapping[str, Path]) -> None:
    """See that EM stopped where its objective no longer grew, or at the last iteration that it was given."""
    for task, fits in expected.fits.items():
        if fits[0].objective is None:
            continue
        at = published[task]
        if not 1 <= at <= len(fits):
            raise Difference(f"{task}_label_model: EM made {at} iterations of {len(fits)}")
        gains = [_gain(fits, i) for i in range(1, at)]
        if any(gain < -ROUNDING for gain in gains):
            raise Difference(f"{task}_label_model: the objective falls, {gains}")
        rows = read_table(folders[f"{task}_label_model"]).filter(pl.col("parameter") == "converged")
        says = bool(rows["value"][0])
        if (says or at < len(fits)) and not (gains and gains[-1] <= ROUNDING):
            raise Difference(f"{task}_label_model: EM stopped at iteration {at} although it gained {gains[-1:]}")
        if says != (at < len(fits)) and at < len(fits):
            raise Difference(f"{task}_label_model: stopped at {at} of {len(fits)}, converged is {says}")


def _gain(fits: Sequence[Fit], at: int) -> float:
    after, before = fits[at].objective, fits[at - 1].objective
    assert after is not None
    assert before is not None
    return (after - before) / max(1.0, abs(after))


def _plain(kind: str, actual: pl.DataFrame) -> list[Row]:
    """A table's rows without what the reference does not tell: versions, fingerprints, texts of errors."""
    frame = actual.drop("message", "lf_fingerprint", "votes_version", "model_version", strict=False)
    rows = frame.to_dicts()
    if kind == "stats":
        rows = [{**row, "payload": json.loads(row["payload"])} for row in rows]
    if kind == "label_model":
        is_fitted = any(row["kind"] == "dawid_skene" for row in rows)
        untold = {"fingerprint", *(["converged"] if is_fitted else [])}
        rows = [row for row in rows if row["parameter"] not in untold]
    return rows


def _compare_rows(name: str, kind: str, expected: Sequence[Row], actual: Sequence[Row]) -> None:
    def place(row: Row) -> list[str]:
        columns = _ORDER.get(kind) or sorted(set(row) - {"n_items"})
        return [f"{type(row[column]).__name__} {row[column]!r}" for column in columns]

    ours, theirs = sorted(expected, key=place), sorted(actual, key=place)
    if ours and theirs and set(ours[0]) != set(theirs[0]):
        raise Difference(f"{name} has the columns {sorted(theirs[0])}, expected {sorted(ours[0])}")
    for left, right in zip(ours, theirs, strict=False):
        if not _same(left, right):
            raise Difference(f"{name}: expected {_where_differs(left, right)}")
    if len(ours) != len(theirs):
        longer, told = (ours, "lacks") if len(ours) > len(theirs) else (theirs, "has beyond the reference")
        raise Difference(
            f"{name} has {len(theirs)} rows, expected {len(ours)}; it {told} {longer[min(len(ours), len(theirs))]}"
        )


def _where_differs(left: Row, right: Row) -> str:
    differ = [column for column in left if not _same(left[column], right[column])]
    return f"{left}, got {right}; they differ in {differ}"


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=ROUNDING, abs_tol=ROUNDING)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_same(a, b) for a, b in zip(left, right, strict=True))
    return type(left) is type(right) and left == right
