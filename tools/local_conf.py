"""Fetch Delta's jars if need be, and write conf/local/spark-defaults.conf, which names them one by one."""

import argparse
import sys
from pathlib import Path

from sparkws.errors import SparkwsError
from sparkws.jars import resolve

CONF = Path(__file__).parent.parent / "conf"
COORDINATES = ("spark.jars.packages", "spark.jars.excludes")
LOG4J2 = "conf/log4j2.properties"


def local_conf(committed: str, jars: list[str], log4j2: Path) -> str:
    """The committed settings, with paths of this machine instead of coordinates and relative paths."""
    kept = [line for line in committed.splitlines() if not line.startswith(COORDINATES)]
    text = "\n".join(kept).replace(f"={LOG4J2}", f"={log4j2.as_uri()}")
    return f"# Written by tools/local_conf.py from conf/spark-defaults.conf.\n{text}\nspark.jars {','.join(jars)}\n"


def main() -> int:
    """Write the file if it is not as it should be; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jars", type=Path, help="take the jars from this folder")
    try:
        jars = resolve(parser.parse_args().jars)
    except SparkwsError as error:
        sys.stderr.write(f"sparkws: {error}\n")
        return 1
    wanted = local_conf((CONF / "spark-defaults.conf").read_text(), jars, (CONF / "log4j2.properties").resolve())
    written = CONF / "local" / "spark-defaults.conf"
    if not written.exists() or written.read_text() != wanted:
        written.parent.mkdir(exist_ok=True)
        written.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
