"""The history of a published table: which commits are ours, and which somebody else made."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from sparkws.checks import first_few
from sparkws.engine.refs import TableRef
from sparkws.engine.tables import find_version
from sparkws.errors import EngineError, TableChanged

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

# What Delta says when somebody else committed first.
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
    check_lock : function
        Raises when the job no longer has the workspace for itself.
    """

    application: str
    sequence: int
    inputs: Mapping[str, int | None] = field(default_factory=dict)
    found: Mapping[str, int | None] = field(default_factory=dict)
    check_lock: Callable[[], None] = lambda: None

    @property
    def step(self) -> str:
        """The step by the name that people know."""
        return self.application.removeprefix("sparkws/")

    @property
    def note(self) -> str:
        """JSON for the table's history: whose commit it is, and what it was made from."""
        return json.dumps({"step": self.step, "sequence": self.sequence, "inputs": dict(self.inputs)})


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

    def is_of(self, step: str) -> bool:
        """Whether the step, as "sentiment.votes", made it."""
        try:
            note = json.loads(self.note)
        except ValueError:
            return False
        return isinstance(note, dict) and note.get("step") == step


def commits_after(spark: SparkSession, ref: TableRef, version: int) -> list[Commit]:
    """The commits of a table behind a version, the oldest first, as far back as its log reaches.

    In a folder the log itself is read: delta-rs numbers the entries of its history by counting, past commits
    that say nothing of themselves, and finds none in a folder whose name holds such as # or ?.
    """
    folder = ref.folder
    if folder is not None and DeltaTable.is_deltatable(str(folder)):
        return [
            _commit(at, _commit_info(file))
            for at in range(version + 1, DeltaTable(str(folder)).version() + 1)
            if (file := folder / "_delta_log" / f"{at:020}.json").exists()
        ]
    newest = find_version(spark, ref)
    if newest is None or newest <= version:
        return []
    behind = spark.sql(f"DESCRIBE HISTORY {ref.sql}").where(F.col("version") > version).orderBy("version")
    return [_commit(row["version"], row.asDict()) for row in behind.collect()]


def _commit_info(file: Path) -> Mapping[str, Any]:
    """What a commit says of itself; nothing where it does not."""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if '"commitInfo"' in line and "commitInfo" in (action := json.loads(line)):
                info: Mapping[str, Any] = action["commitInfo"]
                return info
    return {}


def _commit(version: int, told: Mapping[str, Any]) -> Commit:
    writer = " as ".join(str(told[key]) for key in ("engineInfo", "userName") if told.get(key))
    return Commit(version, told.get("operation") or "commit", told.get("userMetadata") or "", writer or "somebody")


def refuse_strangers(ref: TableRef, commits: Iterable[Commit], step: str) -> None:
    """Refuse to replace what somebody else wrote into a table that a step owns.

    Raises
    ------
    TableChanged
        With the first commits that are neither the step's own nor keep all rows.
    """
    strange = [commit for commit in commits if not commit.keeps_rows and not commit.is_of(step)]
    if strange:
        told = first_few([f"version {commit.version}, a {commit.operation} by {commit.writer}" for commit in strange])
        raise TableChanged(
            f"table {str(ref)!r} belongs to the step {step!r}, but another writer changed it: {told}. Copy what you "
            f"want to keep of it, then run with --overwrite {ref.short_name}."
        )


def refuse_changed(spark: SparkSession, ref: TableRef, transition: Transition) -> None:
    """Refuse to replace a table that was changed since the step found it.

    Raises
    ------
    TableChanged
        With the commit that is not this run's own.
    """
    _refuse(ref, _since_found(spark, ref, transition), transition)


def committed_version(spark: SparkSession, ref: TableRef, transition: Transition) -> int:
    """The version of a table that is this very commit of a step.

    Raises
    ------
    EngineError
        If there is none, because Spark took it for a repeat: the ledger that gave the number is behind.
    TableChanged
        If somebody else committed between the look at the table and the commit.
    """
    commits = _since_found(spark, ref, transition)
    ours = [commit.version for commit in commits if commit.note == transition.note]
    if not ours:
        raise _ledger_is_behind(
            f"{str(ref)!r} already holds a later commit of {transition.application!r} than number {transition.sequence}"
        )
    _refuse(ref, [commit for commit in commits if commit.version < max(ours)], transition)
    return max(ours)


def repeated_version(folder: Path, transition: Transition) -> int | None:
    """The version of a table that already has this very commit of a step; None if it has not.

    delta-rs records transactions but does not look at them, and Spark silently skips what is not newer, so
    every commit asks here first.

    Raises
    ------
    EngineError
        If the table has a later commit of the step: the ledger that gave the number is behind.
    """
    if not DeltaTable.is_deltatable(str(folder)):
        return None
    table = DeltaTable(str(folder))
    committed = table.transaction_version(transition.application)
    if committed is not None and committed > transition.sequence:
        raise _ledger_is_behind(
            f"{str(folder)!r} already holds commit {committed} of {transition.application!r}, this run is number "
            f"{transition.sequence}"
        )
    return table.version() if committed == transition.sequence else None


def _ledger_is_behind(told: str) -> EngineError:
    return EngineError(
        f"{told}: the table 'runs' of the workspace is behind. Was it deleted, or is another run at work? Start in an "
        "empty workspace, or bring it back."
    )


def _since_found(spark: SparkSession, ref: TableRef, transition: Transition) -> list[Commit]:
    found = transition.found.get(str(ref))
    return commits_after(spark, ref, -1 if found is None else found)


def _refuse(ref: TableRef, commits: Iterable[Commit], transition: Transition) -> None:
    if str(ref) not in transition.found:
        return
    others = [commit for commit in commits if commit.note != transition.note]
    refuse_strangers(ref, others, transition.step)
    rivals = [commit.version for commit in others if not commit.keeps_rows]
    if rivals:
        raise TableChanged(
            f"another run of the step {transition.step!r} committed version {rivals[0]} of {str(ref)!r} while this one "
            "was at work; run again."
        )


def is_conflict(error: Exception) -> bool:
    """Whether a commit failed because somebody else committed first."""
    if isinstance(error, DeltaError):
        return "Failed to commit transaction" in str(error) or "already exists" in str(error)
    # Delta's own exceptions come through Spark as text.
    return any(f"[{condition}" in str(error) for condition in _CONFLICTS)
