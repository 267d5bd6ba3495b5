"""Tasks that one model labels together: a tree of two tasks, from comments to the labels of both."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from deltalake import DeltaTable

from sparkws.feasible import task_tree
from sparkws.labelmodels.hierarchy import Hierarchical
from sparkws.labelmodels.posterior import hits
from sparkws.labelmodels.savedgraph import graph_from_rows
from tests.e2e.conftest import Project, ran, table

NOT = "not applicable"


def words(name: str, label: str, *any_of: str) -> dict[str, Any]:
    return {"name": name, "keyword": {"column": "text", "any": list(any_of), "label": label}}


KIND = [
    words("lf_what", "question", "what", "which"),
    words("lf_price", "question", "price"),
    words("lf_thanks", "statement", "thanks", "fine"),
    words("lf_fine", "statement", "fine"),
]
ABOUT = [
    words("lf_price", "price", "price", "euro"),
    words("lf_van", "delivery", "van", "box"),
    words("lf_box", "delivery", "box"),
    words("lf_fine", NOT, "fine"),
]
TEXTS = ["what price", "which box in what van", "thanks fine", "euro", "fine box", "hm", "price", "van"]


def items(n: int = 48) -> pl.DataFrame:
    truth = [0, 0, 1, 0, 1, 1, 0, 0]
    return pl.DataFrame(
        {
            "id": [f"c{i:03d}" for i in range(n)],
            "text": [TEXTS[i % 8] for i in range(n)],
            "amount": [1.0] * n,
            "truth": [["question", "statement"][truth[i % 8]] if i % 3 else None for i in range(n)],
        }
    )


@pytest.fixture
def tree(project: Project) -> Any:
    """Writes a project of two tasks in a tree, with changes of the configuration by a function of it."""

    def write(change: Any = lambda config: None) -> Path:
        path = project(items())
        config = yaml.safe_load(path.read_text())
        config["tasks"] = {
            "about": {"classes": ["price", "delivery", NOT], "lfs": {"declarative": ABOUT}},
            "kind": {
                "classes": ["question", "statement"],
                "gold": {"column": "truth"},
                "lfs": {"declarative": KIND},
                "slices": {"short": "length(text) < 6"},
            },
        }
        config["task_graphs"] = {"asked": {"tasks": ["kind", "about"], "parents": {"about": ["kind", "question"]}}}
        change(config)
        path.write_text(yaml.safe_dump(config))
        return path

    return write


def joint_votes(path: Path) -> np.ndarray:
    kind, about = (table(path, f"{task}_votes").sort("item_id") for task in ("kind", "about"))
    assert kind["item_id"].equals(about["item_id"])
    votes = [of.select(lf["name"] for lf in lfs).to_numpy() for of, lfs in ((kind, KIND), (about, ABOUT))]
    return np.hstack(votes).astype(np.int8)


COLUMNS = [("kind", lf["name"]) for lf in KIND] + [("about", lf["name"]) for lf in ABOUT]
TREE = task_tree({"kind": ["question", "statement"], "about": ["price", "delivery"]}, {"about": ("kind", "question")})


def test_labels_are_those_of_the_model_in_memory(tree: Any, run: Any) -> None:
    path = tree()
    code, result, log = run(path)
    assert code == 0, log
    L = joint_votes(path)
    expected = Hierarchical(TREE, COLUMNS).fit(L).posterior(L)
    for task, probs in expected.items():
        labels = table(path, f"{task}_labels").sort("item_id")
        told = labels["label_status"] == "labeled"
        assert told.to_list() == (L >= 0).any(axis=1).tolist()
        np.testing.assert_allclose(np.stack(labels.filter(told)["probs"].to_list()), probs[told], atol=1e-6)
        assert labels["n_votes"].to_list() == (L >= 0).sum(axis=1).tolist()
    # Nobody votes on the kind of "van": it is a question, because its delivery is asked for.
    van = table(path, "kind_labels").sort("item_id").row(7, named=True)
    assert (van["pred"], van["n_votes"]) == (0, 1)
    assert van["probs"][0] > 0.6

    stored = graph_from_rows(table(path, "about_label_model"), TREE.classes)
    np.testing.assert_allclose(stored.posterior_vectors(L), Hierarchical(TREE, COLUMNS).fit(L).posterior_vectors(L))
    assert stored.columns == tuple(COLUMNS)
    assert [step["step"] for step in result["steps"]][-5:] == [
        "asked.stats",
        "kind.label_model",
        "kind.labels",
        "about.label_model",
        "about.labels",
    ]
    metrics = result["tasks"]["kind"]["label_model"]["metrics"]
    assert metrics["hierarchical"]["n_gold"] == 32
    assert metrics["hierarchical"]["n_labeled"] > metrics["majority"]["n_labeled"]
    assert "labeled together with" in log

    rows = items()
    gold = rows["truth"].replace_strict({"question": 0, "statement": 1}, default=-1).to_numpy()
    judged = (rows["text"].str.len_chars().to_numpy() < 6) & (gold >= 0) & (L[:, : len(KIND)] >= 0).any(axis=1)
    short = result["tasks"]["kind"]["label_model"]["slices"]["short"]
    assert short["n_items"] == sum(len(text) < 6 for text in rows["text"])
    assert short["accuracy"]["hierarchical"] == pytest.approx(hits(expected["kind"][judged], gold[judged]).mean())
    assert set(short["accuracy"]) == {"hierarchical", "majority"}

    assert log.count("Est. Acc.") == 4, "a column for each task, and a line about the intervals"
    accuracy = result["tasks"]["about"]["label_model"]["bootstrap"]["accuracy"]
    assert list(accuracy) == [lf["name"] for lf in ABOUT]
    rows = table(path, "about_label_model")
    low = dict(rows.filter(parameter="accuracy_low").select("lf", "value").iter_rows())
    assert low == {name: figures[1] for name, figures in accuracy.items()}
    changed = result["tasks"]["kind"]["label_model"]["leave_one_out"]["changed"]
    assert list(changed) == [*(lf["name"] for lf in KIND), *(f"about.{lf['name']}" for lf in ABOUT)]

    # Known classes that are held are evidence for the other task, too.
    config = yaml.safe_load(path.read_text())
    config["tasks"]["kind"]["gold"]["use"] = "clamp"
    config["task_graphs"]["asked"] |= {"label_intervals": True, "bootstrap": 3, "leave_one_out": 2}
    path.write_text(yaml.safe_dump(config))
    assert run(path)[0] == 0
    known = np.full((len(L), 2), -1, np.int8)
    known[:, 0] = gold
    model = Hierarchical(TREE, COLUMNS).fit(L, known=known)
    labels = table(path, "about_labels").sort("item_id")
    told = labels["label_status"] == "labeled"
    expected = model.posterior(L, known)["about"][told]
    np.testing.assert_allclose(np.stack(labels.filter(told)["probs"].to_list()), expected, atol=1e-6)
    assert (table(path, "kind_labels")["label_status"] == "gold").sum() == 32
    doubt = labels.filter(told).select("confidence_low", "confidence_high", "confidence_spread")
    assert doubt.null_count().row(0) == (0, 0, 0)
    assert (doubt["confidence_low"] <= doubt["confidence_high"]).all()
    known = labels.filter(told)["confidence_spread"].to_numpy()
    assert (known >= 0).all()
    assert (known > 0).any()


def test_a_label_is_explained_by_the_votes_on_all_tasks(tree: Any, run: Any) -> None:
    path = tree(lambda config: config["tasks"]["kind"]["gold"].update(use="clamp"))
    code, _, log = run(path, "--task", "kind", command="explain")
    assert code == 3
    assert "kind_label_model' yet. Run: sparkws run --task kind." in log
    assert run(path)[0] == 0
    for task, own in (("kind", KIND), ("about", ABOUT)):
        labels = {row["item_id"]: row for row in table(path, f"{task}_labels").to_dicts()}
        code, result, log = run(path, "c003", "c012", "c013", "--task", task, command="explain")
        assert code == 0
        for item in result["items"]:
            assert item["task"] == task
            mine = [vote for vote in item["votes"] if vote["task"] is None]
            others = [vote for vote in item["votes"] if vote["task"] is not None]
            assert [vote["lf"] for vote in mine] == [lf["name"] for lf in own]
            if not item["probs"]:
                assert labels[item["item_id"]]["n_votes"] == 0
                continue
            if item["status"] == "labeled":
                np.testing.assert_allclose(list(item["probs"].values()), labels[item["item_id"]]["probs"], atol=1e-12)
            odds = np.log(item["probs"][item["label"]] / item["probs"][item["against"]])
            assert item["total"] == pytest.approx(odds)
            assert item["prior"] + sum(vote["log_odds"] for vote in mine) + item["beside"] == pytest.approx(odds)
            assert {vote["task"] for vote in others} == {"about" if task == "kind" else "kind"}
    assert "task about, item c012: " in log
    # The known class of the other task is evidence, and told as such.
    (box,) = (item for item in result["items"] if item["item_id"] == "c012")
    assert [vote["vote"] for vote in box["votes"] if vote["lf"] == "kind.gold"] == [None]
    _, result, log = run(path, "c004", "--task", "about", command="explain")
    (known,) = (vote for vote in result["items"][0]["votes"] if vote["lf"] == "kind.gold")
    assert known["vote"] == "statement"
    assert re.search(r"kind.gold +statement +certain", log)

    code, result, log = run(path, "--task", "about", "--pairs", "2", command="explain")
    assert code == 0
    assert [row["lf"] for row in result["functions"]] == [lf["name"] for lf in ABOUT] + [
        f"kind.{lf['name']}" for lf in KIND
    ]
    votes = table(path, "about_votes")
    assert [row["items_voted"] for row in result["functions"]][:4] == [
        int((votes[lf["name"]] >= 0).sum()) for lf in ABOUT
    ]
    assert len(result["pairs"]) == 2
    assert "those called task.function vote on other tasks" in log
    code, _, log = run(path, "c999", "--task", "about", command="explain")
    assert code == 3
    assert "there is no item 'c999' in" in log

    # What a label was made from is told by the runs alone.
    DeltaTable(str(path.parent / "tables" / "runs")).delete("step = 'about.labels'")
    code, _, log = run(path, "c004", "--task", "about", command="explain")
    assert code == 3
    assert re.search("the table 'runs' has no run that made '.*about_labels.*', so nothing tells", log)
    assert "Run: sparkws run --overwrite about_labels." in log


def test_what_did_not_change_is_not_done_again(tree: Any, run: Any) -> None:
    path = tree()
    run(path)
    assert run(path)[1]["unchanged"]
    config = yaml.safe_load(path.read_text())
    fitted = ["kind.label_model", "kind.labels", "about.label_model", "about.labels"]
    config["tasks"]["about"]["label_model"] = {"exclude": ["lf_fine"]}
    path.write_text(yaml.safe_dump(config))
    _, result, _ = run(path)
    assert ran(result) == fitted
    assert result["tasks"]["about"]["label_model"]["not_chosen"] == ["lf_fine"]
    config["tasks"]["about"]["lfs"]["declarative"][2]["keyword"]["any"] = ["box", "van"]
    path.write_text(yaml.safe_dump(config))
    assert ran(run(path)[1]) == ["about.votes", "about.stats", "asked.stats", *fitted]

    # A task that leaves its graph and comes back has the same labels again.
    together = table(path, "kind_labels").sort("item_id")
    graphs = config.pop("task_graphs")
    path.write_text(yaml.safe_dump(config))
    code, result, _ = run(path)
    assert code == 0
    assert result["tasks"]["kind"]["label_model"]["kind"] != "hierarchical"
    path.write_text(yaml.safe_dump({**config, "task_graphs": graphs}))
    assert run(path)[0] == 0
    ours = table(path, "kind_labels").sort("item_id")
    assert ours.drop("model_version").equals(together.drop("model_version"))


def test_what_cannot_be_is_refused_before_any_work(tree: Any, run: Any) -> None:
    def graph(**changes: Any) -> Any:
        return lambda config: config["task_graphs"]["asked"].update(changes)

    circle = {"about": ["kind", "question"], "kind": ["about", "price"]}
    for change, said in [
        (
            graph(parents=circle),
            r"'task_graphs\.asked\.parents': the parents go in a circle: 'kind' under 'about' under 'kind'",
        ),
        (graph(parents={"about": ["kind", "qestion"]}), "'about' is under class 'qestion' of 'kind'"),
        (graph(tasks=["kind", "abut"]), "has no task 'abut'.*Did you mean 'about'"),
        (graph(parents={}, feasible=[["question", "cost"]]), "'cost' is no class of task 'about'"),
        (graph(parents={}), "give exactly one of 'parents'"),
        (lambda config: config["tasks"]["kind"].update(label_model={"kind": "majority"}), "leave out all keys but"),
    ]:
        code, _, log = run(tree(change))
        assert code == 2
        assert re.search(said, log), log
    path = tree()
    code, _, log = run(path, "--task", "kind")
    assert code == 2
    assert "['about'] must be run too" in log
    assert not (path.parent / "tables").exists()
