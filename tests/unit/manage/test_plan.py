"""A step runs again for a reason that names what changed, and for nothing else."""

import copy
import datetime as dt

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sparkws.manage.ledger import StepRecord
from sparkws.manage.plan import why_run

INPUTS = {"items": 3, "gold": 1}
MADE_OF = {"lfs": {"lf_link": "a1", "lf_caps": "b2"}, "order": ["lf_link", "lf_caps"], "key": "id"}
OUTPUTS = {"spam_votes": 5, "spam_faults": 2}


def success(inputs=INPUTS, made_of=MADE_OF, outputs=OUTPUTS):
    return StepRecord(
        step="spam.votes",
        sequence=1,
        status="done",
        inputs=inputs,
        fingerprints=made_of,
        outputs=outputs,
        started_at=dt.datetime(2026, 7, 1, tzinfo=dt.UTC),
    )


def test_a_first_run():
    assert why_run(None, INPUTS, MADE_OF, {}) == "it has not run yet"


def test_nothing_changed():
    assert why_run(success(), INPUTS, MADE_OF, OUTPUTS) == ""
    assert why_run(success({}, {}, {}), {}, {}, {}) == ""


@pytest.mark.parametrize(
    ("inputs", "made_of", "outputs", "reason"),
    [
        ({**INPUTS, "items": None}, MADE_OF, OUTPUTS, "items has no versions to compare"),
        ({**INPUTS, "more": 0}, MADE_OF, OUTPUTS, "more is new"),
        ({**INPUTS, "items": 4}, MADE_OF, OUTPUTS, "items is at version 4, it was made from 3"),
        ({**INPUTS, "items": 0}, MADE_OF, OUTPUTS, "items is at version 0, it was made from 3"),
        ({"items": 3}, MADE_OF, OUTPUTS, "gold is no longer read"),
        (INPUTS, {**MADE_OF, "key": "uuid"}, OUTPUTS, "key changed"),
        (INPUTS, {**MADE_OF, "on_fault": "fail"}, OUTPUTS, "on_fault changed"),
        (INPUTS, {**MADE_OF, "order": ["lf_caps", "lf_link"]}, OUTPUTS, "order changed"),
        (INPUTS, {**MADE_OF, "lfs": {"lf_link": "a1", "lf_caps": "c3"}}, OUTPUTS, "lfs.lf_caps changed"),
        (INPUTS, {**MADE_OF, "lfs": {"lf_link": "a1"}}, OUTPUTS, "lfs.lf_caps changed"),
        (INPUTS, MADE_OF, {**OUTPUTS, "spam_votes": 6}, "spam_votes is at version 6, this step wrote 5"),
        (INPUTS, MADE_OF, {**OUTPUTS, "spam_faults": None}, "spam_faults is gone, this step wrote 2"),
    ],
)
def test_every_reason(inputs, made_of, outputs, reason):
    assert why_run(success(), inputs, made_of, outputs) == reason


def test_a_source_without_versions_is_always_read_again():
    assert why_run(success({"a view": None}), {"a view": None}, MADE_OF, OUTPUTS) == "a view has no versions to compare"


names = st.text("abc.ü ", min_size=1, max_size=4)
versions = st.dictionaries(names, st.integers(0, 5), max_size=4)
values = st.booleans() | st.integers(0, 3) | st.text(max_size=3) | st.lists(st.integers(0, 3), max_size=2)
made_of = st.recursive(
    st.dictionaries(names, values, max_size=3),
    lambda inner: st.dictionaries(names, values | inner, max_size=3),
    max_leaves=8,
)


def places(tree, above=()):
    """All keys of nested mappings, as paths."""
    for key, value in tree.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from places(value, (*above, key))


@given(versions, made_of, versions)
def test_the_same_again_is_no_reason(inputs, made_of, outputs):
    last = success(inputs, made_of, outputs)
    again = [dict(reversed(kept.items())) for kept in (inputs, made_of, outputs)]
    assert why_run(last, *copy.deepcopy(again)) == ""


@given(made_of, st.none() | st.text(min_size=4), st.data())
def test_a_single_change_of_what_it_is_made_of_is_the_reason(made_of, new, data):
    now, everywhere = copy.deepcopy(made_of), list(places(made_of))
    assume(everywhere)
    *above, key = path = data.draw(st.sampled_from(everywhere), "where")
    tree = now
    for name in above:
        tree = tree[name]
    if new is None:
        del tree[key]
    else:
        tree[key] = new
    reason = f"{'.'.join(path)} changed"
    assert why_run(success(made_of=made_of), INPUTS, now, OUTPUTS) == reason
    assert why_run(success(made_of=now), INPUTS, made_of, OUTPUTS) == reason


@given(versions.filter(bool), st.none() | st.integers(1, 9), st.booleans(), st.data())
def test_a_single_table_that_changed_is_the_reason(tables, by, is_input, data):
    table = data.draw(st.sampled_from(sorted(tables)), "which")
    version = None if by is None else tables[table] + by
    now = {**tables, table: version}
    if is_input:
        reason = why_run(success(inputs=tables), now, MADE_OF, OUTPUTS)
        assert reason.startswith(f"{table} has no versions" if by is None else f"{table} is at version {version},")
        assert why_run(success(inputs=tables), {k: v for k, v in tables.items() if k != table}, MADE_OF, OUTPUTS) == (
            f"{table} is no longer read"
        )
    else:
        reason = why_run(success(outputs=tables), INPUTS, MADE_OF, now)
        assert reason.startswith(f"{table} is gone," if by is None else f"{table} is at version {version},")
        assert reason.endswith(f"this step wrote {tables[table]}")


@given(versions, names, st.integers(0, 5))
def test_a_table_more_is_the_reason(inputs, table, version):
    assume(table not in inputs)
    assert why_run(success(inputs), {**inputs, table: version}, MADE_OF, OUTPUTS) == f"{table} is new"
