"""Tasks of the direct lane: how files are cut and packed, and that a scan reads them as they are."""

import datetime as dt
from decimal import Decimal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws.engine import direct
from sparkws.engine.direct import Scan, Unit, list_units, plan_tasks
from sparkws.engine.refs import parse_ref
from sparkws.engine.tables import TableVersion
from sparkws.errors import DataError

MIB = 1 << 20
NO_LIMIT = 1 << 62


def number_file(path, groups):
    """A file whose row groups have these many rows, numbered through."""
    start = 0
    with pq.ParquetWriter(path, pa.schema([("n", pa.int64())])) as writer:
        for n_rows in groups:
            writer.write_table(pa.table({"n": pa.array(range(start, start + n_rows), pa.int64())}))
            start += n_rows
    return str(path)


def plan(units, *, task_bytes=NO_LIMIT, slots=1, widest_rows=NO_LIMIT):
    return plan_tasks(units, slots=slots, task_bytes=task_bytes, widest_rows=widest_rows)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of 1 to 6 row groups, one of them empty, some of them with one large group."""
    folder = tmp_path_factory.mktemp("files")
    layouts = [[10], [10, 10], [5, 0, 7], [3, 2000, 3, 3], [100, 90, 80, 70, 60, 50], [1, 1, 1, 1, 1]]
    return [(number_file(folder / f"{i}.parquet", groups), groups) for i, groups in enumerate(layouts)]


chosen = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 40 * MIB)), max_size=8)


@settings(deadline=None, max_examples=100)
@given(chosen, st.integers(1, 16 * MIB), st.integers(1, 9), st.integers(1, 3000))
def test_every_row_group_is_read_once_and_in_order(files, chosen, task_bytes, slots, widest_rows):
    # The plan knows the size of a file from the log, so that a test may claim any; the place in the list
    # stands as partition, to tell two units of one file apart.
    units = [Unit(files[which][0], size, (0, -1), (("at", at),)) for at, (which, size) in enumerate(chosen)]
    tasks = plan_tasks(units, slots=slots, task_bytes=task_bytes, widest_rows=widest_rows)
    cut = [unit for task in tasks for unit in task]
    limit = min(task_bytes, max(4 * MIB, sum(unit.size_bytes for unit in units) // (4 * slots)))

    for at, (which, size) in enumerate(chosen):
        parts = sorted((unit for unit in cut if unit.partition == (("at", at),)), key=lambda unit: unit.row_groups)
        groups = files[which][1]
        covered = [group for unit in parts for group in range(*unit.row_groups)]
        assert covered == list(range(len(groups)))
        assert {unit.path for unit in parts} == {files[which][0]}
        assert size - len(groups) <= sum(unit.size_bytes for unit in parts) <= size + len(groups)
        for unit in parts:
            is_one_group = unit.row_groups[1] - unit.row_groups[0] == 1
            assert is_one_group or unit.size_bytes <= limit
            assert is_one_group or sum(groups[slice(*unit.row_groups)]) <= widest_rows

    for task in tasks:
        assert task
        assert len(task) == 1 or sum(unit.size_bytes for unit in task) <= limit
    sizes = [unit.size_bytes for unit in cut]
    assert sizes == sorted(sizes, reverse=True)


def test_an_empty_table_has_no_tasks(tmp_path):
    assert plan([]) == []
    assert plan([Unit(number_file(tmp_path / "a", []), 100, (0, -1))]) == []


def test_a_file_is_cut_at_row_groups_by_hand(tmp_path):
    path = number_file(tmp_path / "a", [100] * 8)
    (whole,) = plan([Unit(path, 80, (0, -1))])
    assert [unit.row_groups for unit in whole] == [(0, 8)]
    tasks = plan([Unit(path, 80 * MIB, (0, -1), (("day", "1"),))], task_bytes=25 * MIB)
    assert sorted(unit.row_groups for task in tasks for unit in task) == [(0, 2), (2, 4), (4, 6), (6, 8)]
    assert {unit.partition for task in tasks for unit in task} == {(("day", "1"),)}


def test_every_slot_gets_four_tasks_but_none_is_tiny(tmp_path):
    path = number_file(tmp_path / "a", [100] * 64)
    assert len(plan([Unit(path, 640 * MIB, (0, -1))], slots=4)) == 16
    assert len(plan([Unit(path, 8 * MIB, (0, -1))], slots=100)) == 2
    assert len(plan([Unit(path, 64 * MIB, (0, -1))], slots=0)) == 4


def test_small_files_share_a_task(tmp_path):
    units = [Unit(number_file(tmp_path / str(i), [1]), MIB, (0, -1)) for i in range(10)]
    assert [len(task) for task in plan(units)] == [4, 4, 2]


def test_wide_rows_make_short_units(tmp_path):
    unit = Unit(number_file(tmp_path / "a", [10] * 5), 50, (0, -1))
    assert [part.row_groups for part in plan([unit], widest_rows=25)[0]] == [(0, 2), (2, 4), (4, 5)]
    assert len(plan([unit], widest_rows=3)[0]) == 5


TABLE = pa.table(
    {
        "key": pa.array([f"k{i}" for i in range(50)]),
        "n": pa.array([None if i % 7 == 0 else i * 2**55 for i in range(50)], pa.int64()),
        "price": pa.array([Decimal(i) / 4 if i % 5 else None for i in range(50)], pa.decimal128(20, 2)),
        "seen": pa.array([dt.datetime(1 + 200 * i, 1, 1, tzinfo=dt.UTC) for i in range(49)] + [None]),
        "day": pa.array([dt.date(1 + 200 * i, 12, 31) for i in range(50)]),
        "raw": pa.array([bytes([i]) if i % 3 else None for i in range(50)]),
        "tags": pa.array([[f"t{j}" for j in range(i % 4)] if i % 6 else None for i in range(50)]),
        "pair": pa.array([{"a": i, "b": None} if i % 6 else None for i in range(50)]),
    }
)


@pytest.mark.parametrize("row_group_size", [1, 7, 50])
@pytest.mark.parametrize("batch_rows", [1, 13, 1000])
def test_a_scan_is_the_file(tmp_path, row_group_size, batch_rows):
    path = str(tmp_path / "a [1]*.parquet")
    pq.write_table(TABLE, path, row_group_size=row_group_size)
    expected = pl.DataFrame(pl.from_arrow(TABLE))
    n_groups = pq.read_metadata(path).num_row_groups
    for groups in ((0, n_groups), (n_groups // 2, n_groups), (1, 1)):
        frames = list(Scan(expected.schema, batch_rows).batches(Unit(path, 1, groups)))
        first, last = (min(50, row_group_size * group) for group in groups)
        assert all(0 < frame.height <= batch_rows for frame in frames)
        assert pl.concat([expected.clear(), *frames]).equals(expected[first:last])


@settings(deadline=None, max_examples=25)
@given(st.permutations(TABLE.column_names), st.integers(0, 8), st.integers(1, 60))
def test_any_columns_in_any_order(tmp_path_factory, names, n_columns, batch_rows):
    path = tmp_path_factory.mktemp("scan") / "a.parquet"
    pq.write_table(TABLE, path, row_group_size=20)
    expected = pl.DataFrame(pl.from_arrow(TABLE)).select("key", *(name for name in names[:n_columns] if name != "key"))
    frames = Scan(expected.schema, batch_rows).batches(Unit(str(path), 1, (0, 3)))
    assert pl.concat(frames).equals(expected)


@pytest.mark.parametrize(
    ("most_bytes", "expected"), [(1, [700] * 7 + [100]), (12_000, [1400] * 3 + [800]), (1 << 20, [5000])]
)
def test_small_row_groups_are_read_at_once_while_they_fit(tmp_path, monkeypatch, most_bytes, expected):
    path = str(tmp_path / "a.parquet")
    # Stored as a dictionary of one value, which takes next to nothing, but 8 bytes a value in memory.
    pq.write_table(pa.table({"x": [1] * 5000, "text": ["long " * 100] * 5000}), path, row_group_size=700)
    heights = []
    read = direct._read_polars

    def reading(*args):
        heights.append(args[2])
        return read(*args)

    monkeypatch.setattr(direct, "_read_polars", reading)
    monkeypatch.setattr(direct, "_BATCH_BYTES", most_bytes)
    frames = list(Scan(pl.Schema({"x": pl.Int64()}), 100).batches(Unit(path, 1, (0, 8))))
    assert pl.concat(frames)["x"].to_list() == [1] * 5000
    assert heights == expected


PARTITION_VALUES = [
    ("a b/ü", pl.String()),
    ("", pl.String()),
    (7, pl.Int32()),
    (-(2**63), pl.Int64()),
    (True, pl.Boolean()),
    (0.5, pl.Float64()),
    (dt.date(1, 1, 1), pl.Date()),
    (dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC), pl.Datetime("us", "UTC")),
    (dt.datetime(1, 1, 1), pl.Datetime("us")),
    (Decimal("-12345678901234567.89"), pl.Decimal(20, 2)),
    (b"\x00\xff", pl.Binary()),
]


@pytest.mark.parametrize(("value", "dtype"), [*PARTITION_VALUES, *((None, dtype) for _, dtype in PARTITION_VALUES)])
def test_partition_values_stand_in_every_row(tmp_path, value, dtype):
    path = number_file(tmp_path / "a.parquet", [3, 2])
    schema = pl.Schema({"part": dtype, "n": pl.Int64()})
    frame = pl.concat(Scan(schema, 2).batches(Unit(path, 1, (0, 2), (("part", value),))))
    assert frame.schema == schema
    assert frame.rows() == [(value, n) for n in range(5)]
    # Nothing that the file itself holds is asked for: its rows are counted all the same.
    alone = pl.concat(Scan(pl.Schema({"part": dtype}), 2).batches(Unit(path, 1, (0, 2), (("part", value),))))
    assert alone["part"].to_list() == [value] * 5


def test_columns_newer_than_the_file_are_null_and_older_types_widen(tmp_path):
    path = number_file(tmp_path / "a.parquet", [3])
    schema = pl.Schema({"text": pl.String(), "n": pl.Float64(), "tags": pl.List(pl.String())})
    (frame,) = Scan(schema, 10).batches(Unit(path, 1, (0, 1)))
    assert frame.schema == schema
    assert frame.rows() == [(None, 0.0, None), (None, 1.0, None), (None, 2.0, None)]


def test_a_file_that_is_gone_is_named(tmp_path):
    unit = Unit(str(tmp_path / "gone.parquet"), 10, (0, 1 << 31))
    for work in (lambda: list(Scan(pl.Schema({"n": pl.Int64}), 10).batches(unit)), lambda: plan([unit], widest_rows=1)):
        with pytest.raises(DataError, match=r"data file '.*gone.parquet' is in the log of its table but not there"):
            work()


@pytest.mark.parametrize("bad", [b"\xff", b"\xed\xa0\x80", b"abc\xc3"])
def test_text_that_is_not_utf8_is_refused_with_column_and_file(tmp_path, bad):
    raw = pa.array([b"fine", bad, None], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    pq.write_table(pa.table({"n": [1, 2, 3], "text": text}), tmp_path / "a.parquet")
    unit, text_only = Unit(str(tmp_path / "a.parquet"), 10, (0, 1 << 31)), pl.Schema({"n": pl.Int64, "text": pl.String})
    with pytest.raises(DataError, match=r"column 'text' of file '.*a.parquet' holds text that is not UTF-8"):
        list(Scan(text_only, 10).batches(unit))
    # What is not read is not looked at.
    assert [frame.height for frame in Scan(pl.Schema({"n": pl.Int64}), 10).batches(unit)] == [3]


def test_batches_of_large_rows_are_short(tmp_path):
    texts = ["x" * (40 * MIB)] * 9 + [""]
    pq.write_table(pa.table({"te.xt": texts, "n": range(10)}), tmp_path / "a.parquet", use_dictionary=False)
    scan = Scan(pl.Schema({"te.xt": pl.String, "n": pl.Int64}), 100)
    frames = list(scan.batches(Unit(str(tmp_path / "a.parquet"), 10, (0, 1 << 31))))
    # 360 MiB are 10 rows of 36 MiB on average, of which one fits into 64 MiB.
    assert [frame.height for frame in frames] == [1] * 10
    assert [frame["te.xt"].str.len_bytes()[0] for frame in frames] == [40 * MIB] * 9 + [0]
    assert [frame["n"][0] for frame in frames] == list(range(10))


def test_int96_reaches_from_the_first_year_to_the_last(tmp_path):
    seen = [
        dt.datetime(1, 1, 1, tzinfo=dt.UTC),
        None,
        dt.datetime(1600, 2, 29, 12, 30, 15, 123456, tzinfo=dt.UTC),
        dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC),
        dt.datetime(2500, 1, 1, tzinfo=dt.UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC),
    ]
    path = tmp_path / "a.parquet"
    table = pa.table({"n": np.arange(6), "seen": pa.array(seen, pa.timestamp("us", "UTC"))})
    pq.write_table(table, path, use_deprecated_int96_timestamps=True, row_group_size=4)
    assert pq.ParquetFile(path).schema.column(1).physical_type == "INT96"
    schema = pl.Schema({"seen": pl.Datetime("us", "UTC"), "n": pl.Int64()})
    frames = list(Scan(schema, 3).batches(Unit(str(path), 1, (0, 2))))
    assert [frame.height for frame in frames] == [3, 3]
    assert pl.concat(frames).rows() == list(zip(seen, range(6), strict=True))
    alone = Scan(pl.Schema({"part": pl.Int64()}), 10).batches(Unit(str(path), 1, (0, 2), (("part", 5),)))
    assert pl.concat(alone)["part"].to_list() == [5] * 6


def test_units_of_a_partitioned_table_come_from_its_log(tmp_path):
    days = [dt.date(1, 1, 1), None, dt.date(9999, 12, 31)]
    rows = pl.DataFrame(
        {
            "n": range(9),
            "day": days * 3,
            "text": ["a b/ü=%2F", None, ""] * 3,
            "flag": [True, False, None] * 3,
            "seen": [dt.datetime(1, 1, 1, tzinfo=dt.UTC), None, dt.datetime(2026, 1, 1, 1, 2, 3, 456, tzinfo=dt.UTC)]
            * 3,
            "price": pl.Series([Decimal("1.50"), None, Decimal("20.25")] * 3, dtype=pl.Decimal(10, 2)),
        },
        schema_overrides={"n": pl.Int64},
    )
    folder = tmp_path / "a table"
    arrow = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
    write_deltalake(str(folder), arrow, partition_by=["day", "text", "flag", "seen", "price"])
    write_deltalake(str(folder), arrow, mode="append")
    version = TableVersion(parse_ref(str(folder)), 0, folder, rows.schema, "")
    units = list_units(version)
    assert len(units) == 3
    (task,) = plan(units)
    got = pl.concat(frame for unit in task for frame in Scan(rows.schema, 10).batches(unit))
    # Hive folders cannot tell an empty text from none: both are NULL, by Delta's definition.
    expected = rows.with_columns(pl.when(pl.col("text") != "").then("text"))
    assert got.sort("n").equals(expected)
    assert len(list_units(TableVersion(version.ref, 1, folder, rows.schema, ""))) == 6
