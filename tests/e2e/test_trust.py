"""How sure labels are and why they are what they are, as a user asks for it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from deltalake import DeltaTable

from tests.e2e.conftest import Project, ran, table

PLAIN = ["item_id", "probs", "pred", "confidence", "n_votes", "label_status", "votes_version", "model_version"]
MODEL = {"kind": "dawid_skene", "abstain": "outcome", "bootstrap": 5, "leave_one_out": 2}


def set_model(path: Path, **label_model: Any) -> None:
    config = yaml.safe_load(path.read_text())
    config["tasks"]["spam"]["label_model"] = label_model
    path.write_text(yaml.safe_dump(config))


@pytest.mark.parametrize("lane", ["direct", "rows"])
def test_labels_tell_how_sure_they_are_where_that_is_asked_for(project: Project, run: Any, lane: str) -> None:
    gold = {"column": "truth", "use": "dev"}
    path = project(label_model=MODEL, gold=gold)
    code, result, log = run(path, "--lane", lane)
    assert code == 0
    assert table(path, "spam_labels").columns == PLAIN
    assert result["tasks"]["spam"]["label_model"]["calibration"] is None
    assert "Est. Acc." in log

    set_model(path, **MODEL, calibrate=True, label_intervals=True)
    _, result, log = run(path, "--lane", lane)
    assert ran(result) == ["spam.label_model", "spam.labels"]
    temperature = result["tasks"]["spam"]["label_model"]["calibration"]["temperature"]
    model = table(path, "spam_label_model")
    assert model.filter(parameter="temperature")["value"].to_list() == [temperature]
    assert "known classes; on items that it was not fitted on, by 10 folds: Brier" in log
    assert "when one of 2 of 5 functions is left out" in log
    labels = table(path, "spam_labels")
    assert labels.columns == [*PLAIN, "confidence_low", "confidence_high", "confidence_spread"]
    told = labels.drop_nulls("confidence")
    assert told.select("confidence_low", "confidence_high", "confidence_spread").null_count().row(0) == (0, 0, 0)
    assert (told["confidence_low"] <= told["confidence_high"]).all()

    fields = DeltaTable(str(path.parent / "tables" / "spam_labels")).schema().fields
    comments = {field.name: field.metadata.get("comment", "") for field in fields}
    assert comments["pred"] == "index of the class: 0 ham, 1 spam"
    assert comments["confidence_spread"].startswith("how far the confidence lies apart")

    set_model(path, **MODEL)
    assert run(path, "--lane", lane)[0] == 0
    assert table(path, "spam_labels").columns == PLAIN


def test_a_label_is_explained_by_the_versions_that_it_was_made_from(project: Project, run: Any) -> None:
    path = project(label_model=MODEL)
    code, _, log = run(path, command="explain")
    assert code == 3
    assert "spam_label_model' yet. Run: sparkws run --task spam." in log
    run(path)
    labels = {row["item_id"]: row for row in table(path, "spam_labels").to_dicts()}
    code, result, log = run(path, "c001", "c025", command="explain")
    assert code == 0
    votes = table(path, "spam_votes")
    for item in result["items"]:
        label = labels[item["item_id"]]
        np.testing.assert_allclose(list(item["probs"].values()), label["probs"], atol=1e-12)
        odds = np.log(item["probs"][item["label"]] / item["probs"][item["against"]])
        assert item["total"] == pytest.approx(odds)
        assert item["prior"] + sum(vote["log_odds"] for vote in item["votes"]) == pytest.approx(odds)
        cast = votes.filter(item_id=item["item_id"]).row(0, named=True)
        index = {None: -1, "ham": 0, "spam": 1}
        assert all(index[vote["vote"]] == cast[vote["lf"]] for vote in item["votes"])
    assert "task spam, item c001: " in log

    code, result, log = run(path, command="explain")
    assert code == 0
    assert [row["lf"] for row in result["functions"]] == ["lf_praise", "lf_short", "lf_money", "lf_link", "lf_gift"]
    assert len(result["pairs"]) == 10
    assert "what each function adds" in log

    module = path.parent / "functions.py"
    module.write_text(module.read_text().replace('"lovely"', '"lovely", "day"'))
    set_model(path, kind="majority")
    run(path)
    assert run(path, "--pairs", "3", command="explain")[1]["functions"] is None
    code, result, log = run(path, "c000", command="explain")
    assert result["items"][0]["faulted"] == ["lf_money"]
    assert "lf_money faulted on it" in log
    assert "a majority model has no log-odds: each vote counts as one" in log

    code, _, log = run(path, "nobody", command="explain")
    assert code == 3
    assert "there is no item 'nobody' in" in log
    code, result, log = run(path, "c000", "nobody", command="explain")
    assert (code, [item["item_id"] for item in result["items"]]) == (3, ["c000"])
    assert "task spam, item c000: " in log
    assert "there is no item 'nobody' in" in log
    code, _, log = run(path, "--task", "spm", command="explain")
    assert code == 2
    assert "Did you mean 'spam'?" in log
