"""A knowledge base beside a project: what it says is a vote, and a change of it is noticed."""

from pathlib import Path
from typing import Any

import polars as pl
from deltalake import write_deltalake

from tests.e2e.conftest import DECLARATIVE, Project, comments, ran, table

STEPS = ["spam.votes", "spam.stats", "spam.label_model", "spam.labels"]
KNOWN = {"name": "lf_known", "lookup": {"column": "text", "table": "./known", "key": "phrase", "normalize": ["lower"]}}
AMOUNT = {"name": "lf_amount", "expression": {"sql": "try_divide(700, amount) < 7", "dialect": "spark", "label": 1}}


def know(folder: Path, rows: list[tuple[str | None, str | None]]) -> None:
    known = pl.DataFrame(rows, {"phrase": pl.String, "kind": pl.String}, orient="row")
    write_deltalake(str(folder / "known"), known.to_arrow(compat_level=pl.CompatLevel.oldest()), mode="overwrite")


def lfs(*functions: dict[str, Any]) -> dict[str, Any]:
    return {"modules": ["functions.py"], "declarative": [*DECLARATIVE, *functions], "max_fault_rate": 0.02}


def test_a_knowledge_base_votes_and_its_change_is_noticed(project: Project, run: Any, tmp_path: Path) -> None:
    known = {**KNOWN, "lookup": {**KNOWN["lookup"], "label_column": "kind"}}
    path = project(lfs=lfs(known, AMOUNT))
    know(tmp_path, [("LOVELY song", "ham"), ("hm", "ham"), ("Hm", "spam"), (None, "spam"), ("nobody says this", "ham")])
    code, result, log = run(path)
    assert code == 0
    assert (
        f"lf_known matched 24 items with 3 keys of {tmp_path}/known, of which 1 are ambiguous; 12 of the items" in log
    )
    assert "rows lane for" in log
    lookups = result["tasks"]["spam"]["votes"]["lookups"]
    assert lookups["lf_known"] == {
        "table": str(tmp_path / "known"),
        "n_rows": 5,
        "n_keys": 3,
        "n_ambiguous": 1,
        "n_matched": 24,
        "n_undecided": 12,
    }
    votes = table(path, "spam_votes").sort("item_id")
    items = comments().to_dicts()
    assert votes["lf_known"].to_list() == [0 if item["text"] == "lovely song" else -1 for item in items]
    assert votes["lf_amount"].to_list() == [1 if (item["amount"] or 0) > 100 else -1 for item in items]
    assert votes["lf_link"].to_list() == [1 if "http" in item["text"] else -1 for item in items]

    code, result, _ = run(path)
    assert result["unchanged"]
    assert result["tasks"]["spam"]["votes"]["lookups"] == lookups

    know(tmp_path, [("what a long day it was", "ham")])
    code, result, log = run(path)
    assert ran(result) == STEPS
    assert f"{tmp_path}/known is at version 1, it was made from 0" in log
    assert table(path, "spam_votes")["lf_known"].to_list().count(0) == 12
    assert run(path)[1]["unchanged"]


def test_what_cannot_be_looked_up_or_computed_is_told(project: Project, run: Any, tmp_path: Path) -> None:
    know(tmp_path, [("hm", "ham")])
    every = {**KNOWN, "lookup": {**KNOWN["lookup"], "label": "ham"}}
    wrong = [
        (
            2,
            {**every, "lookup": {**every["lookup"], "table": "./nowhere"}},
            "'lf_known' looks values up in a table: there",
        ),
        (
            2,
            {**every, "lookup": {**every["lookup"], "column": "amount"}},
            "'amount' of the source, Float64, with 'phrase'",
        ),
        (2, {"name": "lf_b", "expression": {**AMOUNT["expression"], "sql": "max(amount) > 1"}}, "more than one item"),
        (2, {"name": "lf_b", "expression": {**AMOUNT["expression"], "sql": "`Truth` = 'spam'"}}, "from which the gold"),
        (3, {"name": "lf_b", "expression": {**AMOUNT["expression"], "sql": "1 / (amount - 7) > 0"}}, "try_divide"),
    ]
    for code, function, said in wrong:
        path = project(lfs=lfs(function))
        ended = run(path)
        assert ended[0] == code
        assert said in ended[2]
        assert "Traceback" not in ended[2]
        assert not (tmp_path / "tables" / "spam_votes" / "_delta_log").exists()
    path = project(lfs=lfs(every))
    code, _, log = run(path, "--lane", "direct")
    assert code == 1
    assert "the direct lane is closed for" in log


def test_the_functions_are_shown_without_spark(project: Project, run: Any) -> None:
    path = project(lfs=lfs({**KNOWN, "lookup": {**KNOWN["lookup"], "label": "ham"}}, AMOUNT))
    code, result, _ = run(path, command="lfs")
    assert code == 0
    kinds = {lf["name"]: lf["kind"] for lf in result["tasks"]["spam"]}
    assert (kinds["lf_known"], kinds["lf_amount"], kinds["lf_link"]) == (
        "lookup (table)",
        "expression (Spark SQL)",
        "regex",
    )
