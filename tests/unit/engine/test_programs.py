"""Programs on frames: maps, folds, statistics that travel, and what a written file says of itself."""

import datetime as dt
import json
import tempfile
from collections import Counter
from decimal import Decimal
from functools import reduce
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sparkws.engine.direct import Scan, Unit
from sparkws.engine.files import log_statistics
from sparkws.engine.programs import (
    TALLY,
    FoldFrames,
    MapFrames,
    OfRows,
    OfTasks,
    StatisticOnly,
    TabulateFrames,
    TallyFrames,
    WriteFrames,
    WriteUnits,
    fold,
    merge_packed,
    pack,
    unpack,
)
from sparkws.engine.types import to_polars
from sparkws.errors import DataError
from sparkws.vocab import ITEM_ID

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
frames = st.lists(st.lists(texts, max_size=5), max_size=9)


class Words:
    """Counts texts: all kernels in one, with a statistic that grows."""

    columns = ("word",)
    schema = pl.Schema({ITEM_ID: pl.String, "length": pl.Int8})
    dump_schema = pl.Schema({"word": pl.String, "n": pl.Int64})

    def zero(self):
        return Counter()

    def merge(self, a, b):
        return a + b

    def dump(self, value):
        return pl.DataFrame(list(value.items()), self.dump_schema, orient="row")

    def load(self, rows):
        return Counter(dict(rows.iter_rows()))

    def of_batch(self, batch):
        return Counter(batch["word"])

    def __call__(self, batch):
        return batch.select(pl.col("word").alias(ITEM_ID), pl.col("word").str.len_chars().cast(pl.Int8).alias("length"))

    def run(self, batch):
        return self(batch), self.of_batch(batch)


KERNEL = Words()


def words(values):
    return pl.DataFrame({"word": values}, schema={"word": pl.String})


def table(batches):
    return to_polars(pa.Table.from_batches(list(batches)))


class Remembers:
    """A statistic that tells how it was merged: the values, and how deep the merges lie above each other."""

    def zero(self):
        return ((), 0)

    def merge(self, a, b):
        return (tuple(sorted(a[0] + b[0])), max(a[1], b[1]) + 1)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers()))
def test_a_fold_is_a_reduce(values):
    statistic = Remembers()
    found, depth = fold(statistic, (((value,), 0) for value in values))
    assert found == tuple(sorted(values))
    # A plain reduce would merge the first value as often as there are others.
    assert depth <= 2 * len(values).bit_length()
    counters = [Counter({str(value % 3): 1, str(value): 2}) for value in values]
    assert fold(KERNEL, counters) == reduce(KERNEL.merge, counters, KERNEL.zero())


@settings(deadline=None, max_examples=50)
@given(frames, st.integers(1, 20))
@example([[], [], [], [], ["00"], ["", "4"], ["0", "1"], ["2", "3"], [""]], 3)
def test_what_becomes_long_goes_on_in_parts(parts, most_rows):
    batches = [table([batch]) for batch in TabulateFrames(KERNEL, KERNEL.dump_schema, most_rows)(map(words, parts))]
    counted = Counter()
    for rows in batches:
        counted += KERNEL.load(rows)
    assert counted == Counter(word for part in parts for word in part)
    # A part is full as soon as it is too long: before its last merge neither half was.
    longest = max((len(set(part)) for part in parts), default=0)
    assert all(rows.height <= 2 * max(most_rows, longest) for rows in batches[:-1])
    short = TabulateFrames(KERNEL, KERNEL.dump_schema, sum(map(len, parts)))(map(words, parts))
    assert sum(batch.num_rows for batch in short) == len(counted)


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(texts, st.integers(1, 2**60)))
def test_a_packed_statistic_is_unpacked(counts):
    packed = pack(KERNEL, Counter(counts))
    assert isinstance(packed, bytes)
    assert unpack(KERNEL, packed) == counts
    assert merge_packed(KERNEL, [packed, packed]) == {word: 2 * n for word, n in counts.items()}
    assert merge_packed(KERNEL, []) == Counter()


@settings(deadline=None, max_examples=50)
@given(frames)
def test_a_fold_of_frames_is_one_row(parts):
    (row,) = FoldFrames(KERNEL)(words(part) for part in parts)
    assert row.num_rows == 1
    expected = Counter(word for part in parts for word in part)
    assert unpack(KERNEL, row.column("statistic")[0].as_py()) == expected
    assert unpack(KERNEL, next(FoldFrames(StatisticOnly(KERNEL))(map(words, parts))).column(0)[0].as_py()) == expected
    tabulated = list(TabulateFrames(KERNEL, KERNEL.dump_schema)(map(words, parts)))
    assert (KERNEL.load(table(tabulated)) if tabulated else Counter()) == expected


@settings(deadline=None, max_examples=50)
@given(frames)
def test_the_last_row_carries_the_tally(parts):
    got = list(TallyFrames(KERNEL)(map(words, parts)))
    flat = [word for part in parts for word in part]
    assert [word for batch in got for word in batch.column(ITEM_ID).to_pylist()] == flat
    tallies = [tally for batch in got for tally in batch.column(TALLY).to_pylist()]
    assert tallies[:-1] == [None] * max(len(flat) - 1, 0)
    if flat:
        assert unpack(KERNEL, tallies[-1]) == Counter(flat)


def test_a_statistic_alone_is_that_of_the_kernel():
    alone = StatisticOnly(KERNEL)
    assert alone.columns == KERNEL.columns
    assert alone.merge(alone.of_batch(words(["a"])), alone.zero()) == Counter("a")
    assert alone.load(alone.dump(Counter("ab"))) == Counter("ab")


@pytest.mark.parametrize("batch_rows", [1, 2, 100])
def test_both_lanes_feed_a_program_alike(tmp_path, batch_rows):
    files = [["a", "bb", "a"], [], ["ccc"]]
    for i, values in enumerate(files):
        words(values).write_parquet(tmp_path / f"{i}.parquet")
    units = [Unit(str(tmp_path / f"{i}.parquet"), 100, (0, 1)) for i in (0, 2)]
    schema = pl.Schema({"word": pl.String})
    numbers = iter([pa.record_batch({"id": [1]}), pa.record_batch({"id": [0]})])
    direct = OfTasks(MapFrames(KERNEL), [units[:1], units[1:]], Scan(schema, batch_rows))
    streamed = (batch for values in files for batch in words(values).to_arrow().to_batches())
    rows = OfRows(MapFrames(KERNEL), schema, batch_rows)
    got = [table(direct(numbers)), table(rows(streamed))]
    assert got[0].sort(ITEM_ID).equals(got[1].sort(ITEM_ID))
    assert got[1].rows() == [("a", 1), ("bb", 2), ("a", 1), ("ccc", 3)]
    assert got[1].schema == KERNEL.schema


def test_rows_arrive_with_the_types_and_the_order_that_were_asked_for():
    class Sees:
        schema = pl.Schema({"seen": pl.String})

        def __call__(self, batch):
            return pl.DataFrame({"seen": [str(dict(batch.schema))]})

    batch = pa.record_batch({"c0": pa.array(["x"]), "c1": pa.array([1], pa.int32())})  # as Spark numbers them
    (seen,) = OfRows(MapFrames(Sees()), pl.Schema({"a": pl.String, "b": pl.Int64}), 10)(iter([batch]))
    assert seen.column(0).to_pylist() == ["{'a': String, 'b': Int64}"]


def write(folder, units, rows=3):
    program = WriteUnits(KERNEL, [units], Scan(pl.Schema({"word": pl.String}), rows), folder)
    return table(program(iter([pa.record_batch({"id": [0]})])))


def test_text_that_is_not_utf8_is_refused_with_its_column():
    raw = pa.array([b"fine", b"\xed\xa0\x80", None], pa.binary())
    batch = pa.record_batch({"c0": pa.Array.from_buffers(pa.string(), 3, raw.buffers())})
    program = OfRows(MapFrames(KERNEL), pl.Schema({"text": pl.String}), 10)
    with pytest.raises(DataError, match="column 'text' holds text that is not UTF-8"):
        list(program(iter([batch])))


def test_a_written_file_is_what_its_action_says(tmp_path):
    source, target = tmp_path / "source.parquet", tmp_path / "target"
    target.mkdir()
    words([f"word {i}" for i in range(10)]).write_parquet(source, row_group_size=4)
    units = [Unit(str(source), 100, (0, 2)), Unit(str(source), 50, (2, 3))]
    first, again = write(target, units), write(target, units)
    assert first["n_rows"].to_list() == [8, 2]
    adds = [json.loads(add) for add in [*first["add"], *again["add"]]]
    assert len({add["path"] for add in adds}) == 4, "a second attempt cannot touch the files of the first"
    assert {add["path"] for add in adds} == {file.name for file in target.iterdir()}
    for add, expected in zip(adds, [range(8), range(8, 10)] * 2, strict=True):
        file = target / add["path"]
        assert (add["size"], add["modified"]) == (file.stat().st_size, int(file.stat().st_mtime * 1000))
        rows = pl.read_parquet(file)
        assert rows[ITEM_ID].to_list() == [f"word {i}" for i in expected]
        assert rows.schema == KERNEL.schema
        assert json.loads(add["stats"]) == log_statistics(rows)
        assert pq.read_schema(file).field("length").type == pa.int8()
    assert merge_packed(KERNEL, first["statistic"].to_list()) == Counter(f"word {i}" for i in range(10))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 5), max_size=8), st.integers(1, 12))
def test_streamed_rows_fill_files_in_their_order(tmp_path, heights, most_rows):
    target = Path(tempfile.mkdtemp(dir=tmp_path))
    wanted = [f"word {i}" for i in range(sum(heights))]
    frames, rest = [], wanted
    for height in heights:
        frames.append(words(rest[:height]))
        rest = rest[height:]
    batches = list(WriteFrames(KERNEL, target, most_rows)(iter(frames)))
    written = [row for batch in batches for row in batch.to_pylist()]
    files = [pl.read_parquet(target / json.loads(row["add"])["path"]) for row in written]
    assert [name for file in files for name in file[ITEM_ID]] == wanted
    assert [file.height for file in files] == [row["n_rows"] for row in written]
    assert {file.name for file in target.iterdir()} == {json.loads(row["add"])["path"] for row in written}
    # A file ends with the first frame that fills it.
    assert all(file.height >= most_rows for file in files[:-1])
    assert all(file.height < most_rows + 5 for file in files)
    assert merge_packed(KERNEL, [row["statistic"] for row in written]) == Counter(wanted)


def test_nothing_to_write_leaves_no_file(tmp_path):
    source, target = tmp_path / "source.parquet", tmp_path / "target"
    target.mkdir()
    with pq.ParquetWriter(source, pa.schema([("word", pa.string())])) as writer:
        writer.write_table(pa.table({"word": pa.array([], pa.string())}))
    assert write(target, [Unit(str(source), 100, (0, pq.read_metadata(source).num_row_groups))]).is_empty()
    assert list(target.iterdir()) == []


# Few letters, so that keys share long beginnings; among them the first and last code points, and one
# that UTF-16 would put elsewhere.
letters = st.sampled_from(["a", "b", "ü", "\x00", "\uffff", "\U0001f600", "\U0010ffff"])
long_keys = st.builds(lambda start, rest: start * 31 + rest, letters, st.text(letters, max_size=5))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.one_of(st.none(), long_keys, st.text(letters, max_size=40)), min_size=1))
def test_the_range_in_the_log_holds_every_key(keys):
    statistics = log_statistics(pl.DataFrame({ITEM_ID: keys}, schema={ITEM_ID: pl.String}))
    assert (statistics["numRecords"], statistics["nullCount"][ITEM_ID]) == (len(keys), keys.count(None))
    known = [key for key in keys if key is not None]
    if not known:
        assert "minValues" not in statistics
        return
    low, high = statistics["minValues"][ITEM_ID], statistics["maxValues"][ITEM_ID]
    # Python compares strings by code point, as Spark does.
    assert all(low <= key <= high for key in known)
    assert len(low) <= 32
    if all(len(key) <= 32 for key in known):
        assert (low, high) == (min(known), max(known))
    if max(known)[32:33] != "\U0010ffff":
        assert len(high) <= 33
    json.dumps(statistics)


@pytest.mark.parametrize(
    ("keys", "low", "high"),
    [
        (pl.Series([3, None, -(2**62)]), -(2**62), 3),
        (pl.Series([7, 9], dtype=pl.Int32), 7, 9),
        (pl.Series([dt.date(2026, 1, 2), dt.date(1, 1, 1)]), "0001-01-01", "2026-01-02"),
    ],
)
def test_numbers_and_dates_have_a_range(keys, low, high):
    statistics = json.loads(json.dumps(log_statistics(pl.DataFrame({ITEM_ID: keys, "lf_a": keys}))))
    assert statistics["minValues"] == {ITEM_ID: low}
    assert statistics["maxValues"] == {ITEM_ID: high}
    assert statistics["nullCount"] == {ITEM_ID: keys.null_count()}


@pytest.mark.parametrize(
    "keys", [pl.Series([Decimal("1.50")]), pl.Series([b"\xff"]), pl.Series([dt.datetime(2026, 1, 1)]), pl.Series([1.5])]
)
def test_other_keys_have_none(keys):
    assert log_statistics(pl.DataFrame({ITEM_ID: keys})) == {"numRecords": 1, "nullCount": {ITEM_ID: 0}}


def test_a_table_without_a_key_is_counted():
    assert log_statistics(pl.DataFrame({"lf": [1, 2]})) == {"numRecords": 2}
