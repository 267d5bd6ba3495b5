"""Whether a step has to run: what differs from its last success, in words."""

from collections.abc import Mapping
from typing import Any

from sparkws.manage.ledger import StepRecord

_NONE = object()  # a key that is not there, which is not the same as one that holds None


def why_run(
    last: StepRecord | None,
    inputs: Mapping[str, int | None],
    fingerprints: Mapping[str, Any],
    outputs: Mapping[str, int | None],
) -> str:
    """Why a step must run now; empty when its last success still stands.

    Parameters
    ----------
    inputs, fingerprints : mapping
        What the step would read and depend on now.
    outputs : mapping of str to int or None
        The present versions of the tables that it writes, None for one that is not there.
    """
    if last is None:
        return "it has not run yet"
    for table, version in inputs.items():
        if version is None:
            return f"{table} has no versions to compare"
        if table not in last.inputs:
            return f"{table} is new"
        if last.inputs[table] != version:
            return f"{table} is at version {version}, it was made from {last.inputs[table]}"
    if gone := sorted(set(last.inputs) - set(inputs)):
        return f"{gone[0]} is no longer read"
    if changed := _changed(last.fingerprints, fingerprints):
        return f"{changed} changed"
    for table, version in outputs.items():
        if last.outputs.get(table) != version:
            now = "is gone" if version is None else f"is at version {version}"
            return f"{table} {now}, this step wrote {last.outputs.get(table)}"
    return ""


def _changed(before: Any, now: Any, where: str = "") -> str:
    """The first place where two plain values differ, as a dotted name."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in sorted({*before, *now}):
            found = _changed(before.get(key, _NONE), now.get(key, _NONE), f"{where}.{key}" if where else str(key))
            if found:
                return found
        return ""
    return "" if (type(before), before) == (type(now), now) else where or "something"
