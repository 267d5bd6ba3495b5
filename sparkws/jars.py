"""The jars of Delta that a Spark from the package index lacks, in one folder of the user.

Spark's own resolver fetches them once; a session then names them one by one (`spark.jars`), so that it
starts without a network and executors get the same files as the driver. A managed runtime has its own.

    python -m sparkws.jars                 fetch what is missing
    python -m sparkws.jars --from FOLDER   take them from a folder
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from sparkws.checks import first_few
from sparkws.errors import EngineError, MissingExtra, SparkwsError

PACKAGE: Final = "io.delta:delta-spark_4.1_2.13:4.4.0"
COORDINATES: Final = (
    PACKAGE,
    "io.delta:delta-storage:4.4.0",
    # DeltaCatalog links the kernel's classes even for tables that never use them.
    "io.delta:delta-kernel-api:4.4.0",
    "io.delta:delta-kernel-defaults:4.4.0",
    "io.delta:delta-kernel-unitycatalog:4.4.0",
    "io.unitycatalog:unitycatalog-client:0.6.0",
    "io.unitycatalog:unitycatalog-hadoop:0.6.0",
)
# Spark carries these itself, in the versions that Delta wants; a second copy could only do harm.
EXCLUDES: Final = (
    "com.fasterxml.jackson.*:*",
    "com.google.code.findbugs:*",
    "org.antlr:*",
    "org.apache.hadoop:*",
    "org.apache.logging.log4j:*",
    "org.apache.parquet:*",
    "org.roaringbitmap:*",
    "org.slf4j:*",
)


def jar_folder() -> Path:
    """The folder that is looked at when none is named; a new version of Delta gets a new one."""
    return Path.home() / ".cache" / "sparkws" / "jars" / "delta-4.4.0-spark-4.1"


def jar_paths(folder: Path | None = None) -> list[str]:
    """The paths of the jars, in the order of `COORDINATES`; empty when the set is not complete."""
    folder = folder or jar_folder()
    paths = [folder / _ivy_name(coordinate) for coordinate in COORDINATES]
    return [str(path) for path in paths] if all(zipfile.is_zipfile(path) for path in paths) else []


def resolve(source: Path | None = None, folder: Path | None = None, timeout_s: float = 900) -> list[str]:
    """The paths of the jars, fetched or copied first if need be.

    Parameters
    ----------
    source
        A folder that holds the jars, under the names of Maven or of Ivy. Without it they come from
        Maven Central through the `spark-submit` of the installed pyspark.
    folder
        Where they are kept; `jar_folder()` when None.

    Raises
    ------
    EngineError
        If `source` lacks some of them, or they cannot be fetched.
    MissingExtra
        If they must be fetched and pyspark is not installed.
    """
    folder = folder or jar_folder()
    found = _found(source) if source else {}
    present = jar_paths(folder)
    if present and all(_same_size(folder / name, path) for name, path in found.items()):
        return present
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".resolving-", dir=folder.parent) as scratch:
        whole = Path(scratch, "jars")
        whole.mkdir()
        for name, path in (found or _fetch(Path(scratch), timeout_s)).items():
            shutil.copyfile(path, whole / name)
        # Both renames stay on one file system, so that nobody ever sees half a set.
        if not found and jar_paths(folder):  # another process was quicker
            return jar_paths(folder)
        if folder.exists():
            folder.rename(Path(scratch, "replaced"))
        whole.rename(folder)
    return jar_paths(folder)


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch or copy the jars and print their paths; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sparkws.jars", description="Fetch the jars of Delta, once.")
    parser.add_argument("--from", dest="source", type=Path, help="take them from this folder instead of Maven Central")
    try:
        paths = resolve(parser.parse_args(argv).source)
    except SparkwsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("\n".join(paths) + "\n")
    return 0


def _ivy_name(coordinate: str) -> str:
    group, artifact, version = coordinate.split(":")
    return f"{group}_{artifact}-{version}.jar"


def _maven_name(coordinate: str) -> str:
    _, artifact, version = coordinate.split(":")
    return f"{artifact}-{version}.jar"


def _found(source: Path) -> dict[str, Path]:
    """The jars in `source` by the name under which they are kept."""
    found = {}
    missing = []
    for coordinate in COORDINATES:
        names = (_maven_name(coordinate), _ivy_name(coordinate))
        path = next((source / name for name in names if zipfile.is_zipfile(source / name)), None)
        if path is None:
            missing.append(coordinate)
        else:
            found[names[1]] = path
    if missing:
        raise EngineError(
            f"the folder {str(source)!r} lacks readable jars of {first_few(missing, len(COORDINATES))}; "
            f"copy them there, under names such as {_maven_name(missing[0])!r}."
        )
    return found


def _fetch(scratch: Path, timeout_s: float) -> dict[str, Path]:
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise MissingExtra("the jars of Delta are fetched by Spark; install it with: pip install 'sparkws[spark]'.")
    home = Path(spec.origin).parent
    nothing = scratch / "nothing.py"
    nothing.touch()
    # `env` gives the child what it needs without a look at this process's environment. A pyspark from
    # the package index finds neither its home nor its Python when no environment is activated.
    command = [
        "env",
        f"SPARK_HOME={home}",
        f"PYSPARK_PYTHON={sys.executable}",
        f"PYSPARK_DRIVER_PYTHON={sys.executable}",
        "SPARK_LOCAL_IP=127.0.0.1",
        str(home / "bin" / "spark-submit"),
        *("--master", "local[1]"),
        *("--conf", f"spark.jars.ivy={scratch / 'ivy'}"),
        *("--packages", PACKAGE),
        *("--exclude-packages", ",".join(EXCLUDES)),
        str(nothing),
    ]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise EngineError(f"Maven Central did not give the jars of Delta within {timeout_s:g} s; {_ELSE}") from None
    names = [_ivy_name(coordinate) for coordinate in COORDINATES]
    fetched = {name: scratch / "ivy" / "jars" / name for name in names}
    missing = [name for name, path in fetched.items() if not zipfile.is_zipfile(path)]
    if missing:
        said = [line.strip() for line in (ran.stderr + ran.stdout).splitlines() if _tells(line)]
        raise EngineError(
            f"the jars of Delta could not be fetched from Maven Central (spark-submit ended with {ran.returncode}: "
            f"{said[0] if said else 'it said nothing'}); {_ELSE}"
        )
    return fetched


_ELSE: Final = "look at the network, or put them into a folder and run: make JARS=<folder> <target>."


def _tells(line: str) -> bool:
    return any(word in line for word in ("unresolved dependency", "Exception", "JAVA", "java:", "not found"))


def _same_size(a: Path, b: Path) -> bool:
    return a.stat().st_size == b.stat().st_size


if __name__ == "__main__":
    sys.exit(main())
