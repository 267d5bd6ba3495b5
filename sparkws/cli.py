"""The `sparkws` command; jobs call the same `main`, notebooks the same `sparkws.run`.

Exit codes: 0 done, 1 unexpected, 2 configuration, 3 a check of the data failed, 4 another job is at work in
the workspace. Logs and tables go to stderr; the last line on stdout is one JSON object of results.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sparkws.errors import ConfigError, DataError, MissingExtra, SparkwsError, WorkspaceBusy
from sparkws.vocab import VERSION

logger = logging.getLogger("sparkws.cli")  # also where this module is run itself

DONE, UNEXPECTED, CONFIGURATION, DATA, BUSY = 0, 1, 2, 3, 4


def main(argv: Sequence[str] | None = None, *, submitted: bool = False) -> int:
    """Run a command and give its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default.
    submitted : bool
        Spark was configured by spark-submit: take its session as it is.
    """
    arguments = _parser().parse_args(argv)
    _log_to_stderr(verbose=arguments.verbose)
    try:
        result = arguments.command(arguments, submitted)
    except (ConfigError, MissingExtra) as error:
        logger.error("%s", error)
        return CONFIGURATION
    except DataError as error:
        logger.error("%s", error)
        return DATA
    except WorkspaceBusy as error:
        logger.error("%s", error)
        return BUSY
    except SparkwsError as error:
        logger.error("%s", error)
        return UNEXPECTED
    except Exception:
        logger.exception("unexpected error; please report it with the lines below")
        return UNEXPECTED
    print(json.dumps(result, ensure_ascii=False))  # noqa: T201  # the result is for stdout
    return DATA if result.get("n_missed") else DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sparkws", description="Program training data on Spark.")
    parser.add_argument("--version", action="version", version=f"sparkws {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="command")

    run = commands.add_parser("run", help="bring the tables of a project up to date")
    _add_project(run)
    run.add_argument("--task", action="append", dest="tasks", metavar="NAME", help="only this task; may be repeated")
    run.add_argument(
        "--overwrite",
        action="append",
        default=[],
        metavar="TABLE",
        help="replace this table, as spam_votes, although another writer changed it; may be repeated",
    )
    _add_engine(run)
    run.set_defaults(command=_run)

    clean = commands.add_parser("clean", help="remove files that killed runs left beside the tables")
    _add_project(clean)
    clean.add_argument(
        "--older-than",
        type=float,
        default=24.0,
        metavar="HOURS",
        help="leave younger files alone: what a killed run started may still be at work (default: %(default)g)",
    )
    clean.add_argument("--dry-run", action="store_true", help="only tell what would be removed")
    _add_engine(clean)
    clean.set_defaults(command=_clean)

    lfs = commands.add_parser("lfs", help="show the labeling functions of a project; needs no Spark")
    _add_project(lfs)
    lfs.add_argument(
        "--explain", action="store_true", help="tell which functions are compiled, and which stay Python at which line"
    )
    lfs.set_defaults(command=_lfs)

    test = commands.add_parser("test", help="try the labeling functions of a project on their examples; needs no Spark")
    _add_project(test)
    test.add_argument("--task", action="append", dest="tasks", metavar="NAME", help="only this task; may be repeated")
    test.set_defaults(command=_test)

    explain = commands.add_parser("explain", help="why an item has its label, or what each function of a task adds")
    _add_project(explain)
    explain.add_argument("item_ids", nargs="*", metavar="ITEM_ID", help="keys of items; without one: the functions")
    explain.add_argument("--task", metavar="NAME", help="needed where the project has several")
    explain.add_argument("--label", metavar="CLASS", help="needed for a multi-label task: which of its classes")
    explain.add_argument(
        "--pairs", type=int, default=10, metavar="N", help="of the functions, show so many pairs (default: %(default)s)"
    )
    _add_engine(explain)
    explain.set_defaults(command=_explain)

    demo = commands.add_parser("demo", help="the main job on 23,700 human-rated texts")
    demo.add_argument("--workspace", default=".sparkws/demo", help="folder for the tables (default: %(default)s)")
    _add_engine(demo)
    demo.set_defaults(command=_demo)

    for command in (run, clean, lfs, test, explain, demo):
        command.add_argument("-v", "--verbose", action="store_true", help="log more")
    return parser


def _add_project(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", required=True, metavar="FILE", help="the project's YAML file")
    command.add_argument(
        "--overlay", action="append", default=[], metavar="FILE", help="values over the file's; may be repeated"
    )


def _add_engine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--lane", choices=["auto", "direct", "rows"], help="how kernels reach the data")
    command.add_argument("--master", help="Spark master of a session of our own, as local[4] or spark://host:7077")
    command.add_argument("--remote", help="Spark Connect server, as sc://host:15002")


def _values(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the arguments say over the configuration."""
    engine = {"lane": arguments.lane} if arguments.lane else {}
    spark = {name: value for name in ("master", "remote") if (value := getattr(arguments, name)) is not None}
    return {name: section for name, section in (("engine", engine), ("spark", spark)) if section}


def _run(arguments: argparse.Namespace, submitted: bool) -> dict[str, Any]:
    from sparkws import load_config, run
    from sparkws.engine.session import session
    from sparkws.report.text import log_report

    config = load_config(arguments.config, *arguments.overlay, _values(arguments))
    with session(config.spark, app_name=f"sparkws {config.project}", submitted=submitted) as spark:
        result = run(spark, config, tasks=arguments.tasks, overwrite=arguments.overwrite)
    log_report(result)
    return result.to_plain()


def _clean(arguments: argparse.Namespace, submitted: bool) -> dict[str, Any]:
    from sparkws import clean, load_config
    from sparkws.engine.session import session

    config = load_config(arguments.config, *arguments.overlay, _values(arguments))
    with session(config.spark, app_name=f"sparkws {config.project}", submitted=submitted) as spark:
        removed = clean(spark, config, older_than_h=arguments.older_than, dry_run=arguments.dry_run)
    return {"project": config.project, "dry_run": arguments.dry_run, "removed": removed}


def _lfs(arguments: argparse.Namespace, submitted: bool) -> dict[str, Any]:
    import polars as pl

    from sparkws import load_config
    from sparkws.engine.peek import schema_without_spark
    from sparkws.engine.refs import parse_ref
    from sparkws.lfs import lfset_of
    from sparkws.lfs.explain import explained
    from sparkws.report.text import log_functions

    config = load_config(arguments.config, *arguments.overlay)
    source = config.source.table if config.source is not None else None
    columns = None if source is None else schema_without_spark(parse_ref(source, config.base_dir))
    shown: dict[str, Any] = {}
    for name, task in config.tasks.items():
        if task.lfs is None:
            logger.info("task %s: its votes are made elsewhere, in %s", name, task.votes.table if task.votes else "")
            continue
        lfset = lfset_of(task.lfs, config.base_dir)
        described = lfset.describe()
        if arguments.explain:
            found = [explained(lf, task.classes, columns, multi_label=task.multi_label) for lf in lfset]
            described = pl.DataFrame([asdict(one) for one in found])
        log_functions(name, described)
        shown[name] = json.loads(described.write_json())
    return {"project": config.project, "tasks": shown}


def _test(arguments: argparse.Namespace, submitted: bool) -> dict[str, Any]:
    from sparkws import load_config
    from sparkws.checks import check_tasks
    from sparkws.lfs import check_examples, lfset_of
    from sparkws.lfs.chance import refuse_chance
    from sparkws.lfs.leaks import refuse_leaks
    from sparkws.modeloptions import chosen_functions
    from sparkws.report.text import log_examples

    config = load_config(arguments.config, *arguments.overlay)
    check_tasks(arguments.tasks or (), config.tasks)
    shown: dict[str, Any] = {}
    for name in arguments.tasks or config.tasks:
        task = config.tasks[name]
        if task.lfs is None:
            continue
        lfset = lfset_of(task.lfs, config.base_dir)
        chosen_functions(task.label_model, lfset.names)
        refuse_leaks(name, lfset, task.gold)
        refuse_chance(lfset)
        limit_s = task.lfs.time_limit_s
        checked = check_examples(lfset, task.classes, time_limit_s=limit_s, multi_label=task.multi_label)
        log_examples(name, checked)
        missed = [asdict(miss) for miss in checked.missed]
        shown[name] = {"n_kept": checked.n_kept, "missed": missed, "without": list(checked.without)}
    n_missed = sum(len(found["missed"]) for found in shown.values())
    return {"project": config.project, "n_missed": n_missed, "tasks": shown}


def _explain(arguments: argparse.Namespace, submitted: bool) -> dict[str, Any]:
    from sparkws import explain_item, explain_task, load_config
    from sparkws.checks import only_task
    from sparkws.engine.session import session
    from sparkws.report.explain import describe_item, describe_task

    config = load_config(arguments.config, *arguments.overlay, _values(arguments))
    task = only_task(arguments.task, config.tasks)
    result: dict[str, Any] = {"project": config.project, "task": task}
    with session(config.spark, app_name=f"sparkws {config.project}", submitted=submitted) as spark:
        if not arguments.item_ids:
            explained = explain_task(spark, config, task, label=arguments.label)
            logger.info("%s", describe_task(explained, arguments.pairs))
            return {**result, **explained.to_plain(arguments.pairs)}
        items, missed = [], []
        for item_id in arguments.item_ids:
            try:
                items.append(explain_item(spark, config, task, item_id, label=arguments.label))
            except DataError as error:
                missed.append(error)
    if not items:
        raise missed[0]
    for item in items:
        logger.info("\n%s", describe_item(item))
    for miss in missed:
        logger.error("%s", miss)
    return {**result, "items": [item.to_plain() for item in items], "n_missed": len(missed)}


def _demo(arguments: argparse.Namespace, submitted: bool) -> dict[str, Any]:
    from sparkws import load_config, run
    from sparkws.datasets import read_vader
    from sparkws.engine.refs import parse_ref
    from sparkws.engine.session import session
    from sparkws.engine.tables import find_version
    from sparkws.engine.writes import write_rows
    from sparkws.report.text import log_report

    workspace = Path(arguments.workspace).resolve()
    here = {"workspace": str(workspace), "source": {"table": str(workspace / "items")}}
    project = Path(__file__).parent / "demo" / "project.yaml"
    config = load_config(project, here, _values(arguments))
    items = parse_ref(str(workspace / "items"))
    with session(config.spark, app_name="sparkws demo", submitted=submitted) as spark:
        if find_version(spark, items) is None:
            logger.info("fetching the rated texts")
            write_rows(spark, items, read_vader(), direct=False)
        result = run(spark, config)
    log_report(result)
    return result.to_plain()


def _log_to_stderr(*, verbose: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    # On a terminal a line first wipes the progress bar, which draws itself again below it.
    wipe = "\r\x1b[K" if sys.stderr.isatty() else ""
    handler.setFormatter(logging.Formatter(f"{wipe}%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    ours = logging.getLogger("sparkws")
    ours.handlers = [handler]
    ours.propagate = False
    ours.setLevel(logging.DEBUG if verbose else logging.INFO)


if __name__ == "__main__":
    raise SystemExit(main())
