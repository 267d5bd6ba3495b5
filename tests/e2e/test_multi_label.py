"""A multi-label task from items to labels: the tables, what is done again, and what is refused."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from deltalake import DeltaTable, write_deltalake

Run = Callable[..., tuple[int, Any, str]]

MODULE = """
from sparkws import labeling_function


@labeling_function
def lf_words(x):
    return [topic for topic in ("sports", "politics", "music") if topic in x.text.split()]


@labeling_function(classes=["sports", "politics"])
def lf_both(x):
    if "!" in x.text:
        raise ValueError("loud")
    return {"sports": "goal" in x.text, "politics": "vote" in x.text}
"""

DECLARATIVE = [
    {"name": "lf_goal", "keyword": {"column": "text", "any": ["goal"], "label": "sports"}},
    {"name": "lf_vote", "keyword": {"column": "text", "any": ["vote"], "label": "sports"}, "absent": True},
]

TEXTS = ["sports goal", "politics vote", "music song", "goal and vote politics", "nothing", "loud!"]
TAGS = [["sports"], ["politics"], ["music"], ["sports", "politics"], [], None]


def write_items(folder: Path) -> None:
    n = 60
    items = pl.DataFrame(
        {
            "id": [f"c{i:02d}" for i in range(n)],
            "text": [TEXTS[i % 6] for i in range(n)],
            "tags": pl.Series([TAGS[i % 6] if i < 30 else None for i in range(n)], dtype=pl.List(pl.String)),
        }
    )
    write_deltalake(str(folder), items.to_arrow(compat_level=pl.CompatLevel.oldest()), mode="overwrite")


def project(folder: Path, **task: Any) -> Path:
    (folder / "lfs.py").write_text(MODULE)
    write_items(folder / "items")
    topics = {
        "classes": ["sports", "politics", "music", "other"],
        "multi_label": True,
        "gold": {"column": "tags"},
        "lfs": {"modules": ["lfs.py"], "declarative": DECLARATIVE, "max_fault_rate": 0.5},
        "label_model": {"kind": "majority"},
        **task,
    }
    config = {"project": "p", "workspace": "./tables", "source": {"table": "./items", "key": "id"}}
    path = folder / "project.yaml"
    path.write_text(yaml.safe_dump({**config, "tasks": {"topics": {k: v for k, v in topics.items() if v is not None}}}))
    return path


def table(path: Path, name: str) -> pl.DataFrame:
    frame = pl.from_arrow(DeltaTable(str(path.parent / "tables" / name)).to_pyarrow_table())
    assert isinstance(frame, pl.DataFrame)
    return frame


def first_six(frame: pl.DataFrame, *columns: str) -> list[Any]:
    return frame.sort("item_id").head(6).select(columns).rows()


@pytest.mark.parametrize("lane", ["direct", "rows"])
def test_from_items_to_labels(run: Run, tmp_path: Path, lane: str) -> None:
    path = project(tmp_path)
    code, result, log = run(path, "--lane", lane)
    assert code == 0, log
    votes = table(path, "topics_votes")
    assert votes.schema == pl.Schema(
        {
            "item_id": pl.String,
            **{f"lf_words__{name}": pl.Int8 for name in ("sports", "politics", "music", "other")},
            "lf_both__sports": pl.Int8,
            "lf_both__politics": pl.Int8,
            "lf_goal__sports": pl.Int8,
            "lf_vote__sports": pl.Int8,
        }
    )
    assert first_six(votes, *votes.columns[1:]) == [
        (1, -1, -1, -1, 1, 0, 1, -1),
        (-1, 1, -1, -1, 0, 1, -1, 0),
        (-1, -1, 1, -1, 0, 0, -1, -1),
        (-1, 1, -1, -1, 1, 1, 1, 0),
        (-1, -1, -1, -1, 0, 0, -1, -1),
        (-1, -1, -1, -1, None, None, -1, -1),
    ]
    labels = table(path, "topics_labels")
    assert labels.schema["probs"] == pl.List(pl.Float64)
    assert labels.schema["pred"] == pl.List(pl.Int32)
    assert first_six(labels, "probs", "pred", "confidence", "n_votes", "label_status") == [
        ([1.0, 0.0, None, None], [0], 1.0, 4, "labeled"),
        ([0.0, 1.0, None, None], [1], 1.0, 4, "labeled"),
        ([0.0, 0.0, 1.0, None], [2], 1.0, 3, "labeled"),
        ([2 / 3, 1.0, None, None], [0, 1], 2 / 3, 5, "labeled"),
        ([0.0, 0.0, None, None], [], 1.0, 2, "labeled"),
        (None, None, None, 0, "fault"),
    ]
    assert table(path, "topics_gold").sort("item_id")["class"].to_list()[:5] == [[0], [1], [2], [0, 1], []]
    model = result["tasks"]["topics"]["label_model"]
    assert model["labels"]["sports"]["metrics"]["majority"]["accuracy"] == 1.0
    assert model["metrics"]["label model"]["micro_f1"] == 1.0
    assert [found["label"] for found in model["warnings"] if found["code"] == "no_model"] == ["other"]
    assert "label sports" in log
    comments = {
        field.name: field.metadata.get("comment", "")
        for field in DeltaTable(str(tmp_path / "tables" / "topics_votes")).schema().fields
    }
    assert comments["lf_vote__sports"].startswith("1: has 'sports', 0: has not; keyword LF")
    again = run(path, "--lane", lane)[1]
    assert {step["status"] for step in again["steps"]} == {"skipped"}


def test_each_label_is_explained_by_itself(run: Run, tmp_path: Path) -> None:
    path = project(tmp_path)
    assert run(path)[0] == 0
    _, told, log = run(path, "c03", "c04", "c05", "--label", "sports", command="explain")
    assert "task topics, label sports, item c03: present with probability 0.667" in log
    assert [item["pred"] for item in told["items"]] == ["present", "absent", None]
    assert told["items"][2]["status"] == "fault"
    assert [vote["vote"] for vote in told["items"][0]["votes"]] == [None, "present", "present", "absent"]
    assert "task topics, label politics, majority" in run(path, "--label", "politics", command="explain")[2]
    for label, code, message in (
        ([], 2, "task 'topics' is multi_label, and each label is explained by itself: name one of"),
        (["--label", "sport"], 2, "got 'sport'. Did you mean 'sports'?"),
        (["--label", "other"], 3, "function votes on it; write one, or name one of ['music', 'politics', 'sports']."),
    ):
        got, _, log = run(path, *label, command="explain")
        assert got == code
        assert message in log


def test_labels_tell_how_sure_they_are_where_that_is_asked_for(run: Run, tmp_path: Path) -> None:
    model = {"kind": "dawid_skene", "bootstrap": 3, "leave_one_out": 2, "label_intervals": True}
    path = project(tmp_path, label_model=model)
    code, result, log = run(path)
    assert code == 0, log
    labels = table(path, "topics_labels").drop_nulls("probs")
    ends = labels.select(pl.col("probs", "probs_low", "probs_high", "probs_spread").list.get(0)).drop_nulls("probs")
    assert ends.height
    assert ends.null_count().row(0) == (0, 0, 0, 0)
    assert (ends["probs_low"] <= ends["probs_high"]).all()
    assert labels["probs_low"].list.get(3).is_null().all(), "nobody votes on the last label"
    stored = table(path, "topics_label_model").filter(label="sports", parameter="replicate")
    assert stored.height == 3
    assert "probs" in DeltaTable(str(tmp_path / "tables" / "topics_labels")).schema().fields[-1].name
    report = result["tasks"]["topics"]["label_model"]["labels"]["sports"]
    assert "Est. Acc." in log
    assert set(report["leave_one_out"]["changed"]) <= {"lf_words__sports", "lf_both__sports", "lf_goal__sports"} | {
        "lf_vote__sports"
    }
    code, told, log = run(path, "--label", "sports", command="explain")
    assert code == 0
    assert "task topics, label sports, dawid_skene" in log
    assert [row["lf"] for row in told["functions"]] == list(report["bootstrap"]["accuracy"])
    _, told, _ = run(path, "c03", "--label", "sports", command="explain")
    (item,) = told["items"]
    odds = np.log(item["probs"][item["label"]] / item["probs"][item["against"]])
    assert item["prior"] + sum(vote["log_odds"] for vote in item["votes"]) == pytest.approx(odds)


def test_votes_made_elsewhere_and_gold_that_is_held(run: Run, tmp_path: Path) -> None:
    rows = {
        "id": ["a", "b", "c"],
        "ana sports": ["Y", "N", None],
        "ben sports": ["Y", "N", None],
        "ana politics": ["N", "Y", None],
    }
    write_deltalake(str(tmp_path / "raw"), pl.DataFrame(rows).to_arrow(compat_level=pl.CompatLevel.oldest()))
    path = project(
        tmp_path,
        classes=["sports", "politics"],
        lfs=None,
        gold={"table": "./known", "key": "id", "column": "classes", "use": "clamp"},
        votes={
            "table": "./raw",
            "key": "id",
            "columns": {"ana sports": "sports", "ben sports": "sports", "ana politics": 1},
            "mapping": {"Y": "present", "N": "absent"},
        },
    )
    known = pl.DataFrame(
        {"id": ["c", "b"], "classes": [["politics"], []]}, {"id": pl.String, "classes": pl.List(pl.String)}
    )
    write_deltalake(str(tmp_path / "known"), known.to_arrow(compat_level=pl.CompatLevel.oldest()))
    code, _, log = run(path)
    assert code == 0, log
    columns = ("item_id", "lf_ana_sports", "lf_ben_sports", "lf_ana_politics")
    assert table(path, "topics_votes").sort("item_id").select(columns).rows() == [
        ("a", 1, 1, 0),
        ("b", 0, 0, 1),
        ("c", -1, -1, -1),
    ]
    assert table(path, "topics_labels").sort("item_id").select("item_id", "probs", "pred", "label_status").rows() == [
        ("a", [1.0, 0.0], [0], "labeled"),
        ("b", [0.0, 0.0], [], "gold"),
        ("c", [0.0, 1.0], [1], "gold"),
    ]


@pytest.mark.parametrize(
    ("task", "code", "message"),
    [
        ({"gold": {"expression": "array('sport')"}}, 3, "'sport' on .* Did you mean 'sports'"),
        ({"label_model": {"class_balance": [0.5, 0.5]}}, 2, "class_balance has 2 values, expected 4"),
        ({"label_model": {"exclude": ["lf_word"]}}, 2, r"names \['lf_word'\], which do not vote.*mean 'lf_words'"),
        ({"multi_label": False}, 2, "'lf_vote' says 'absent', which is for a task with multi_label: true"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(run: Run, tmp_path: Path, task: dict[str, Any], code: int, message: str) -> None:
    got, _, log = run(project(tmp_path, **task))
    assert got == code
    assert re.search(message, log)
