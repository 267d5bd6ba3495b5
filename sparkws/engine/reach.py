"""Which folders the driver and the workers see alike, found out by trying.

The direct lane needs it: a worker opens data files by name, and what it writes the driver commits.
"""

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import pyarrow as pa
from pyspark.sql import SparkSession

from sparkws.engine.session import is_connect
from sparkws.engine.worker import carry
from sparkws.errors import FolderNotShared

_SEEN: Final = pa.schema([("partition", pa.int64()), ("problems", pa.string())])
_PROBES: Final = 1 << 10  # rows of the probe: Spark spreads them over as many tasks as it has slots
_LEAST_S: Final = 0.1
_LATE_S: Final = 5.0


@dataclass(frozen=True)
class Reach:
    """What a probe found.

    Attributes
    ----------
    slots : int
        Tasks that Spark runs at once by its own account.
    problems : tuple of (str, str)
        Probed folders, each with why it cannot be shared; empty when it can.
    split : frozenset of str
        Those that this process, or some workers, see but a worker does not, or not alike. No lane reads or
        writes such a folder rightly: what Spark writes there is spread over folders of the same name.
    """

    slots: int
    problems: tuple[tuple[str, str], ...]
    split: frozenset[str] = frozenset()

    def why_not(self, folder: Path) -> str | None:
        """Why the driver and the workers cannot share `folder`; empty when they can, None if it was not probed."""
        for probed, problem in self.problems:
            if _holds(probed, folder):
                return problem
        return None

    def refuse_split(self, folder: Path) -> None:
        """Refuse a folder that workers do not see as this process does.

        Raises
        ------
        FolderNotShared
            With what a worker found.
        """
        for probed, problem in self.problems:
            if probed in self.split and _holds(probed, folder):
                raise FolderNotShared(
                    f"{problem}: {probed!r} must be on storage that is shared by all workers under this path. Move it "
                    "there, or run on one machine (spark.master: local[*])."
                )


@dataclass(frozen=True)
class _Witness:
    """A folder with a file in it that every worker must see as the driver does."""

    folder: str
    file: str
    digest: str
    written: bool


def probe(spark: SparkSession, *, read: Sequence[Path] = (), write: Sequence[Path] = ()) -> Reach:
    """Try on every slot whether folders are shared: by a file of each, in `write` by writing one too."""
    token = uuid.uuid4().hex
    witnesses, found = _place_witnesses(read, write, token)
    n_workers = 0
    try:
        program = carry(_Look(tuple(witnesses), token))
        frame = spark.range(_PROBES).mapInArrow(program, "partition long, problems string")
        seen = frame.toArrow().to_pylist()
        n_workers = len(seen)
    finally:
        left = {witness.folder: _collect(witness, token, n_workers) for witness in witnesses if witness.written}
    unseen = {
        folder: f"a worker wrote to folder {folder!r}, but this process does not see its file"
        for folder, n_files in left.items()
        if n_files < len(seen)
    }
    told = [pair for row in seen for pair in json.loads(row["problems"])]
    closed = unseen | dict(told)
    # A client of Spark Connect may sit on another machine than all the workers: then Spark alone sees the folder.
    alone = {folder for folder in closed if sum(pair[0] == folder for pair in told) == len(seen)}
    split = set(closed) - (alone if is_connect(spark) else set())
    return Reach(len(seen), tuple((found | closed).items()), frozenset(split))


def why_not(spark: SparkSession, reach: Reach | None, folder: Path, *, written: bool) -> str:
    """Why the workers cannot share a folder, by an earlier probe that covers it or by one now.

    Raises
    ------
    FolderNotShared
        If a worker does not see it as this process does: no lane can use it then.
    """
    if reach is None or reach.why_not(folder) is None:
        reach = probe(spark, **{"write" if written else "read": [folder]})
    reach.refuse_split(folder)
    problem = reach.why_not(folder)
    assert problem is not None
    return problem


@dataclass(frozen=True)
class _Look:
    witnesses: tuple[_Witness, ...]
    token: str

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            pass
        # Short tasks would be done before the last slot got one, and its worker would stay untried.
        time.sleep(_LEAST_S)
        problems = [[witness.folder, problem] for witness in self.witnesses if (problem := self._try(witness))]
        yield pa.RecordBatch.from_pylist([{"partition": 0, "problems": json.dumps(problems)}], schema=_SEEN)

    def _try(self, witness: _Witness) -> str:
        try:
            if _digest(Path(witness.file)) != witness.digest:
                return f"a worker sees other content in {witness.file!r} than this process"
            if witness.written:
                (Path(witness.folder) / f".sparkws-{self.token}-{uuid.uuid4().hex}").write_text(self.token)
        except OSError as error:
            return f"a worker cannot use folder {witness.folder!r} ({type(error).__name__})"
        return ""


def _place_witnesses(read: Sequence[Path], write: Sequence[Path], token: str) -> tuple[list[_Witness], dict[str, str]]:
    """The witnesses, and for each folder why this process itself cannot use it, empty where it can."""
    witnesses, found = [], dict.fromkeys(map(str, [*read, *write]), "")
    for folder, is_written in [*((folder, False) for folder in read), *((folder, True) for folder in write)]:
        try:
            witnesses.append(_writable(folder, token) if is_written else _readable(folder))
        except OSError as error:
            found[str(folder)] = f"this process cannot use folder {str(folder)!r} ({type(error).__name__})"
    return witnesses, found


def _readable(folder: Path) -> _Witness:
    newest = max((folder / "_delta_log").iterdir(), key=lambda entry: entry.name if entry.suffix == ".json" else "")
    return _Witness(str(folder), str(newest), _digest(newest), written=False)


def _writable(folder: Path, token: str) -> _Witness:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f".sparkws-{token}"
    file.write_text(token)
    return _Witness(str(folder), str(file), _digest(file), written=True)


def _collect(witness: _Witness, token: str, n_expected: int) -> int:
    """Remove what the probe wrote, and tell how many files of workers were among it.

    A file of another machine may take a while to be seen: network file systems keep listings for seconds.
    """
    end = time.monotonic() + _LATE_S
    while len(left := list(Path(witness.folder).glob(f".sparkws-{token}*"))) <= n_expected and time.monotonic() < end:
        time.sleep(_LEAST_S)
    for file in left:
        file.unlink(missing_ok=True)
    return len(left) - 1


def _holds(probed: str, folder: Path) -> bool:
    return folder == Path(probed) or Path(probed) in folder.parents


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return sha256(stream.read(4096)).hexdigest()
