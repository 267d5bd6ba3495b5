"""The history of a published table: which commits are ours, and which somebody else made."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from sparkws.checks import first_few
from sparkws.engine.refs import TableRef
from sparkws.engine.tables import find_version
from sparkws.errors import TableChanged

# Commits after which a table still holds the same rows; platforms make some of them by themselves.
_SAME_ROWS: Final = frozenset(
    {
        "ADD CONSTRAINT",
        "ADD FEATURE",
        "CHANGE COLUMN",
        "CLUSTER BY",
        "COMPUTE STATS",
        "DROP CONSTRAINT",
        "DROP FEATURE",
        "FSCK",
        "OPTIMIZE",
        "REORG",
        "SET TBLPROPERTIES",
        "UNSET TBLPROPERTIES",
        "UPDATE COLUMN METADATA",
        "UPGRADE PROTOCOL",
        "VACUUM END",
        "VACUUM START",
    }
)


_CONFLICTS: Final = ("DELTA_CONCURRENT", "DELTA_METADATA_CHANGED", "DELTA_PROTOCOL_CHANGED")


@dataclass(frozen=True)
class Transition:
    """The identity of a step's commits, by which a retry is recognized.

    Attributes
    ----------
    application : str
        The step, as "sparkws/sentiment.votes".
    sequence : int
        Reserved in the ledger; greater than that of every commit of the step before.
    inputs : mapping of str to int or None
        The tables that the commit is made from, with their versions.
    found : mapping of str to int or None
        The tables that the step writes, at the versions that it found when it began, None where there
        was none: a commit of somebody else behind them is refused. A table that is not named here is
        not looked at.
    """

    application: str
    sequence: int
    inputs: Mapping[str, int | None] = field(default_factory=dict)
    found: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """JSON for the table's history: whose commit it is, and what it was made from."""
        step = self.application.removeprefix("sparkws/")
        return json.dumps({"step": step, "sequence": self.sequence, "inputs": dict(self.inputs)})


@dataclass(frozen=True)
class Commit:
    """A commit as the table's history tells it.

    Attributes
    ----------
    note : str
        What its writer said of it; ours say the step and its sequence number.
    writer : str
        The engine, and the user where one is known.
    """

    version: int
    operation: str
    note: str
    writer: str

    @property
    def keeps_rows(self) -> bool:
        """Whether the table holds the same rows after it."""
        return self.operation in _SAME_ROWS

    def is_of(self, application: str) -> bool:
        """Whether a step of ours made it."""
        try:
            note = json.loads(self.note)
        except ValueError:
            return False
        return isinstance(note, dict) and note.get("step") == application.removeprefix("sparkws/")


def commits_after(spark: SparkSession, ref: TableRef, version: int) -> list[Commit]:
    """The commits of a table behind a version, the oldest first, as far back as its log reaches."""
    folder, newest = ref.folder, find_version(spark, ref)
    if newest is None or newest <= version:
        return []
    told: Iterable[Mapping[str, Any]] = ()
    if folder is not None and DeltaTable.is_deltatable(str(folder)):
        told = DeltaTable(str(folder)).history(newest - version)
    if not told:  # delta-rs finds no history in a folder whose name holds such as # or ?
        behind = spark.sql(f"DESCRIBE HISTORY {ref.sql}").where(F.col("version") > version)
        told = [row.asDict() for row in behind.collect()]
    commits = [
        Commit(
            entry["version"],
            entry["operation"] or "",
            entry.get("userMetadata") or "",
            " as ".join(str(entry[key]) for key in ("engineInfo", "userName") if entry.get(key)) or "an unknown writer",
        )
        for entry in told
        if entry["version"] > version
    ]
    return sorted(commits, key=lambda commit: commit.version)


def refuse_strangers(ref: TableRef, commits: Iterable[Commit], application: str) -> None:
    """Refuse to replace what somebody else wrote into a table that a step owns.

    Raises
    ------
    TableChanged
        With the first commits that are neither the step's own nor keep all rows.
    """
    strange = [commit for commit in commits if not commit.keeps_rows and not commit.is_of(application)]
    if strange:
        told = first_few([f"version {commit.version}, a {commit.operation} by {commit.writer}" for commit in strange])
        raise TableChanged(
            f"table {str(ref)!r} belongs to the step {application.removeprefix('sparkws/')!r}, but another writer "
            f"changed it: {told}. Copy what you want to keep of it, then run with --overwrite {ref.short_name}."
        )


def refuse_changed(spark: SparkSession, ref: TableRef, transition: Transition) -> None:
    """Refuse to replace a table that somebody else changed since the step found it.

    Raises
    ------
    TableChanged
        With the commit that is not the step's own.
    """
    if str(ref) in transition.found:
        found = transition.found[str(ref)]
        commits = commits_after(spark, ref, -1 if found is None else found)
        refuse_strangers(ref, commits, transition.application)


def find_commit(spark: SparkSession, ref: TableRef, transition: Transition) -> int | None:
    """The version of a table that is this very commit of a step; None if it has none."""
    found = transition.found.get(str(ref))
    commits = commits_after(spark, ref, -1 if found is None else found)
    return max((commit.version for commit in commits if commit.note == transition.note), default=None)


def is_conflict(error: Exception) -> bool:
    """Whether a commit failed because somebody else committed first."""
    if isinstance(error, DeltaError):
        return isinstance(error, CommitFailedError) or "already exists" in str(error)
    # Delta's own exceptions come through Spark as text.
    return any(f"[{condition}" in str(error) for condition in _CONFLICTS)
