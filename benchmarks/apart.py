"""Rivals in Python environments and processes of their own, because their dependencies are not ours."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.harness import CACHE

ROOT: Final = Path(__file__).resolve().parent.parent
_SAYS: Final = "rival: "  # before every answer, because Spark writes to the same stream


class CannotInstall(Exception):
    """An environment could not be made; the text says why."""


class Rival:
    """A program that works off one run for every line it is sent, and answers each; it stops when closed."""

    def __init__(self, python: Path, program: Path, *arguments: str) -> None:
        self._process = subprocess.Popen(
            _command(python, program, arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=_environ(python),
        )
        self._answer()

    def run(self) -> float:
        """Have it run once, and give the seconds that it took by its own clock."""
        assert self._process.stdin is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        return float(self._answer())

    def close(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(_SAYS):
                return line.removeprefix(_SAYS).strip()
        raise RuntimeError(f"the rival {self._process.args} ended with exit code {self._process.wait()}")


def run_once(python: Path, program: Path, *arguments: str) -> None:
    """Run a program to its end in an environment of `environment`.

    Raises
    ------
    CalledProcessError
        If it fails.
    """
    subprocess.run(_command(python, program, arguments), check=True, env=_environ(python))


def environment(name: str, needs: Sequence[str], without_dependencies: Sequence[str] = ()) -> Path:
    """The Python of an environment in the cache that holds these packages; made on first use.

    What requirements.lock pins has the version there.

    Raises
    ------
    CannotInstall
        If the packages cannot be had here.
    """
    lock = ROOT / "requirements.lock"
    made_from = "\n".join([sys.version, *needs, "--no-deps", *without_dependencies, lock.read_text()])
    folder = CACHE / f"{name}-{hashlib.sha256(made_from.encode()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if folder.exists():
        return python
    print(f"  installing {', '.join([*needs, *without_dependencies])} into {folder}", flush=True)
    try:
        _uv("venv", "--python", sys.executable, str(folder))
        _uv("pip", "install", "--python", str(python), "-c", str(lock), *needs)
        if without_dependencies:
            _uv("pip", "install", "--python", str(python), "--no-deps", *without_dependencies)
    except (OSError, subprocess.CalledProcessError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        said = getattr(error, "stderr", None) or str(error)
        raise CannotInstall(said.strip().splitlines()[-1]) from None
    return python


def _command(python: Path, program: Path, arguments: Sequence[str]) -> list[str]:
    # Without the program's folder on the path: what lies beside it has names of the standard library.
    return [str(python), "-P", str(program), *arguments]


def _environ(python: Path) -> dict[str, str]:
    """With which a program finds its own packages and workers, not ours."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SPARK", "PYSPARK"))}
    return {**own, "PYSPARK_PYTHON": str(python)}


def _uv(*arguments: str) -> None:
    command = [str(ROOT / "tools" / "uv"), "--quiet", *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True)
