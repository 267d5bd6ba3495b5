"""The configuration of Spark, the lock, and what is said on a machine that lacks something."""

import os
import re
import runpy
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from sparkws.jars import COORDINATES, EXCLUDES

ROOT = Path(__file__).parents[2]


def _settings(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split(maxsplit=1) for line in lines)


COMMITTED = (ROOT / "conf" / "spark-defaults.conf").read_text(encoding="utf-8")


def test_committed_settings_name_the_coordinates():
    settings = _settings(COMMITTED)
    assert settings["spark.jars.packages"] == COORDINATES[0]
    assert settings["spark.jars.excludes"] == ",".join(EXCLUDES)
    assert COORDINATES[0].endswith(f":{metadata.version('delta-spark')}")
    assert f"delta-spark_{metadata.version('pyspark').rpartition('.')[0]}_2.13" in COORDINATES[0]


def test_every_committed_setting_has_its_reason():
    blocks = [block.splitlines() for block in COMMITTED.strip().split("\n\n")]
    assert all(block[0].startswith("# ") for block in blocks)


def test_committed_settings_are_those_of_our_own_sessions():
    session = pytest.importorskip("sparkws.engine.session")
    # The address and the few partitions are right on one machine only, where spark-submit may not run.
    own = {"spark.driver.host", "spark.driver.bindAddress", "spark.sql.shuffle.partitions"}
    paths = {"spark.jars.packages", "spark.jars.excludes", "spark.driver.extraJavaOptions"}
    ours = {**session.RUNTIME_SETTINGS, **session.DELTA_SETTINGS, **session.ONE_MACHINE_SETTINGS}
    committed = _settings(COMMITTED)
    assert {k: v for k, v in committed.items() if k not in paths} == {k: v for k, v in ours.items() if k not in own}


def test_local_settings_have_paths_instead_of_coordinates(tmp_path):
    local_conf = runpy.run_path(str(ROOT / "tools" / "local_conf.py"))["local_conf"]
    log4j2 = tmp_path / "with space" / "log4j2.properties"
    local = _settings(local_conf(COMMITTED, ["/a/1.jar", "/a/2.jar"], log4j2))
    assert local.pop("spark.jars") == "/a/1.jar,/a/2.jar"
    option = local.pop("spark.driver.extraJavaOptions")
    assert option == f"-Dlog4j2.configurationFile={log4j2.as_uri()}"
    assert " " not in option
    committed = _settings(COMMITTED)
    assert local == {k: v for k, v in committed.items() if k in local}
    assert set(committed) - set(local) == {
        "spark.jars.packages",
        "spark.jars.excludes",
        "spark.driver.extraJavaOptions",
    }


def test_the_wheel_carries_the_same_logging():
    carried = ROOT / "sparkws" / "engine" / "log4j2.properties"
    assert carried.read_text(encoding="utf-8") == (ROOT / "conf" / "log4j2.properties").read_text(encoding="utf-8")


def test_the_lock_has_versions_and_no_addresses():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for line in text.splitlines():
        assert re.fullmatch(r"# .*|[a-z0-9.-]+==[^ ]+( ; .+)?", line), line
    assert "://" not in text
    assert "--hash" not in text
    for name in ("pyspark", "delta-spark", "polars", "pytest"):
        assert f"\n{name}=={metadata.version(name)}\n" in text


def _said(*parts: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(parts, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def checkout(tmp_path):
    """A folder with nothing but the script, so that a mistake here cannot touch this checkout."""
    (tmp_path / "checkout" / "tools").mkdir(parents=True)
    script = shutil.copy(ROOT / "tools" / "setup", tmp_path / "checkout" / "tools" / "setup")
    return Path(script)


def _program(folder: Path, name: str, says: str) -> str:
    """A folder for the PATH, with one program that prints `says` to both streams."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/bash\necho '{says}'\necho '{says}' >&2\n")
    program.chmod(0o755)
    return str(folder)


ADVICE_JAVA = "install it (Debian, Ubuntu: apt-get install openjdk-17-jre-headless) or point JAVA_HOME at it."


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (None, "Java 17 or newer is needed and 'java' cannot be run; "),
        ('java version "1.8.0_402"', "Java 17 or newer is needed and 'java' is Java 8; "),
        ('openjdk version "11.0.2" 2019-01-15', "Java 17 or newer is needed and 'java' is Java 11; "),
        ("hello", "Java 17 or newer is needed and 'java' is not one; "),
    ],
)
def test_a_machine_without_java_17_is_told(checkout, tmp_path, version, said):
    path = _program(tmp_path / "bin", "java", version) if version else str(tmp_path)
    ran = _said("/bin/bash", str(checkout), "spark", PATH=path)
    assert ran.returncode == 1
    assert ran.stderr == f"sparkws: {said}{ADVICE_JAVA}\n"


def test_java_home_goes_before_the_path(checkout, tmp_path):
    path = _program(tmp_path / "bin", "java", 'openjdk version "17.0.1"')
    ran = _said("/bin/bash", str(checkout), "spark", PATH=path, JAVA_HOME="/nowhere")
    assert ran.stderr == f"sparkws: Java 17 or newer is needed and '/nowhere/bin/java' cannot be run; {ADVICE_JAVA}\n"


@pytest.mark.parametrize("java", ["17.0.15", "21-ea", "25"])
@pytest.mark.parametrize(
    ("python", "wanted", "said"),
    [
        (None, "", "there is no python3 on the PATH"),
        (None, "python3.12", "there is no python3.12 on the PATH"),
        ("3.10", "", "python3 is 3.10"),
        ("2.7", "python3", "python3 is 2.7"),
    ],
)
def test_a_machine_without_python_311_is_told(checkout, tmp_path, java, python, wanted, said):
    path = _program(tmp_path / "bin", "java", f'openjdk version "{java}"')
    if python:
        _program(tmp_path / "bin", "python3", python)
    ran = _said("/bin/bash", str(checkout), "spark", PATH=path, PYTHON=wanted)
    assert ran.returncode == 1
    assert ran.stderr == (
        f"sparkws: Python 3.11 or newer is needed and {said}; install one (Debian, Ubuntu: apt-get install "
        "python3.11 python3.11-venv) or name it: make PYTHON=python3.12.\n"
    )


def test_scripts_can_be_run():
    for name in ("tools/setup", "tools/uv", "tools/lock", ".ci/run"):
        assert os.access(ROOT / name, os.X_OK), name


def test_every_target_tells_what_it_does():
    ran = _said("make", "-s", "-C", str(ROOT), "help", PATH=os.environ["PATH"])
    targets = re.findall(r"^\s+make (\w+)\t(.+)$", ran.stdout, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for name, _ in targets} == set(phony[1].split())
