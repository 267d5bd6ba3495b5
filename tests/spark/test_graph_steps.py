"""The steps of tasks in a graph: in any lane that joins, over any files, they give what the model gives in memory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from sparkws.config import LabelModelConfig, TaskGraphConfig
from sparkws.engine.history import Transition
from sparkws.engine.lanes import Options
from sparkws.engine.reach import probe
from sparkws.engine.refs import parse_ref
from sparkws.engine.tables import TableVersion, open_version, read_rows
from sparkws.feasible import task_graph
from sparkws.labelmodels import graphsteps
from sparkws.labelmodels.hierarchy import Hierarchical
from sparkws.labelmodels.posterior import hits, predict
from sparkws.labelmodels.savedgraph import graph_from_rows
from sparkws.stats.counters import of_patterns, with_faults
from sparkws.stats.patterns import PatternsKernel, of_matrix
from sparkws.stats.steps import count_slices, count_together

GRAPH = task_graph(
    {"kind": ["person", "place"], "job": ["cook", "pilot", "none"]},
    [("person", "cook"), ("person", "pilot"), ("place", "none")],
)
LFS = {"kind": ("lf_a", "lf_b", "lf_c"), "job": ("lf_a", "lf_x", "lf_y", "lf_z")}
CONFIG = TaskGraphConfig(
    tasks=("kind", "job"), parents={"job": ("kind", "person")}, bootstrap=3, leave_one_out=2, label_intervals=True
)
N = 900


def store(spark: SparkSession, rows: pl.DataFrame, folder: Path, n_files: int) -> TableVersion:
    """The rows in a table of some files, in shuffled order, the first of them empty."""
    shuffled = rows.sample(fraction=1, shuffle=True, seed=n_files)
    for part in (rows[:0], *(shuffled[number::n_files] for number in range(n_files))):
        write_deltalake(str(folder), part.to_arrow(compat_level=pl.CompatLevel.oldest()), mode="append")
    return open_version(spark, parse_ref(str(folder)))


def world() -> tuple[dict[str, pl.DataFrame], pl.DataFrame, np.ndarray, np.ndarray]:
    """The votes of each task, the known kinds of some items, who is in the slice "few", and the true vectors."""
    rng = np.random.default_rng(0)
    truth = GRAPH.feasible[rng.integers(len(GRAPH.feasible), size=N)]
    few = rng.random(N) < 0.3
    votes = {}
    for t, (task, names) in enumerate(LFS.items()):
        k = len(GRAPH.classes[task])
        wrong = (truth[:, [t] * len(names)] + rng.integers(1, k, (N, len(names)))) % k
        L = np.where(rng.random(wrong.shape) < 0.8, truth[:, [t]], wrong)
        L = np.where(rng.random(wrong.shape) < 0.4, -1, L).astype(np.int8)
        votes[task] = pl.DataFrame({"item_id": np.arange(N), **{name: L[:, j] for j, name in enumerate(names)}})
    votes["kind"] = votes["kind"].with_columns(pl.Series("slice_few", np.where(few, 1, -1), pl.Int8))
    gold = pl.DataFrame({"item_id": np.arange(N), "class": truth[:, 0].astype(np.int8)})[::4]
    return votes, gold, few, truth


@pytest.mark.parametrize(("lane", "n_files"), [("auto", 2), ("rows", 5)])
def test_fit_labels_and_slices_are_those_of_the_model_in_memory(
    spark: SparkSession, tmp_path: Path, lane: str, n_files: int
) -> None:
    frames, known, few, truth = world()
    options = Options(lane=lane, batch_rows=200, task_bytes=1, reach=probe(spark, write=[tmp_path]))  # type: ignore[arg-type]
    tables = {task: (store(spark, rows, tmp_path / task, n_files), LFS[task]) for task, rows in frames.items()}
    gold = store(spark, known, tmp_path / "gold", 1)
    refs = {name: parse_ref(str(tmp_path / name)) for name in ("patterns", "slices", "label_model", "labels")}

    def matrix(task: str) -> np.ndarray:
        return frames[task].select(LFS[task]).to_numpy().astype(np.int8)

    parts, columns = {}, []
    for task, names in LFS.items():
        counted = PatternsKernel(names, len(GRAPH.classes[task]))
        patterns = of_matrix(matrix(task), names, len(GRAPH.classes[task]))
        own = store(spark, counted.dump(patterns), tmp_path / f"{task}_patterns", n_files)
        of_task = LabelModelConfig(exclude=("lf_z",) if task == "job" else ())
        counters = with_faults(of_patterns(patterns), {"lf_b": 9} if task == "kind" else {})
        parts[task] = graphsteps.part_of_task(spark, of_task, own, counters, options, max_fault_rate=0.5)
        columns += [(task, name) for name in names if name != "lf_z"]
    assert (parts["kind"].taking_part, parts["job"].not_chosen) == (LFS["kind"], ("lf_z",))
    assert parts["kind"].counters.faults.tolist() == [0, 9, 0]
    chosen = matrix("job")[:, :3]
    counted_anew = of_patterns(of_matrix(chosen, LFS["job"][:3], 3))
    assert replace(parts["job"].counters, n_rows=counted_anew.n_rows) == counted_anew, "but for the rows read"

    counted_all = count_together(
        spark, tables, {"kind": gold}, GRAPH.largest, refs["patterns"], Transition("sparkws/test.stats", 1), options
    )
    stored = open_version(spark, refs["patterns"], counted_all.version)
    fitted = graphsteps.fit_graph(spark, CONFIG, GRAPH, parts, stored, counted_all.columns, counted_all.n_rows)
    L = np.hstack([matrix("kind"), chosen])
    expected = Hierarchical(GRAPH, columns).fit(L)
    probs = expected.posterior(L)
    np.testing.assert_allclose(fitted.model.posterior_vectors(L), expected.posterior_vectors(L), atol=1e-6)
    assert (len(fitted.refitted.replicates), len(fitted.refitted.without or {})) == (3, 2)

    report, version = graphsteps.store_task_model(
        spark,
        fitted,
        "kind",
        parts["kind"],
        {("kind", "lf_a"): "of lf_a"},
        refs["label_model"],
        Transition("sparkws/test.label_model", 2),
        direct=True,
        n_items=N,
        gold_use="evaluate",
        label_intervals=True,
    )
    assert report.label_intervals is None
    model = open_version(spark, refs["label_model"], version)
    rows = read_rows(spark, model)
    np.testing.assert_array_equal(graph_from_rows(rows).posterior_vectors(L), fitted.model.posterior_vectors(L))
    low = dict(rows.filter(parameter="accuracy_low").select("lf", "value").iter_rows())
    assert low == {name: told[1] for name, told in report.bootstrap["accuracy"].items()}
    n_gold = len(known)
    assert report.metrics["hierarchical"]["n_gold"] == n_gold

    labeled = graphsteps.label_task(
        spark,
        LabelModelConfig(),
        "kind",
        tables,
        model,
        GRAPH.classes,
        refs["labels"],
        Transition("sparkws/test.labels", 3),
        options,
        clamped={},
        fingerprints={("kind", "lf_a"): "of lf_a"},
        graph=CONFIG,
    )
    labels = read_rows(spark, open_version(spark, refs["labels"], labeled.version)).sort("item_id")
    voted = (L >= 0).any(axis=1)
    assert (labels["label_status"] == "labeled").to_list() == voted.tolist()
    found = labels.filter(pl.Series(voted))
    np.testing.assert_allclose(np.stack(found["probs"].to_list()), probs["kind"][voted], atol=1e-6)
    assert found["pred"].to_list() == predict(probs["kind"][voted]).tolist()
    drawn = np.array([one.posterior(L)["kind"] for one in fitted.refitted.replicates])
    top = probs["kind"][voted].argmax(axis=1)
    lowest = drawn[:, voted][:, np.arange(voted.sum()), top].min(axis=0)
    np.testing.assert_allclose(found["confidence_low"], lowest, atol=1e-6)

    counted_slices = count_slices(
        spark,
        tables["kind"][0],
        gold,
        LFS["kind"],
        2,
        ("few",),
        refs["slices"],
        Transition("sparkws/test.slices", 4),
        options,
    )
    of_slices = open_version(spark, refs["slices"], counted_slices)
    told = graphsteps.slice_figures(
        spark, fitted.model, "kind", parts["kind"], tables, of_slices, gold, ("few",), options
    )["few"]
    own_votes = (matrix("kind") >= 0).any(axis=1)
    judged = few & own_votes & (np.arange(N) % 4 == 0)
    assert (told["n_items"], told["n_gold"]) == (few.sum(), (few & (np.arange(N) % 4 == 0)).sum())
    assert told["coverage"] == pytest.approx(own_votes[few].mean())
    right = hits(probs["kind"][judged], truth[judged, 0].astype(np.int8))
    assert told["accuracy"]["hierarchical"] == pytest.approx(right.mean())
    assert set(told["accuracy"]) == {"hierarchical", "majority"}
    without_gold = graphsteps.slice_figures(
        spark, fitted.model, "kind", parts["kind"], tables, of_slices, None, ("few",), options
    )
    assert without_gold == {"few": {**told, "accuracy": {"majority": told["accuracy"]["majority"]}}}
