"""Laws of the kernel: rows, batches and other functions do not matter to a vote."""

import re
import sys

import numpy as np
import polars as pl
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws.errors import ConfigError, FunctionFailed, InvalidKeys, InvalidVote, MissingColumns
from sparkws.lfconfig import DeclarativeLFConfig
from sparkws.lfs import LabelingFunction, LFSet, VotesKernel, declarative_lfs, labeling_function, preprocessor
from sparkws.vocab import ABSTAIN

QUICK = settings(max_examples=25, deadline=None)

CLASSES = ("ham", "spam")
SCHEMA = pl.Schema({"id": pl.Int64, "text": pl.String, "n": pl.Int64})


@preprocessor
def with_words(x):
    x.words = x.text.split()
    return x


@labeling_function(pre=[with_words])
def lf_words(x):
    return "spam" if len(x.words) > 1 else ABSTAIN


@labeling_function
def lf_division(x):
    return 1 if 6 // x.n > 2 else 0


@labeling_function
def lf_title(x):
    return np.int8(1) if x["text"].istitle() else ABSTAIN


@labeling_function(vectorized="polars", columns=["text"])
def lf_long(frame):
    return frame["text"].str.len_chars().gt(3).cast(pl.Int8).replace({0: None})


@labeling_function(vectorized="arrow", columns=["n"])
def lf_even(batch):
    return pc.if_else(pc.equal(pc.bit_wise_and(batch["n"], 1), 0), "ham", "spam")


DECLARED = declarative_lfs(
    DeclarativeLFConfig.model_validate(config)
    for config in (
        {"name": "lf_keyword", "keyword": {"column": "text", "any": ["a", "b c"], "label": "spam"}},
        {"name": "lf_regex", "regex": {"column": "text", "pattern": r"\d", "label": 0}},
        {"name": "lf_lookup", "lookup": {"column": "n", "values": {1: "ham", 2: "spam"}}},
        {"name": "lf_bound", "threshold": {"column": "n", "above": 2, "label": 1}},
        {"name": "lf_sql", "expression": {"sql": "CASE WHEN n > 1 THEN 'spam' END"}},
    )
)
LFS = LFSet([lf_words, DECLARED[0], lf_division, lf_long, *DECLARED[1:], lf_title, lf_even])
items = st.lists(
    st.tuples(st.none() | st.text("abc Aé1\n", max_size=6), st.none() | st.integers(-2, 4)), max_size=12
).map(lambda rows: pl.DataFrame([(i, *row) for i, row in enumerate(rows)], SCHEMA, orient="row"))


def kernel(lfs=LFS, **options):
    return VotesKernel(LFSet(lfs), CLASSES, "id", SCHEMA, **options)


KERNEL = kernel()


@QUICK
@given(items)
def test_a_batch_equals_row_by_row(items):
    votes, found = KERNEL.run(items)
    faults = found.faults
    assert votes.schema == KERNEL.schema
    assert votes["item_id"].to_list() == items["id"].to_list()
    one_by_one = [KERNEL.run(items[row]) for row in range(len(items))]
    assert votes.rows() == [row for single, _ in one_by_one for row in single.rows()]
    total = KERNEL.zero()
    for _, single in one_by_one:
        total = KERNEL.merge(single, total)
    assert total.faults == faults
    assert faults.counts_by_lf() == {name: count for name in LFS.names if (count := votes[name].null_count())}


@QUICK
@given(items, st.integers(0, 12), st.integers(0, 12))
def test_any_split_gives_the_same_votes(items, cut, other):
    low, high = sorted((cut, other))
    parts = [KERNEL.run(part) for part in (items[:low], items[low:high], items[high:])]
    votes, found = KERNEL.run(items)
    faults = found.faults
    assert pl.concat([part for part, _ in parts]).equals(votes)
    merged = KERNEL.merge(parts[2][1], KERNEL.merge(parts[0][1], parts[1][1]))
    assert merged.faults == faults == KERNEL.load(KERNEL.dump(found)).faults
    assert KERNEL.load(KERNEL.dump(merged)) == merged


@QUICK
@given(items, st.permutations(LFS.names))
def test_neither_order_nor_company_changes_a_column(items, order):
    votes, _ = KERNEL.run(items)
    shuffled, _ = kernel(LFS.select(order)).run(items)
    assert shuffled.select(votes.columns).equals(votes)
    alone, _ = kernel([LFS[order[0]]]).run(items)
    assert alone[order[0]].equals(votes[order[0]])


def raises_in_a_batch(frame):
    raise ValueError("no")


def panics(x):
    raise pl.exceptions.PanicException("panic")


class Cancelled(BaseException):
    """As asyncio and others have them: no `Exception`."""


def cancels(x):
    raise Cancelled


FAULTY = [
    LabelingFunction("lf_faulty", lambda x: x.text[1000]),
    LabelingFunction("lf_faulty", lambda x: sys.exit(1)),
    LabelingFunction("lf_faulty", panics),
    LabelingFunction("lf_faulty", cancels),
    LabelingFunction("lf_faulty", cancels, vectorized="polars"),
    LabelingFunction("lf_faulty", lambda x: 1, pre=[preprocessor(cancels)]),
    LabelingFunction("lf_faulty", lambda x: getattr(x, "u" + "rl")),
    LabelingFunction("lf_faulty", raises_in_a_batch, vectorized="polars"),
    LabelingFunction("lf_faulty", raises_in_a_batch, vectorized="arrow"),
    *declarative_lfs([DeclarativeLFConfig(name="lf_faulty", expression={"sql": "CAST(text AS INT)"})]),
]


@pytest.mark.parametrize("faulty", FAULTY, ids=lambda lf: lf.kind)
def test_a_faulting_function_changes_no_other_column(faulty):
    items = pl.DataFrame([(1, "a x", 1), (2, "b c", 0), (3, "", 3)], SCHEMA, orient="row")
    votes, found = KERNEL.run(items)
    faults = found.faults
    for lfs in ([faulty, *LFS], [*LFS, faulty]):
        with_faulty, found = kernel(lfs).run(items)
        more = found.faults
        assert with_faulty.select(votes.columns).equals(votes)
        assert with_faulty["lf_faulty"].to_list() == [None, None, None]
        assert {key: count for key, count in more.counts.items() if key[0] != "lf_faulty"} == faults.counts
        assert more.counts_by_lf()["lf_faulty"] == 3
        assert set(more.sample.filter(lf="lf_faulty")["item_id"]) == {"1", "2", "3"}
        assert set(more.sample.filter(lf="lf_faulty")["lf_fingerprint"]) == {faulty.fingerprint}


def test_always_raising_is_not_abstaining():
    items = pl.DataFrame([(i, None, None) for i in range(30)], SCHEMA, orient="row")
    votes, found = kernel([lf_title, DECLARED[0]]).run(items)
    faults = found.faults
    assert votes["lf_title"].null_count() == 30
    assert set(votes["lf_keyword"]) == {ABSTAIN}
    assert faults.counts == {("lf_title", "AttributeError"): 30}
    assert len(faults.kept) == 10


def test_fail_says_who_where_and_what():
    items = pl.DataFrame([(7, "a", 1), (17, "b", 0), (27, "b", 0)], SCHEMA, orient="row")
    message = "'lf_division' raised on 2 of 3 items of a batch; first on item_id 17: ZeroDivisionError("
    with pytest.raises(FunctionFailed, match=re.escape(message)):
        kernel(on_fault="fail").run(items)


@pytest.mark.parametrize("on_fault", ["fail", "quarantine"])
def test_an_invalid_vote_is_never_a_fault(on_fault):
    items = pl.DataFrame([(7, "a", 1), (8, "b", 1)], SCHEMA, orient="row")
    bad = labeling_function("lf_bad")(lambda x: None if x.text == "b" else 1)
    with pytest.raises(
        InvalidVote, match=re.escape("'lf_bad' returned None for 1 of 2 items of a batch, on item_id [8]")
    ):
        kernel([lf_title, bad], on_fault=on_fault).run(items)
    number = declarative_lfs([DeclarativeLFConfig(name="lf_bad", expression={"sql": "n + 1"})])
    with pytest.raises(InvalidVote, match=r"'lf_bad' returned 2 for 2 of 2 items of a batch, on item_id \[7, 8\]"):
        kernel(number, on_fault=on_fault).run(items)


def test_interrupting_is_no_fault():
    def interrupts(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kernel([LabelingFunction("lf_a", interrupts)]).run(pl.DataFrame([(1, "", 1)], SCHEMA, orient="row"))


def test_reads_only_what_is_needed():
    assert kernel([lf_title]).columns == ("id", "text")
    assert kernel([lf_even, lf_title]).columns == ("id", "text", "n")
    assert kernel([LabelingFunction("lf_a", print)]).columns == ("id", "text", "n")
    assert kernel([LabelingFunction("lf_a", lambda x: 1)]).columns == ("id",)
    assert kernel(LFS).schema == pl.Schema({"item_id": pl.Int64, **dict.fromkeys(LFS.names, pl.Int8)})


def test_functions_that_read_nothing_vote_on_every_item():
    items = pl.DataFrame([(1, None, None), (2, None, None)], SCHEMA, orient="row")
    votes, _ = kernel([LabelingFunction("lf_a", lambda x: 1)]).run(items.select("id"))
    assert votes["lf_a"].to_list() == [1, 1]


@QUICK
@given(st.integers(0, 3))
def test_no_items_no_votes(n_lfs):
    votes, found = kernel(list(LFS)[:n_lfs]).run(pl.DataFrame(schema=SCHEMA))
    assert votes.shape == (0, n_lfs + 1)
    assert found == KERNEL.zero()


def test_keys_must_be_there():
    items = pl.DataFrame([(1, "a", 1), (None, "b", 1)], SCHEMA, orient="row")
    with pytest.raises(InvalidKeys, match="key column 'id' has 1 NULLs in a batch of 2 items"):
        KERNEL.run(items)


def test_is_checked_against_the_source():
    with pytest.raises(
        MissingColumns, match=r"'lf_a' reads \['txt'\], which the source lacks; .* Did you mean 'text'\?"
    ):
        kernel([LabelingFunction("lf_a", lambda x: x.txt)])
    with pytest.raises(MissingColumns, match=r"the source lacks its key 'key'; it has \['id', 'text', 'n'\]."):
        VotesKernel(LFS, CLASSES, "key", SCHEMA)
    with pytest.raises(ConfigError, match=r"'on_fault' must be one of \['quarantine', 'fail'\], got 'stop'."):
        kernel(on_fault="stop")


def test_an_expression_may_miss_a_column_too():
    lfs = declarative_lfs([DeclarativeLFConfig(name="lf_a", expression={"sql": "stars > 1", "label": 0})])
    with pytest.raises(MissingColumns, match=r"'lf_a' reads \['stars'\], which the source lacks"):
        kernel(lfs)


def test_a_function_may_be_called_as_a_column():
    items = pl.DataFrame([(1, "A", 1)], SCHEMA, orient="row")
    named = declarative_lfs([DeclarativeLFConfig(name="text", regex={"column": "text", "pattern": "A", "label": 1})])
    votes, _ = kernel([*named, lf_title]).run(items)
    assert votes.rows() == [(1, 1, 1)]
