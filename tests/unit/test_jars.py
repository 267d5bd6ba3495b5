"""Jars made here; nothing is fetched."""

import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from sparkws import jars
from sparkws.errors import EngineError, MissingExtra
from sparkws.jars import COORDINATES, EXCLUDES, jar_paths, resolve

MAVEN = [f"{artifact}-{version}.jar" for _, artifact, version in (c.split(":") for c in COORDINATES)]
IVY = [f"{c.split(':')[0]}_{name}" for c, name in zip(COORDINATES, MAVEN, strict=True)]


def _put(folder: Path, names: list[str], content: str = "x") -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        with zipfile.ZipFile(folder / name, "w") as jar:
            jar.writestr("a.class", content)
    return folder


def test_a_complete_folder_gives_its_jars_in_order(tmp_path):
    assert jar_paths(_put(tmp_path, IVY)) == [str(tmp_path / name) for name in IVY]


def test_a_folder_that_lacks_a_jar_or_holds_half_of_one_gives_none(tmp_path):
    assert jar_paths(tmp_path / "absent") == []
    _put(tmp_path, IVY[1:])
    assert jar_paths(tmp_path) == []
    (tmp_path / IVY[0]).write_bytes(b"PK\3\4 half")
    assert jar_paths(tmp_path) == []


@pytest.mark.parametrize("names", [MAVEN, IVY, MAVEN[:3] + IVY[3:]], ids=["Maven's names", "Ivy's", "both"])
def test_jars_are_taken_from_a_folder(tmp_path, names):
    source, kept = _put(tmp_path / "source", [*names, "other.jar"]), tmp_path / "deep" / "kept"
    assert resolve(source, kept) == [str(kept / name) for name in IVY]
    assert sorted(path.name for path in kept.iterdir()) == sorted(IVY)
    assert [path.name for path in kept.parent.iterdir()] == ["kept"]


def test_a_folder_replaces_what_was_kept_and_only_then(tmp_path):
    kept = _put(tmp_path / "kept", IVY)
    before = kept.stat().st_ino
    resolve(_put(tmp_path / "same", MAVEN), kept)
    assert kept.stat().st_ino == before
    resolve(_put(tmp_path / "newer", MAVEN, content="longer"), kept)
    assert kept.stat().st_ino != before
    assert zipfile.ZipFile(kept / IVY[0]).read("a.class") == b"longer"


def test_what_a_folder_lacks_is_named(tmp_path):
    source = _put(tmp_path / "source", MAVEN[:-2])
    (source / MAVEN[-1]).write_bytes(b"no jar")
    said = re.escape(f"lacks readable jars of {list(COORDINATES[-2:])!r}; copy them there, under names such as ")
    with pytest.raises(EngineError, match=said + re.escape(repr(MAVEN[-2]))):
        resolve(source, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def _spark_submit(monkeypatch, returncode=0, stderr="", names=(), error=None):
    """Stand in for spark-submit, which puts `names` into its folder; the commands that it was given."""
    commands = []

    def run(command, **_):
        commands.append(command)
        if error is not None:
            raise error
        (ivy,) = [word.removeprefix("spark.jars.ivy=") for word in command if word.startswith("spark.jars.ivy=")]
        (Path(ivy) / "jars").mkdir(parents=True)
        _put(Path(ivy) / "jars", list(names))
        return subprocess.CompletedProcess(command, returncode, "", stderr)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_what_is_missing_is_fetched_once_by_the_spark_of_this_environment(tmp_path, monkeypatch):
    commands = _spark_submit(monkeypatch, names=[*IVY, "org.other_extra-1.jar"])
    for _ in range(2):
        assert resolve(folder=tmp_path / "kept") == [str(tmp_path / "kept" / name) for name in IVY]
    (command,) = commands
    assert command[command.index("--packages") + 1] == COORDINATES[0]
    assert command[command.index("--exclude-packages") + 1] == ",".join(EXCLUDES)
    assert len(list((tmp_path / "kept").iterdir())) == len(COORDINATES)


@pytest.mark.parametrize(
    ("submit", "said"),
    [
        ({"returncode": 1, "stderr": "x\n\tjava.net.UnknownHostException: central\n"}, "with 1: java.net.Unknown"),
        ({"names": IVY[1:]}, r"could not be fetched from Maven Central \(spark-submit ended with 0: it said nothing\)"),
        ({"error": subprocess.TimeoutExpired("spark-submit", 5)}, "did not give the jars of Delta within 5 s; look at"),
    ],
)
def test_without_a_network_one_sentence_says_so(tmp_path, monkeypatch, submit, said):
    _spark_submit(monkeypatch, **submit)
    with pytest.raises(EngineError, match=said):
        resolve(folder=tmp_path / "kept", timeout_s=5)
    assert list(tmp_path.iterdir()) == []


def test_without_pyspark_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(jars, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'sparkws\[spark\]'"):
        resolve(folder=tmp_path / "kept")


def test_the_command_prints_the_paths_or_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(jars, "jar_folder", lambda: tmp_path / "kept")
    source = _put(tmp_path / "source", MAVEN)
    assert jars.main(["--from", str(source)]) == 0
    assert capsys.readouterr().out.splitlines() == jar_paths(tmp_path / "kept")
    (source / MAVEN[0]).unlink()
    assert jars.main(["--from", str(source)]) == 1
    assert "lacks readable jars" in capsys.readouterr().err
