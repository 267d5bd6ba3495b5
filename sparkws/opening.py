"""What a run checks and opens before its first step: functions, tables by name, the source, the folders.

Nothing here writes, and what is wrong with a project is told here, before any work.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sparkws.checks import check_columns, did_you_mean, first_few
from sparkws.config import ProjectConfig, TaskConfig
from sparkws.engine.lanes import Options
from sparkws.engine.reach import probe
from sparkws.engine.refs import Workspace, parse_ref
from sparkws.engine.relational import with_key
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import Source, TableVersion, check_workspace, open_table, query
from sparkws.engine.worker import Care
from sparkws.errors import ConfigError
from sparkws.feasible import TaskGraph
from sparkws.hashing import check_key_type
from sparkws.lfs import LabelingFunction, LFSet, lfset_of
from sparkws.lfs.chance import refuse_chance
from sparkws.lfs.examples import refuse_missed
from sparkws.lfs.leaks import refuse_leaks
from sparkws.lfs.slices import with_slices
from sparkws.modeloptions import chosen_functions
from sparkws.runner import Job
from sparkws.vocab import PREP_PREFIX


def check_graphs(config: ProjectConfig, chosen: Sequence[str]) -> dict[str, TaskGraph]:
    """The task graphs of which all tasks are to be run.

    Raises
    ------
    ConfigError
        For a graph of which only some tasks are to be run.
    """
    classes = {name: task.classes for name, task in config.tasks.items()}
    graphs = {name: graph.graph(classes) for name, graph in config.task_graphs.items()}
    for name, graph in graphs.items():
        missing = [task for task in graph.tasks if task not in chosen]
        if missing and len(missing) < len(graph.tasks):
            raise ConfigError(
                f"the tasks of task graph {name!r} are labeled together, so {first_few(missing)} must be run too; "
                f"run all of {list(graph.tasks)}."
            )
    return {name: graph for name, graph in graphs.items() if set(graph.tasks) <= set(chosen)}


def check_prepared(config: ProjectConfig, lfsets: Iterable[LFSet]) -> list[str]:
    """The tables of materialized preprocessors, which all tasks share: each belongs to one preprocessor."""
    taken = {table.lower() for table in config.tables}
    known: dict[str, str] = {}
    for preprocessor in (entry for lfset in lfsets for entry in lfset.materialized):
        table = f"{PREP_PREFIX}{preprocessor.name}"
        if table.lower() in taken:
            raise ConfigError(f"{preprocessor} would be kept in {table!r}, a table of a task; rename one of them.")
        if known.setdefault(table, preprocessor.fingerprint) != preprocessor.fingerprint:
            raise ConfigError(
                f"two tasks have a {preprocessor} of different code, and both would be kept in {table!r}; rename one."
            )
    return list(known)


def check_tables(config: ProjectConfig, prepared: Sequence[str], tables: Sequence[str]) -> None:
    """Refuse names of tables that the project does not publish, nor keep for its preprocessors."""
    known = [*config.tables, *prepared]
    for table in tables:
        if table not in known:
            hint = did_you_mean(table, known)
            raise ConfigError(f"{table!r} is no table of the project; it has {first_few(known, 12)}.{hint}")


def functions_of(
    name: str, task: TaskConfig, base_dir: str, functions: Mapping[str, Iterable[LabelingFunction]]
) -> LFSet | None:
    """The functions that a task runs, those of its slices last; None where its votes are made elsewhere.

    Raises
    ------
    ConfigError
        If functions are given to a task whose votes come from a table, the label model's options name functions that
        there are not or leave none, or a slice is called like a function.
    InvalidFunction
        If a function reads what the gold is made from, votes by chance, or has examples that cannot be tried.
    ExampleMissed
        If a function votes otherwise on an example.
    """
    given = tuple(functions.get(name, ()))
    if task.lfs is None:
        if given:
            raise ConfigError(
                f"task {name!r} takes its votes from a table, so it cannot run {first_few([lf.name for lf in given])}."
            )
        return None
    configured = bool(task.lfs.modules or task.lfs.declarative) or not given
    lfset = LFSet([*given, *(lfset_of(task.lfs, base_dir) if configured else ())])
    chosen_functions(task.label_model, lfset.names)
    refuse_leaks(name, lfset, task.gold)
    refuse_chance(lfset)
    refuse_missed(lfset, task.classes, time_limit_s=task.lfs.time_limit_s, multi_label=task.multi_label)
    return with_slices(lfset, task.slices)


def open_source(spark: SparkSession, config: ProjectConfig) -> Source:
    """The items of a project that has a source, at the version that is there now."""
    chosen = config.source
    assert chosen is not None
    source: Source
    if chosen.table is not None:
        source = open_table(spark, parse_ref(chosen.table, config.base_dir), chosen.version)
    else:
        assert chosen.query is not None
        refs = {name: parse_ref(text, config.base_dir) for name, text in chosen.tables.items()}
        source = query(spark, chosen.query, refs)
    return keyed_by(spark, source, chosen.key, chosen.key_expression)


def keyed_by(spark: SparkSession, source: Source, key: str, expression: str | None) -> Source:
    """A source with its key, made where there is an expression for it, and of a type that can be one."""
    keyed = source if expression is None else with_key(spark, source, key, expression)
    check_columns(str(keyed), (key,), keyed.schema.names())
    check_key_type(str(keyed), key, keyed.schema[key])
    return keyed


def prepare(spark: SparkSession, config: ProjectConfig, workspace: Workspace, source: Source | None) -> Job:
    """Probe once which folders the workers share, for all steps."""
    options = Options(
        lane=config.engine.lane,
        task_bytes=config.engine.task_mib << 20,
        batch_rows=config.engine.batch_rows,
        care=Care(memory_mib=config.engine.worker_memory_mib),
    )
    check_workspace(spark, workspace)
    folder = workspace.root.folder
    read = [source.folder] if isinstance(source, TableVersion) and source.folder is not None else []
    reach = probe(spark, read=read, write=[folder] if folder is not None else [])
    for used in [*read, *([] if folder is None else [folder])]:
        reach.refuse_split(used)
    direct = folder is not None and reach.why_not(folder) == ""
    return Job(config=config, workspace=workspace, options=replace(options, reach=reach), direct=direct)
