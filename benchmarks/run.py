"""Runs benchmarks: python -m benchmarks.run [NAME ...] [--size default|full|small]

A benchmark is a module of this folder with a function `run(size) -> Result`. Each runs in a process of its
own, and the last line that it prints is its result as JSON. A goal that is missed is printed as missed and
is no failure of the command.
"""

import argparse
import ast
import importlib
import subprocess
import sys
from pathlib import Path

from benchmarks.harness import SIZES, Result

HERE = Path(__file__).parent


def find_benchmarks() -> list[str]:
    """The names of all benchmarks; nothing is imported for it."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem != "run" and _has_run(path))


def main(argv: list[str] | None = None) -> int:
    """Run the benchmarks that are named, or all; 1 if one of them could not run."""
    names = find_benchmarks()
    parser = argparse.ArgumentParser(prog="benchmarks.run", description="Run benchmarks; figures as JSON.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all if omitted")
    parser.add_argument("--size", choices=SIZES, default=SIZES[0])
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # in this process
    options = parser.parse_args(argv)
    unknown = sorted(set(options.names) - set(names))
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(names)}")
    if options.here:
        for name in options.names:
            _run_here(name, options.size)
        return 0
    failed = [name for name in options.names or names if _run_apart(name, options.size)]
    for name in failed:
        print(f"benchmark {name} could not run", file=sys.stderr)
    return 1 if failed else 0


def _run_here(name: str, size: str) -> None:
    print(f"benchmark {name}, size {size}", flush=True)
    result = importlib.import_module(f"benchmarks.{name}").run(size)
    assert isinstance(result, Result)
    for sentence in result.missed:
        print(sentence)
    print(result.to_json(), flush=True)


def _run_apart(name: str, size: str) -> int:
    command = [sys.executable, "-m", "benchmarks.run", "--here", name, "--size", size]
    return subprocess.run(command, cwd=HERE.parent, check=False).returncode


def _has_run(path: Path) -> bool:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in body)


if __name__ == "__main__":
    sys.exit(main())
