"""Functions that vote with a probability, from items to labels; and probabilities made elsewhere."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from deltalake import DeltaTable, write_deltalake

from sparkws.grids import Grids, make_cells
from sparkws.labelmodels import persist
from tests.e2e.conftest import Project, table

GRID = (0.05, 0.2, 0.5, 0.8, 0.95)
MODULE = """
import polars as pl

from sparkws import labeling_function

GRID = (0.05, 0.2, 0.5, 0.8, 0.95)


@labeling_function(soft=GRID)
def lf_row(x):
    return -1 if x.score is None else x.score


@labeling_function(soft=GRID, vectorized="polars", columns=["score"])
def lf_batch(frame):
    return frame["score"]


@labeling_function(soft=(0.9,))
def lf_shouts(x):
    return 0.9 if x.text.isupper() else -1


@labeling_function(soft=GRID)
def lf_wrong(x):
    return {"ham": 0.5, "spam": 0.6} if x.text == "hm" else -1
"""
DECLARATIVE = [
    {"name": "lf_sql", "expression": {"sql": "score", "grid": list(GRID)}},
    {"name": "lf_link", "keyword": {"column": "text", "any": ["http"], "match": "substring", "label": "spam"}},
    {"name": "lf_song", "keyword": {"column": "text", "any": ["song"], "label": "ham"}},
]
SCORED = ("lf_row", "lf_batch", "lf_sql")


def items() -> pl.DataFrame:
    """400 comments with the score of a classifier, NULL for some."""
    rng = np.random.default_rng(0)
    truth = rng.random(400) < 0.5
    score = np.where(truth, rng.beta(4, 2, 400), rng.beta(2, 4, 400))
    cues = [("see http", "WIN NOW") if spam else ("lovely song", "hm") for spam in truth]
    return pl.DataFrame(
        {
            "id": [f"c{i:03d}" for i in range(400)],
            "text": [pair[int(rng.random() < 0.5)] if rng.random() < 0.6 else "what" for pair in cues],
            "score": pl.Series(score).scatter(np.flatnonzero(rng.random(400) < 0.2), None),
            "truth": ["spam" if spam else "ham" for spam in truth],
        }
    )


def write(project: Project, **task: Any) -> Path:
    path = project(
        items(), lfs={"modules": ["functions.py"], "declarative": DECLARATIVE, "max_fault_rate": 0.5}, **task
    )
    (path.parent / "functions.py").write_text(MODULE)
    return path


def test_soft_votes_in_both_lanes_become_labels(project: Project, run: Any) -> None:
    path = write(project, label_model={"kind": "dawid_skene", "exclude": ["lf_batch", "lf_sql", "lf_wrong"]})
    code, result, log = run(path)
    assert code == 0
    votes = table(path, "spam_votes").sort("item_id")
    known = items().sort("id")["score"].to_numpy()
    expected = [-1 if np.isnan(p) else int(np.argmin(np.abs(np.array(GRID) - p))) for p in known]
    for name in SCORED:
        assert votes[name].to_list() == expected
    assert set(votes["lf_shouts"].to_list()) == {-1, 0}
    faults = table(path, "spam_faults")
    assert faults["error_class"].unique().to_list() == ["InvalidVote"]
    assert faults["message"][0].startswith("returned {'ham': 0.5, 'spam': 0.6}, expected a probability for each of")
    comment = DeltaTable(str(path.parent / "tables" / "spam_votes")).schema().fields[1].metadata["comment"]
    assert "votes the index of a cell: P(class 1) of 0.05, 0.2, 0.5, 0.8, 0.95" in comment

    model = persist.from_rows(table(path, "spam_label_model"), ("ham", "spam"))
    assert set(model.grids_.of) == {"lf_row", "lf_shouts"}
    labels = table(path, "spam_labels").sort("item_id")
    probs = model.posterior(votes.select(model.lf_names_).to_numpy().astype(np.int8))
    labeled = labels["label_status"] == "labeled"
    assert np.array(labels.filter(labeled)["probs"].to_list()) == pytest.approx(probs[labeled.to_numpy()])
    told = result["tasks"]["spam"]["label_model"]
    assert told["soft_votes"]["lf_row"]["known"] == told["soft_votes"]["lf_row"]["votes"]
    assert told["metrics"]["dawid_skene"]["accuracy_ties_shared"] > 0.75
    assert "lf_row votes with a probability, in 5 cells: calibration error" in log

    config = yaml.safe_load(path.read_text())
    config |= {"workspace": "./other", "engine": {"lane": "rows"}}
    path.write_text(yaml.safe_dump(config))
    assert run(path)[0] == 0
    assert table(path, "spam_votes", "other").sort("item_id").equals(votes)


def test_probabilities_made_elsewhere(project: Project, run: Any) -> None:
    path = project(items())
    rng = np.random.default_rng(1)
    made = items().select(
        pl.col("id").alias("item_id"),
        "score",
        other=pl.Series(rng.random(400) < 0.3).cast(pl.Int64),
        third=pl.Series(rng.random(400) < 0.5).cast(pl.Int64),
    )
    write_deltalake(str(path.parent / "made"), made.to_arrow(compat_level=pl.CompatLevel.oldest()))
    config = yaml.safe_load(path.read_text())
    del config["source"]
    spam = {"classes": ["ham", "spam"], "votes": {"table": "./made", "grids": {"score": list(GRID)}}}
    config["tasks"] = {"spam": {**spam, "label_model": {"kind": "precision"}}}
    path.write_text(yaml.safe_dump(config))
    assert run(path)[0] == 0
    votes = table(path, "spam_votes").sort("item_id")
    assert votes["score"].n_unique() == 6
    model = persist.from_rows(table(path, "spam_label_model"), ("ham", "spam"))
    assert model.grids_ == Grids({"score": make_cells("score", GRID)})
    field = DeltaTable(str(path.parent / "tables" / "spam_votes")).schema().fields[1]
    assert field.metadata["comment"] == "votes the index of a cell: P(class 1) of 0.05, 0.2, 0.5, 0.8, 0.95"

    config["tasks"]["spam"]["votes"]["grids"] = {"scores": list(GRID)}
    path.write_text(yaml.safe_dump(config))
    code, _, log = run(path)
    assert code == 3
    assert "lacks ['scores']" in log
