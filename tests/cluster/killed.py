"""The `sparkws` command, ended by SIGKILL at a point of its work: killed.py POINT ARGUMENTS...

A user cannot choose the point, so the functions at it are replaced here; all else is the command itself.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from sparkws import runner
from sparkws.cli import main
from sparkws.engine import commit, lanes
from sparkws.stats import steps as stats_steps


def end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(f: Callable[..., Any], when: Callable[..., bool] = lambda *_: True) -> Callable[..., Any]:
    def replaced(*arguments: Any, **more: Any) -> Any:
        if when(*arguments):
            end()
        return f(*arguments, **more)

    return replaced


def behind(f: Callable[..., Any]) -> Callable[..., Any]:
    def replaced(*arguments: Any, **more: Any) -> None:
        f(*arguments, **more)
        end()

    return replaced


def is_last_line(_spark: object, _job: object, record: Any) -> bool:
    return record.step.endswith(".labels") and record.status == "done"


POINTS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "worker files written": (lanes, "commit_files", before),
    "before the commit": (commit, "no_rivals", before),
    "after the commit": (lanes, "commit_files", behind),
    "between votes and statistics": (stats_steps, "count_votes", before),
    "before the ledger's last line": (runner, "_append", lambda f: before(f, is_last_line)),
}

if __name__ == "__main__":
    owner, name, replace = POINTS[sys.argv[1]]
    setattr(owner, name, replace(getattr(owner, name)))
    sys.exit(main(sys.argv[2:]))
