"""The architecture as a test: who may import whom, and what stays out of which folder.

Every file is read with `ast`, so also imports within functions count. Each rule has a case below that
breaks it, so that the test cannot fall silent.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FOUNDATION = (
    "vocab",
    "errors",
    "sections",
    "lfconfig",
    "modeloptions",
    "config",
    "configfile",
    "configerrors",
    "checks",
    "grids",
    "feasible",
    "synthetic",
    "kernels",
    "hashing",
    "jars",
    "trail",
)
STAGES = ("lfs", "stats", "labelmodels", "neighbors", "multitask", "deploy")
# May import anything public; nothing below them may import them.
TOP = (
    *("__init__", "__main__", "pipeline", "opening", "votesteps", "taskgraphs", "multilabel", "runner", "upkeep"),
    *("explain", "readback", "cli", "report", "datasets", "demo"),
)
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(FOUNDATION, FOUNDATION),
    "engine": (*FOUNDATION, "engine"),
    "manage": (*FOUNDATION, "manage"),
    **{stage: (*FOUNDATION, *STAGES[: STAGES.index(stage) + 1]) for stage in STAGES},
    "supervision": (*FOUNDATION, "lfs", "stats", "labelmodels", "supervision"),
    **dict.fromkeys(TOP, (*FOUNDATION, "engine", "manage", *STAGES, "supervision", *TOP)),
}
# What ties a stage to tables; `as_udf` hands an LF set to the engine.
REACHES_ENGINE = ("steps.py", "multisteps.py", "graphsteps.py", "materialize.py", "lfset.py", "launch.py")

HEAVY: dict[str, tuple[str, ...]] = {
    "pyspark": ("engine/", "multitask/launch.py"),
    "delta": ("engine/", "multitask/launch.py"),
    "deltalake": ("engine/",),
    "torch": ("multitask/", "deploy/"),
    "faiss": ("neighbors/index.py",),
    "horovod": ("multitask/comm.py", "multitask/launch.py"),
}
# All of this fails on Spark Connect and on Databricks serverless.
CLASSIC_ONLY = {"sparkContext", "_sc", "_jsc", "_jvm", "_jdf", "_jsparkSession", "rdd"}
CLASSIC_NAMES = {"SparkContext", "RDD", "SQLContext"}
READS_ENVIRONMENT = ("engine/session.py", "engine/worker.py")


def violations(root: Path) -> list[str]:
    """What breaks a rule in the tree at `root`, one sentence each."""
    package = root / "sparkws"
    found = []
    for path in sorted(package.rglob("*.py")):
        found += [f"sparkws/{path.relative_to(package).as_posix()}{said}" for said in _check(package, path)]
    for folder in ("jobs", "notebooks"):
        for path in sorted((root / folder).rglob("*.py")):
            found += [f"{path.relative_to(root).as_posix()}{said}" for said in _check_client(package, path)]
    return found


def _check(package: Path, path: Path) -> Iterator[str]:
    here = path.relative_to(package).as_posix()
    parts = here.removesuffix(".py").split("/")
    layer = parts[0]
    if layer not in MAY_IMPORT:
        yield " belongs to no layer; give it a place in tests/unit/test_layers.py."
        return
    if len(parts) > 2:
        yield " lies three folders deep; a stage is one folder."
    allowed = MAY_IMPORT[layer]
    if layer in STAGES and parts[-1] + ".py" in REACHES_ENGINE:
        allowed = (*allowed, "engine", "manage")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for line, target, name in _imports(tree, package, path):
        top = target.split(".")[0]
        if top != "sparkws":
            if top in HEAVY and not _type_only(tree, line, here) and not here.startswith(HEAVY[top]):
                yield f":{line} imports {top}, which only {', '.join(HEAVY[top])} may."
            if top in ("jobs", "notebooks", "tests", "benchmarks"):
                yield f":{line} imports {top}, which nothing may."
            if name in CLASSIC_NAMES and top == "pyspark" and here != "engine/session.py":
                yield f":{line} imports {name}, which does not exist on Spark Connect."
            if top == "os" and name in ("environ", "getenv") and here not in READS_ENVIRONMENT:
                yield f":{line} reads the environment; take an argument instead."
            continue
        reached = target.split(".")[1] if "." in target else "__init__"
        if reached not in allowed:
            yield f":{line} imports sparkws.{reached}, which is not below {layer}."
        elif reached != layer and (name or "").startswith("_"):
            yield f":{line} imports the private name {name} of sparkws.{reached}."
        if name == "*":
            yield f":{line} imports *."
    yield from _check_uses(tree, here)


def _check_uses(tree: ast.AST, here: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr in CLASSIC_ONLY and here != "engine/session.py":
                yield f":{node.lineno} uses .{node.attr}, which does not exist on Spark Connect."
            if owner == "os" and node.attr in ("environ", "getenv") and here not in READS_ENVIRONMENT:
                yield f":{node.lineno} reads the environment; take an argument instead."
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
            if node.func.attr in ("cache", "persist") and owner != "functools":
                yield f":{node.lineno} calls .{node.func.attr}(), which serverless compute refuses."


def _check_client(package: Path, path: Path) -> Iterator[str]:
    """Jobs and notebooks use `cli` and public names: of sparkws itself or of a stage."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for line, target, name in _imports(tree, package, path):
        is_public = target == "sparkws.cli" or not (package / f"{target.removeprefix('sparkws.')}.py").exists()
        is_deep = target.count(".") > 1
        if target.split(".")[0] == "sparkws" and (is_deep or not is_public or (name or "").startswith("_")):
            yield f":{line} imports {target}; jobs and notebooks use public names only."
        if target.split(".")[0] in HEAVY:
            yield f":{line} imports {target.split('.')[0]}; a notebook has it, a job needs none."


def _imports(tree: ast.AST, package: Path, path: Path) -> Iterator[tuple[int, str, str | None]]:
    """Line, module and (for `from`) name of every import; a name that is a module counts as that module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, None
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:  # from . import x
                inside = path.relative_to(package.parent).parts[: -node.level]
                module = ".".join([*inside, *([module] if module else [])])
            for alias in node.names:
                as_module = package.parent / module.replace(".", "/") / alias.name
                if module.split(".")[0] == "sparkws" and (as_module.is_dir() or as_module.with_suffix(".py").exists()):
                    yield node.lineno, f"{module}.{alias.name}", None
                else:
                    yield node.lineno, module, alias.name


def _type_only(tree: ast.AST, line: int, here: str) -> bool:
    """Whether the import at `line` is for annotations, in a file that hands a session on."""
    hands_on = here.endswith(REACHES_ENGINE) or here.split("/")[0].removesuffix(".py") in TOP
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    return hands_on and any(block.lineno <= line <= (block.end_lineno or 0) for block in blocks)


def test_the_tree_keeps_its_layers():
    assert violations(ROOT) == []


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("sparkws/vocab.py", "from sparkws.lfs.kernel import x", "imports sparkws.lfs, which is not below vocab"),
        ("sparkws/lfs/kernel.py", "import sparkws.stats.moments", "imports sparkws.stats, which is not below lfs"),
        ("sparkws/lfs/kernel.py", "from sparkws import stats", "imports sparkws.stats, which is not below lfs"),
        ("sparkws/lfs/kernel.py", "from ..stats import moments", "imports sparkws.stats, which is not below lfs"),
        ("sparkws/lfs/kernel.py", "def f():\n    from .. import stats", ":2 imports sparkws.stats"),
        ("sparkws/lfs/kernel.py", "from sparkws.engine import lanes", "imports sparkws.engine, which is not below lfs"),
        ("sparkws/lfs/kernel.py", "from sparkws import read_table", "imports sparkws.__init__, which is not below lfs"),
        ("sparkws/manage/plan.py", "import sparkws.engine", "imports sparkws.engine, which is not below manage"),
        ("sparkws/engine/lanes.py", "import sparkws.lfs", "imports sparkws.lfs, which is not below engine"),
        ("sparkws/supervision/crowd.py", "import sparkws.neighbors", "imports sparkws.neighbors"),
        ("sparkws/labelmodels/steps.py", "import sparkws.pipeline", "imports sparkws.pipeline"),
        ("sparkws/labelmodels/steps.py", "from sparkws.stats.moments import _x", "imports the private name _x"),
        ("sparkws/labelmodels/steps.py", "from sparkws.stats.moments import *", "imports *"),
        ("sparkws/pipeline.py", "import jobs.run", "imports jobs, which nothing may"),
        ("sparkws/lfs/kernel.py", "import pyspark.sql", "imports pyspark, which only engine/"),
        ("sparkws/lfs/steps.py", "from pyspark.sql import functions", "imports pyspark, which only engine/"),
        ("sparkws/stats/moments.py", "from typing import *\nif TYPE_CHECKING:\n    import pyspark", "imports pyspark"),
        ("sparkws/stats/moments.py", "import deltalake", "imports deltalake, which only engine/ may"),
        ("sparkws/cli.py", "from delta import DeltaTable", "imports delta, which only engine/"),
        ("sparkws/labelmodels/triplet.py", "import torch.nn", "imports torch, which only multitask/, deploy/ may"),
        ("sparkws/neighbors/topk.py", "import faiss", "imports faiss, which only neighbors/index.py may"),
        ("sparkws/multitask/loop.py", "import horovod.torch", "imports horovod, which only multitask/comm.py"),
        ("sparkws/engine/lanes.py", "from pyspark import SparkContext", "imports SparkContext"),
        ("sparkws/engine/lanes.py", "spark.sparkContext", "uses .sparkContext"),
        ("sparkws/engine/lanes.py", "df.rdd.map(f)", "uses .rdd"),
        ("sparkws/engine/lanes.py", "df._jdf", "uses ._jdf"),
        ("sparkws/engine/lanes.py", "df.select().cache()", "calls .cache()"),
        ("sparkws/engine/lanes.py", "df.persist()", "calls .persist()"),
        ("sparkws/lfs/kernel.py", "import os\nos.environ['A']", ":2 reads the environment"),
        ("sparkws/lfs/kernel.py", "import os\nos.getenv('A')", ":2 reads the environment"),
        ("sparkws/lfs/kernel.py", "from os import environ", "reads the environment"),
        ("sparkws/attic.py", "", "belongs to no layer"),
        ("sparkws/lfs/deep/x.py", "", "lies three folders deep"),
        ("jobs/run.py", "from sparkws.lfs.kernel import x", "jobs and notebooks use public names only"),
        ("jobs/run.py", "from sparkws.config import load_config", "jobs and notebooks use public names only"),
        ("notebooks/tour.py", "import pyspark", "imports pyspark"),
    ],
)
def test_a_broken_rule_is_seen(tmp_path, file, text, said):
    _write(tmp_path, file, text)
    found = violations(tmp_path)
    assert len(found) == 1
    assert found[0].startswith(file)
    assert said in found[0]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("sparkws/lfs/steps.py", "from sparkws.engine import lanes\nfrom sparkws.config import LFsConfig"),
        ("sparkws/lfs/steps.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pyspark.sql"),
        ("sparkws/stats/steps.py", "from sparkws.lfs.kernel import x\nfrom . import moments"),
        ("sparkws/engine/session.py", "import os\nos.environ['A'] = '1'\nspark.sparkContext"),
        ("sparkws/engine/tables.py", "import pyspark.sql, deltalake"),
        ("sparkws/hashing.py", "import functools\nf = functools.cache(f)"),
        ("sparkws/pipeline.py", "from sparkws.stats import steps\nfrom sparkws.manage import plan"),
        ("jobs/run.py", "import sys\nfrom sparkws.cli import main"),
        ("notebooks/tour.py", "import sparkws\nfrom sparkws import label\nfrom sparkws.lfs import labeling_function"),
    ],
)
def test_what_the_rules_allow(tmp_path, file, text):
    _write(tmp_path, file, text)
    assert violations(tmp_path) == []


def _write(root: Path, file: str, text: str) -> None:
    for stage in (*STAGES, "engine", "manage", "supervision"):
        (root / "sparkws" / stage).mkdir(parents=True)
    (root / "sparkws" / "config.py").touch()
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(text)
