"""Statistics of multi-label tasks: each label is counted as a task of its own."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkws.errors import InvalidLabelMatrix, MissingColumns
from sparkws.stats.bylabel import LabelPatternsKernel, LabelTableKernel, all_columns, label_triples
from sparkws.stats.counters import of_patterns
from sparkws.stats.patterns import PatternsKernel

LABELS = {"a": ("f__a", "g__a", "h__a"), "b": ("f__b",), "c": ()}
COLUMNS = all_columns(LABELS)
VOTE = st.sampled_from([1, 0, -1, None])
ROWS = st.lists(
    st.tuples(*[VOTE] * len(COLUMNS), st.none() | st.lists(st.sampled_from([0, 1, 2]), max_size=3, unique=True)),
    max_size=20,
)


def frame(rows):
    schema = {**dict.fromkeys(COLUMNS, pl.Int8), "gold": pl.List(pl.Int8)}
    return pl.DataFrame(rows, schema, orient="row").with_row_index("item_id").cast({"item_id": pl.Int64})


@given(ROWS)
def test_each_label_is_counted_as_a_task_of_two_classes(rows):
    counted = LabelPatternsKernel(LABELS, with_gold=True).of_batch(frame(rows))
    assert list(counted) == ["a", "b"]
    for at, label in enumerate(counted):
        gold = [-1 if row[-1] is None else int(at in row[-1]) for row in rows]
        own = frame(rows).with_columns(pl.Series("gold", gold, dtype=pl.Int8))
        assert counted[label] == PatternsKernel(LABELS[label], 2, with_gold=True).of_batch(own)


@given(ROWS, st.integers(0, 20))
def test_parts_add_up_in_any_order_and_travel_as_rows(rows, cut):
    kernel = LabelPatternsKernel(LABELS, with_gold=True)
    items = frame(rows)
    one, two = kernel.of_batch(items[:cut]), kernel.of_batch(items[cut:])
    whole = kernel.of_batch(items)
    assert kernel.merge(one, two) == kernel.merge(two, one) == whole
    assert kernel.merge(whole, kernel.zero()) == whole
    dumped = pl.concat([kernel.dump(two), kernel.dump(one)])
    assert dumped.schema == kernel.dump_schema
    assert kernel.load(dumped) == whole


@given(ROWS, st.integers(0, 20))
def test_counters_are_those_of_each_label(rows, cut):
    kernel = LabelPatternsKernel(LABELS, with_gold=True)
    counted = kernel.of_batch(frame(rows))
    stored, table = kernel.dump(counted), LabelTableKernel(LABELS)
    parts = [table.run(part)[1] for part in (stored[:cut], stored[cut:])]
    assert table.merge(*parts) == {label: of_patterns(patterns) for label, patterns in counted.items()}
    assert table.load(pl.concat([table.dump(part) for part in parts])) == table.merge(*parts)
    assert table.merge(table.zero(), parts[0]) == parts[0]


def test_a_vote_for_a_class_index_is_refused():
    with pytest.raises(InvalidLabelMatrix, match="'g__a' voted 2 on item_id 0"):
        LabelPatternsKernel(LABELS).of_batch(frame([(1, 2, 0, 1, None)]))


def test_a_column_that_is_missing_is_named():
    with pytest.raises(MissingColumns, match="lacks \\['h__a'\\]"):
        LabelPatternsKernel(LABELS).of_batch(frame([]).drop("h__a"))


def test_triples_are_of_one_label_each():
    rng = np.random.default_rng(0)
    labels = {"a": ("f__a", "g__a"), "b": ("f__b", "g__b", "h__b"), "c": (), "d": ("f__d", "g__d", "h__d")}
    votes = frame([(1,) * 4 + (None,)] * 3).select(
        "item_id", *[pl.lit(1, pl.Int8).alias(c) for c in all_columns(labels)]
    )
    counters = {label: of_patterns(p) for label, p in LabelPatternsKernel(labels).of_batch(votes).items()}
    assert label_triples(counters, labels, rng) == ((2, 3, 4), (5, 6, 7))
