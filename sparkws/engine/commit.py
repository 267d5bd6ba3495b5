"""One atomic commit for the files that workers wrote beside a table's log."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable, Schema
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions
from pyspark.sql import SparkSession

from sparkws.engine.history import refuse_changed, repeated_version
from sparkws.engine.types import arrow_schema
from sparkws.engine.writes import (
    Destination,
    commit_properties,
    no_rivals,
    properties_for,
    version_behind,
)
from sparkws.errors import EngineError


def commit_files(spark: SparkSession, to: Destination, schema: pl.Schema, adds: Sequence[Mapping[str, Any]]) -> int:
    """Replace the whole content of a table in a folder by `adds`, and give the new version.

    delta-rs records transactions but does not look at them: a repeat is recognized here, and so is a
    file that is missing or has another size than its writer said.

    Raises
    ------
    EngineError
        If a file is not there as it was written.
    TableChanged
        If somebody else wrote to the table since the step began.
    """
    folder, transition = to.folder, to.transition
    done = repeated_version(folder, transition)
    if done is not None:
        return done
    for add in adds:
        _check_written(folder / add["path"], add["size"])
    new = [AddAction(add["path"], add["size"], {}, add["modified"], True, add["stats"]) for add in adds]
    properties = commit_properties(transition)
    delta_schema = _with_comments(schema, to.comments)
    there = DeltaTable(str(folder)) if DeltaTable.is_deltatable(str(folder)) else None
    transition.check_lock()
    if there is not None:
        refuse_changed(spark, to.ref, transition)
    with no_rivals(to.ref):
        if there is None:
            configuration = properties_for(schema)
            create_table_with_add_actions(
                str(folder), delta_schema, new, mode="error", configuration=configuration, commit_properties=properties
            )
        else:
            there.create_write_transaction(
                list[AddAction | RemoveAction](new), "overwrite", delta_schema, commit_properties=properties
            )
    return version_behind(spark, to.ref, transition)


def _check_written(path: Path, size_bytes: int) -> None:
    found = path.stat().st_size if path.exists() else -1
    if found != size_bytes:
        what = "is missing" if found < 0 else f"has {found:,} bytes"
        raise EngineError(f"file {str(path)!r} {what}, its worker wrote {size_bytes:,} bytes; run again.")


def _with_comments(schema: pl.Schema, comments: Mapping[str, str]) -> Schema:
    """The Delta schema, with what `comments` says of its columns."""
    raw = json.loads(Schema.from_arrow(arrow_schema(schema)).to_json())
    for field in raw["fields"]:
        if field["name"] in comments:
            field["metadata"] = {"comment": comments[field["name"]]}
    return Schema.from_json(json.dumps(raw))
