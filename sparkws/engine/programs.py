"""What a task does with its batches: map them, fold them into a statistic, or write them to files.

A program takes any iterator of frames, so the two lanes differ only in where the frames come from:
`OfRows` turns the Arrow batches that Spark streams into frames, `OfTasks` scans the data files that
the task was given by number.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import polars as pl
import pyarrow as pa

from sparkws.engine.direct import Scan, Unit, slices
from sparkws.engine.files import write_parquet
from sparkws.engine.types import arrow_schema, check_texts, to_arrow, to_polars
from sparkws.kernels import MapKernel, ReduceKernel, Statistic, WriteKernel

S = TypeVar("S")

TALLY: Final = "__sparkws_tally"  # in the row lane a written batch carries its statistic in this column
FOLDED: Final = pa.schema([("statistic", pa.binary())])
WRITTEN: Final = pa.schema([("add", pa.string()), ("n_rows", pa.int64()), ("statistic", pa.binary())])


@dataclass(frozen=True)
class OfRows:
    """The row lane: Spark reads, and streams batches in."""

    inner: "MapFrames | FoldFrames[Any] | TabulateFrames[Any] | TallyFrames[Any] | WriteFrames[Any]"
    schema: pl.Schema
    batch_rows: int

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The program's output for the rows of a partition."""
        # Spark numbers the columns; their names are those of the schema, in order.
        named = (batch.rename_columns(self.schema.names()) for batch in batches)
        yield from self.inner(part for batch in named for part in self._frames(batch))

    def _frames(self, batch: pa.RecordBatch) -> Iterator[pl.DataFrame]:
        check_texts(batch)
        return slices(to_polars(batch, self.schema), self.batch_rows)


@dataclass(frozen=True)
class OfTasks:
    """The direct lane: Spark streams numbers of tasks, the worker scans their files."""

    inner: "MapFrames | FoldFrames[Any] | TabulateFrames[Any]"
    tasks: Sequence[Sequence[Unit]]
    scan: Scan

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The program's output for the files of the tasks of a partition."""
        numbers = (number for batch in batches for number in batch.column(0).to_pylist())
        units = (unit for number in numbers for unit in self.tasks[number])
        yield from self.inner(frame for unit in units for frame in self.scan.batches(unit))


@dataclass(frozen=True)
class MapFrames:
    """Frames -> frames."""

    kernel: MapKernel

    def __call__(self, frames: Iterator[pl.DataFrame]) -> Iterator[pa.RecordBatch]:
        """What the kernel makes of every frame."""
        schema = arrow_schema(self.kernel.schema)
        for frame in frames:
            yield from to_arrow(self.kernel(frame), schema)


@dataclass(frozen=True)
class FoldFrames(Generic[S]):
    """Frames -> one row that holds their statistic."""

    kernel: ReduceKernel[S]

    def __call__(self, frames: Iterator[pl.DataFrame]) -> Iterator[pa.RecordBatch]:
        """One row."""
        value = fold(self.kernel, map(self.kernel.of_batch, frames))
        yield pa.RecordBatch.from_pylist([{"statistic": pack(self.kernel, value)}], schema=FOLDED)


@dataclass(frozen=True)
class TabulateFrames(Generic[S]):
    """Frames -> the rows of their statistic, for statistics that are summed up by Spark.

    Where nearly every item brings rows of its own, holding the rows of a whole task would take more memory
    than a worker has; so what has become long goes to Spark, which adds it up as it does parts of tasks.
    """

    kernel: ReduceKernel[S]
    schema: pl.Schema
    most_rows: int = 1 << 20

    def __call__(self, frames: Iterator[pl.DataFrame]) -> Iterator[pa.RecordBatch]:
        """The rows of the statistic of all frames together, or of several parts of them."""
        values = map(self.kernel.of_batch, frames)
        for part in fold_parts(self.kernel, values, self._is_long):
            yield from to_arrow(self.kernel.dump(part), arrow_schema(self.schema))

    def _is_long(self, value: S) -> bool:
        return self.kernel.dump(value).height > self.most_rows


@dataclass(frozen=True)
class TallyFrames(Generic[S]):
    """Frames -> the kernel's rows; the last row carries the statistic of all of them in a column of its own."""

    kernel: WriteKernel[S]

    def __call__(self, frames: Iterator[pl.DataFrame]) -> Iterator[pa.RecordBatch]:
        """The kernel's rows with the column `TALLY`."""
        schema = arrow_schema(self.kernel.schema)
        value, held = self.kernel.zero(), None
        for frame in frames:
            rows, part = self.kernel.run(frame)
            value = self.kernel.merge(value, part)
            for batch in to_arrow(rows, schema):
                if held is not None:
                    yield _with_tally(held, None)
                held = batch
        if held is not None:
            yield _with_tally(held, pack(self.kernel, value))


@dataclass(frozen=True)
class WriteUnits(Generic[S]):
    """The direct lane: every unit becomes a file in the target's folder; what comes back are add actions.

    A file is named by the source's file, the range and the attempt, so that a task that runs twice
    cannot touch its first try, and only what a successful task returned is ever committed.
    """

    kernel: WriteKernel[S]
    tasks: Sequence[Sequence[Unit]]
    scan: Scan
    folder: Path

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """A row for each file written."""
        attempt = uuid.uuid4().hex[:12]
        for batch in batches:
            for number in batch.column(0).to_pylist():
                written = [self._write(unit, attempt) for unit in self.tasks[number]]
                yield pa.RecordBatch.from_pylist([row for row in written if row], schema=WRITTEN)

    def _write(self, unit: Unit, attempt: str) -> dict[str, Any] | None:
        name = f"part-{sha256(unit.path.encode()).hexdigest()[:16]}-{unit.row_groups[0]}-{attempt}.parquet"
        return write_file(self.kernel, self.scan.batches(unit), self.folder / name)


@dataclass(frozen=True)
class WriteFrames(Generic[S]):
    """Frames -> files in the target's folder, for rows that Spark reads; what comes back are add actions.

    Half of what the row lane costs is the way of the rows back into Spark and out of it into files.
    """

    kernel: WriteKernel[S]
    folder: Path
    most_rows: int

    def __call__(self, frames: Iterator[pl.DataFrame]) -> Iterator[pa.RecordBatch]:
        """A row for each file written."""
        attempt = uuid.uuid4().hex
        for number, first in enumerate(frames):
            run = chain([first], _up_to(frames, self.most_rows - first.height))
            row = write_file(self.kernel, run, self.folder / f"part-{attempt}-{number}.parquet")
            yield pa.RecordBatch.from_pylist([row] if row else [], schema=WRITTEN)


@dataclass(frozen=True)
class StatisticOnly(Generic[S]):
    """A write kernel as a reduce kernel: its statistic without its rows."""

    kernel: WriteKernel[S]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return self.kernel.columns

    def of_batch(self, batch: pl.DataFrame) -> S:
        """The statistic of one batch."""
        return self.kernel.run(batch)[1]

    def zero(self) -> S:
        """The statistic of no rows."""
        return self.kernel.zero()

    def merge(self, a: S, b: S) -> S:
        """The statistic of the rows of both."""
        return self.kernel.merge(a, b)

    def dump(self, value: S) -> pl.DataFrame:
        """`value` as rows of plain types."""
        return self.kernel.dump(value)

    def load(self, rows: pl.DataFrame) -> S:
        """The value that `dump` wrote."""
        return self.kernel.load(rows)


def write_file(kernel: WriteKernel[S], frames: Iterable[pl.DataFrame], path: Path) -> dict[str, Any] | None:
    """Write the kernel's rows for all frames to one file, and give its row of `WRITTEN`; None without rows."""
    parts, value = [], kernel.zero()
    for frame in frames:
        rows, part = kernel.run(frame)
        parts.append(rows)
        value = kernel.merge(value, part)
    rows = pl.concat(parts) if parts else pl.DataFrame(schema=kernel.schema)
    if rows.is_empty():
        return None
    add = write_parquet(rows, path)
    return {"add": json.dumps(add), "n_rows": rows.height, "statistic": pack(kernel, value)}


def pack(statistic: Statistic[S], value: S) -> bytes:
    """A statistic's rows as an Arrow stream."""
    table = statistic.dump(value).to_arrow(compat_level=pl.CompatLevel.oldest())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def unpack(statistic: Statistic[S], packed: bytes) -> S:
    """The statistic that `pack` wrote."""
    return statistic.load(to_polars(pa.ipc.open_stream(packed).read_all()))


def merge_packed(statistic: Statistic[S], packed: Sequence[bytes]) -> S:
    """The merged statistic of all tasks."""
    return fold(statistic, (unpack(statistic, part) for part in packed))


def fold(statistic: Statistic[S], values: Iterable[S]) -> S:
    """All values merged."""
    (whole,) = fold_parts(statistic, values, lambda _: False)
    return whole


def fold_parts(statistic: Statistic[S], values: Iterable[S], is_full: Callable[[S], bool]) -> Iterator[S]:
    """The values merged, always two that hold equally many; what is full comes out by itself, the rest at the end.

    A statistic that grows, such as pattern counts, would be copied once for every batch if batches were
    added to a single total.
    """
    held: list[tuple[int, S]] = []
    for value in values:
        held.append((1, value))
        # None of the others is full, so the last one is looked at: before it is merged into something larger.
        while not is_full(held[-1][1]):
            if len(held) < 2 or held[-2][0] != held[-1][0]:
                break
            (size, right), (_, left) = held.pop(), held.pop()
            held.append((2 * size, statistic.merge(left, right)))
        else:
            yield held.pop()[1]
    yield reduce(statistic.merge, (value for _, value in reversed(held)), statistic.zero())


def _with_tally(batch: pa.RecordBatch, tally: bytes | None) -> pa.RecordBatch:
    column = pa.array([None] * (batch.num_rows - 1) + [tally], pa.binary())
    return batch.append_column(TALLY, column)


def _up_to(frames: Iterator[pl.DataFrame], most_rows: int) -> Iterator[pl.DataFrame]:
    """The next frames, until they have `most_rows` rows or more."""
    while most_rows > 0 and (frame := next(frames, None)) is not None:
        most_rows -= frame.height
        yield frame
