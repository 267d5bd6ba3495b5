"""The ledger's rows say what its records say."""

import datetime as dt

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws.manage.ledger import SCHEMA, StepRecord, from_rows, last_success, maker_of, next_sequence, to_rows

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.integers(-(2**62), 2**62)
versions = st.dictionaries(names, st.none() | st.integers(0, 2**62), max_size=3)
plain = st.recursive(
    st.none() | st.booleans() | numbers | st.floats(allow_nan=False) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
details = st.dictionaries(names, plain, max_size=3)
records = st.builds(
    StepRecord,
    step=names,
    sequence=st.integers(1, 20),
    status=st.sampled_from(["started", "done", "failed"]),
    inputs=versions,
    outputs=versions,
    fingerprints=details,
    started_at=st.datetimes(timezones=st.just(dt.UTC)),
    seconds=st.floats(0, 1e9),
    n_rows=st.integers(0, 2**62),
    details=details,
    sparkws_version=names,
)
lists = st.lists(records, max_size=4)


def record(sequence, status="done", step="spam.votes", **more):
    return StepRecord(
        step=step,
        sequence=sequence,
        status=status,
        inputs={"items": 3},
        started_at=dt.datetime(2026, 7, 1, 12, 0, 0, 123456, dt.UTC),
        **more,
    )


@settings(deadline=None, max_examples=60)
@given(lists)
def test_rows_hold_the_records(records):
    ordered = sorted(records, key=lambda record: record.sequence)
    rows = to_rows(records)
    assert rows.schema == SCHEMA
    assert from_rows(rows) == ordered
    # The table's files come back in any order of appends; two rows of one number stay as they were.
    appended = pl.concat([to_rows([record]) for record in records]) if records else rows
    assert from_rows(appended) == ordered


def test_a_row_by_hand():
    row = to_rows([record(7, outputs={"spam_votes": None}, details={"größe": [1, None]})]).row(0, named=True)
    assert row["inputs"] == '{"items": 3}'
    assert row["outputs"] == '{"spam_votes": null}'
    assert row["details"] == '{"größe": [1, null]}'
    assert row["started_at"] == dt.datetime(2026, 7, 1, 12, 0, 0, 123456, dt.UTC)


@given(lists)
def test_the_next_number_is_above_all_others(records):
    number = next_sequence(records)
    assert number >= 1
    assert all(number > record.sequence for record in records)


def test_the_first_number():
    assert next_sequence([]) == 1
    assert next_sequence([record(4, "failed"), record(2)]) == 5


def test_the_last_success_of_a_step():
    records = [
        record(1),
        record(3, n_rows=3),
        record(2),
        record(4, "started"),
        record(5, "failed"),
        record(6, step="spam.labels"),
    ]
    assert last_success(records, "spam.votes") == records[1]
    assert last_success(records, "spam.labels") == records[5]
    assert last_success(records, "spam.stats") is None
    assert last_success([], "spam.votes") is None


def test_the_run_that_made_a_table_as_it_is_at_a_version():
    records = [
        record(1, outputs={"spam_labels": 0}),
        record(3, outputs={"spam_labels": 4, "other": 9}),
        record(4, status="failed", outputs={"spam_labels": 5}),
        record(2, outputs={"spam_labels": 2}),
        record(5, outputs={"spam_labels": None}),
    ]
    made = {version: maker_of(records, "spam_labels", version) for version in (0, 1, 3, 6)}
    # Version 6 is the fourth after it was rearranged; a failed run made nothing.
    assert {version: one.sequence for version, one in made.items()} == {0: 1, 1: 1, 3: 2, 6: 3}
    assert maker_of(records, "spam_votes", 7) is None
    assert maker_of([], "spam_labels", 7) is None
