"""The direct lane: a task receives names of data files, scans the columns it needs and runs the kernel.

A unit is a data file or a range of its row groups, in order; a task is a list of units.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from sparkws.engine.tables import TableVersion
from sparkws.engine.types import check_texts, to_polars
from sparkws.errors import DataError

_MIB: Final = 1 << 20
_SMALLEST_TASK: Final = 4 * _MIB  # below this, starting a task costs more than its work
_TASKS_PER_SLOT: Final = 4
_BATCH_BYTES: Final = 64 * _MIB
_WHOLE_GROUP: Final = 256 * _MIB  # a larger row group is read part by part, which takes longer
_GONE: Final = re.compile(r"reading file (\S[^\n]*?)\. +File does not exist")
END: Final = 1 << 31  # behind the last row group of any file


@dataclass(frozen=True)
class Unit:
    """A data file, or a range of its row groups.

    Attributes
    ----------
    path : str
        The file.
    row_groups : (int, int)
        First row group and the one behind the last; the whole file ends at `END`.
    partition : tuple of (str, value)
        Values of partition columns, which the file itself does not hold.
    n_rows : int or None
        The rows of the file, where the log knows them.
    """

    path: str
    size_bytes: int
    row_groups: tuple[int, int]
    partition: tuple[tuple[str, Any], ...] = ()
    n_rows: int | None = None


@dataclass(frozen=True)
class Scan:
    """What to read of every unit: the columns with their types, in batches of at most `batch_rows`."""

    schema: pl.Schema
    batch_rows: int

    def batches(self, unit: Unit) -> Iterator[pl.DataFrame]:
        """The rows of a unit, in the order of the file."""
        with open_file(unit.path) as file:
            in_file = file.schema_arrow
            present = [name for name in self.schema if name in set(in_file.names)]
            has_int96 = any(file.schema.column(i).physical_type == "INT96" for i in range(len(file.schema)))
            # A height without columns would be lost: count on one column that the file has.
            read = present or in_file.names[:1]
            for run in _runs(file, unit.row_groups, read):
                if has_int96 or run.size_bytes > _WHOLE_GROUP:
                    batch_rows = fitting_rows(run.n_rows, run.size_bytes, self.batch_rows)
                    frames = self._read_arrow(unit.path, run.groups, read, batch_rows)
                else:
                    frames = iter([_read_polars(unit.path, run.start, run.n_rows, read)])
                for frame in frames:
                    yield from slices(self._complete(frame, unit), self.batch_rows)

    def _read_arrow(self, path: str, groups: range, columns: list[str], batch_rows: int) -> Iterator[pl.DataFrame]:
        """Row groups part by part, or with INT96 timestamps, which as nanoseconds would wrap outside 1677 to 2262."""
        with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
            for batch in file.iter_batches(batch_rows, row_groups=list(groups), columns=columns, use_threads=False):
                check_texts(batch, f" of file {path!r}")
                yield to_polars(batch)

    def _complete(self, frame: pl.DataFrame, unit: Unit) -> pl.DataFrame:
        """Exactly the columns of the scan: partition values and columns newer than the file added."""
        if frame.schema == self.schema:
            return frame
        values = dict(unit.partition)
        columns = [
            pl.col(name).cast(dtype) if name in frame.columns else pl.lit(values.get(name), dtype).alias(name)
            for name, dtype in self.schema.items()
        ]
        return frame.with_columns(columns).select(self.schema.names())


def list_units(table: TableVersion) -> list[Unit]:
    """A unit for every data file of a table version, in the order of the log."""
    assert table.folder is not None
    actions = pa.table(DeltaTable(str(table.folder), version=table.version).get_add_actions(flatten=True))
    partitioned = [name for name in actions.schema.names if name.startswith("partition.")]
    units = []
    known = [name for name in ("num_records",) if name in actions.schema.names]  # some writers give no statistics
    for action in actions.select(["path", "size_bytes", *known, *partitioned]).to_pylist():
        values = tuple((name.removeprefix("partition."), action[name]) for name in partitioned)
        path, n_rows = str(data_file(table.folder, action["path"])), action.get("num_records")
        units.append(Unit(path, action["size_bytes"], (0, END), values, n_rows))
    return units


def data_file(folder: Path, path: str) -> Path:
    """The file that the log of the table in `folder` calls `path`."""
    # A shallow clone names the files of its source, as file:/data/... or file:///data/...
    return folder / re.sub("^file:/+", "/", unquote(path))


def data_files(folder: Path, version: int) -> list[Path]:
    """The files of a version of the table in `folder`."""
    actions = pa.table(DeltaTable(str(folder), version=version).get_add_actions(flatten=True))
    return [data_file(folder, path) for path in actions.column("path").to_pylist()]


def plan_tasks(units: Iterable[Unit], *, slots: int, task_bytes: int, widest_rows: int) -> list[list[Unit]]:
    """Units cut at row groups and packed into tasks, the largest first.

    A task holds at most `task_bytes`, unless a single row group is larger, and less where that gives
    every slot at least four tasks. No unit has more than `widest_rows` rows, unless a row group has.
    """
    listed = list(units)
    total = sum(unit.size_bytes for unit in listed)
    limit = min(task_bytes, max(_SMALLEST_TASK, total // (_TASKS_PER_SLOT * max(slots, 1))))
    cut = [part for unit in listed for part in _cut(unit, limit, widest_rows)]
    tasks: list[list[Unit]] = []
    room = 0
    for unit in sorted(cut, key=lambda part: -part.size_bytes):
        if unit.size_bytes > room:
            tasks.append([])
            room = limit
        tasks[-1].append(unit)
        room -= unit.size_bytes
    return tasks


def _cut(unit: Unit, limit: int, widest_rows: int) -> Iterator[Unit]:
    """A file, or its row groups in runs; footers are read only of files that may have to be cut."""
    if unit.size_bytes <= limit and unit.n_rows is not None and unit.n_rows <= widest_rows:
        yield unit
        return
    with open_file(unit.path) as file:
        metadata = file.metadata
    uncompressed = max(1, sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)))
    first, size, rows = 0, 0, 0
    for group in range(metadata.num_row_groups):
        facts = metadata.row_group(group)
        # Sizes of groups in a footer are uncompressed: share the file's own size by them.
        share = max(1, unit.size_bytes * facts.total_byte_size // uncompressed)
        if size and (size + share > limit or rows + facts.num_rows > widest_rows):
            yield Unit(unit.path, size, (first, group), unit.partition)
            first, size, rows = group, 0, 0
        size += share
        rows += facts.num_rows
    if first < metadata.num_row_groups:
        yield Unit(unit.path, size, (first, metadata.num_row_groups), unit.partition)


def open_file(path: str) -> pq.ParquetFile:
    """A data file.

    Raises
    ------
    DataError
        If it is gone.
    """
    try:
        return pq.ParquetFile(path)
    except FileNotFoundError:
        raise _missing_file(path) from None


def told_missing_file(text: str) -> DataError | None:
    """The same error where Spark says, in the text of one of its own, that a data file is gone."""
    gone = _GONE.search(text)
    return _missing_file(unquote(gone.group(1).removeprefix("file:"))) if gone else None


def _missing_file(path: str) -> DataError:
    return DataError(
        f"data file {path!r} is in the log of its table but not there: VACUUM or somebody removed it, or a worker does "
        "not see its folder. Read a version whose files are all there, or bring the file back."
    )


def slices(frame: pl.DataFrame, batch_rows: int) -> Iterator[pl.DataFrame]:
    """The frame in parts of at most `batch_rows` rows, and fewer where rows are large."""
    return frame.iter_slices(fitting_rows(frame.height, int(frame.estimated_size()), batch_rows))


def fitting_rows(n_rows: int, size_bytes: int, batch_rows: int) -> int:
    """How many of `n_rows` rows a batch should have.

    >>> fitting_rows(1_000_000, 10**8, 100_000), fitting_rows(100, 64 * 2**30, 100_000)
    (100000, 1)
    """
    return max(1, min(batch_rows, n_rows * _BATCH_BYTES // max(1, size_bytes)))


def _read_polars(path: str, start: int, n_rows: int, columns: list[str]) -> pl.DataFrame:
    try:
        return pl.scan_parquet(path, glob=False).slice(start, n_rows).select(columns).collect()
    except pl.exceptions.ComputeError:
        # It stops at text that is not UTF-8, without telling where.
        with open_file(path) as file:
            for batch in file.iter_batches(columns=columns, use_threads=False):
                check_texts(batch, f" of file {path!r}")
        raise


@dataclass(frozen=True)
class _Run:
    """Row groups that are read at once: their rows, from `start` on, and their uncompressed bytes."""

    groups: range
    start: int
    n_rows: int
    size_bytes: int


def _runs(file: pq.ParquetFile, row_groups: tuple[int, int], columns: list[str]) -> Iterator[_Run]:
    """Row groups of a unit, joined while they are small: each read has a cost of its own."""
    metadata, leaves = file.metadata, _leaves(file, columns)
    row_bytes = sum(_width(file.schema_arrow.field(name).type) for name in columns)
    first, stop = row_groups[0], min(row_groups[1], metadata.num_row_groups)
    start = sum(metadata.row_group(group).num_rows for group in range(first))
    n_rows = size = 0
    for group in range(first, stop):
        facts = metadata.row_group(group)
        more = sum(facts.column(leaf).total_uncompressed_size for leaf in leaves)
        # What is dictionary-encoded takes less room in the file than in memory.
        joined = max(size + more, (n_rows + facts.num_rows) * row_bytes)
        if n_rows and joined > _BATCH_BYTES:
            yield _Run(range(first, group), start, n_rows, size)
            first, start, n_rows, size = group, start + n_rows, 0, 0
        n_rows += facts.num_rows
        size += more
    if n_rows:
        yield _Run(range(first, stop), start, n_rows, size)


def _leaves(file: pq.ParquetFile, columns: list[str]) -> list[int]:
    """The chunks of some columns in each row group; a nested column has one for each of its leaves."""
    wanted, found = set(columns), []
    for leaf in range(file.metadata.num_columns):
        parts = file.schema.column(leaf).path.split(".")
        # A name may hold dots itself.
        if any(".".join(parts[:end]) in wanted for end in range(1, len(parts) + 1)):
            found.append(leaf)
    return found


def _width(dtype: pa.DataType) -> int:
    """The bytes of a value in memory; of text and nested values those of the view, which are the fewest."""
    try:
        return max(1, int(dtype.bit_width) // 8)
    except ValueError:
        return 16
