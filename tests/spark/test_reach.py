"""What a probe finds out about folders, and what it leaves behind: nothing."""

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from sparkws.engine import reach as reach_module
from sparkws.engine.reach import Reach, _Look, _readable, _Witness, probe
from sparkws.engine.worker import carry
from sparkws.errors import FolderNotShared


@pytest.fixture
def table(tmp_path: Path) -> Path:
    folder = tmp_path / "my items"
    write_deltalake(str(folder), pa.table({"n": [1]}))
    return folder


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*"))


def test_a_shared_folder_is_found_and_left_as_it_was(spark: SparkSession, table: Path, tmp_path: Path) -> None:
    before, target = files(table), tmp_path / "not" / "there yet"
    reach = probe(spark, read=[table], write=[target, table])
    assert reach == Reach(2, ((str(table), ""), (str(target), "")))
    assert files(table) == before
    assert files(target) == []
    for folder in (target, target / "spam_votes", table):
        assert reach.why_not(folder) == ""
    assert reach.why_not(tmp_path) is None, "a folder above was not probed"
    assert reach.why_not(tmp_path / "not" / "there yet either") is None


def test_a_probe_of_nothing_counts_the_slots(spark: SparkSession) -> None:
    assert probe(spark) == Reach(2, ())


def test_a_folder_that_cannot_be_used_is_a_sentence(spark: SparkSession, table: Path, tmp_path: Path) -> None:
    # Root may write anywhere that is a folder; below a file, and in /sys, nobody may.
    file = tmp_path / "file"
    file.write_text("not a folder")
    reach = probe(spark, read=[table, tmp_path / "no table"], write=[file / "votes", Path("/sys"), tmp_path / "good"])
    assert reach.why_not(table) == ""
    assert reach.why_not(tmp_path / "good" / "votes") == ""
    assert reach.why_not(file / "votes") == f"this process cannot use folder '{file}/votes' (NotADirectoryError)"
    assert (reach.why_not(Path("/sys/votes")) or "").startswith("this process cannot use folder '/sys' (")
    assert reach.why_not(tmp_path / "no table") == (
        f"this process cannot use folder '{tmp_path}/no table' (FileNotFoundError)"
    )
    assert files(tmp_path / "good") == []


def look(spark: SparkSession, witness: _Witness) -> set[str]:
    """What workers say of a witness: where a cluster shares no disk, it is another file, or none."""
    program = carry(_Look((witness,), "token"))
    frame = spark.range(8).mapInArrow(program, "partition long, problems string")
    return {row["problems"] for row in frame.collect()}


def test_workers_see_another_file_or_none(spark: SparkSession, table: Path, tmp_path: Path) -> None:
    witness = _readable(table)
    assert witness.file == str(table / "_delta_log" / f"{0:020}.json")
    assert look(spark, witness) == {"[]"}
    other = _Witness(witness.folder, witness.file, "another digest", written=False)
    (said,) = look(spark, other)
    assert f"a worker sees other content in '{witness.file}' than this process" in said
    gone = _Witness(str(tmp_path), str(tmp_path / "gone"), witness.digest, written=False)
    (said,) = look(spark, gone)
    assert f"a worker cannot use folder '{tmp_path}' (FileNotFoundError)" in said


def test_workers_that_cannot_write_say_so(spark: SparkSession, table: Path) -> None:
    witness = _readable(table)
    (said,) = look(spark, _Witness("/sys", witness.file, witness.digest, written=True))
    assert "a worker cannot use folder '/sys' (" in said


def test_the_newest_commit_bears_witness(table: Path) -> None:
    write_deltalake(str(table), pa.table({"n": [2]}), mode="append")
    (table / "_delta_log" / "zzz.tmp").write_text("not a commit")
    assert _readable(table).file == str(table / "_delta_log" / f"{1:020}.json")


def test_a_folder_that_workers_have_for_themselves_is_refused(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach_module, "_collect", lambda *_: 0)  # as if what workers wrote lay on their own disks
    found = probe(spark, write=[tmp_path])
    said = f"a worker wrote to folder '{tmp_path}', but this process does not see its file"
    assert found.why_not(tmp_path / "spam_votes") == said
    with pytest.raises(FolderNotShared, match=f"{said}: '{tmp_path}' must be on storage that is shared by all workers"):
        found.refuse_split(tmp_path / "spam_votes")
