"""The main job as a user runs it: one command, then tables for everybody."""

import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
import yaml
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from tests.e2e.conftest import MODULE, Project, comments, ran, table

LFS = ["lf_praise", "lf_short", "lf_money", "lf_link", "lf_gift"]


def votes_by_hand(items: pl.DataFrame) -> list[list[int | None]]:
    rows: list[list[int | None]] = []
    for text, amount in items.select("text", "amount").iter_rows():
        praise = 0 if {"song", "lovely"} & set(text.split()) else -1
        short = 0 if len(text) < 12 else -1
        money = None if amount is None else 1 if amount > 100 else -1
        link = 1 if "http" in text else -1
        rows.append([praise, short, money, link, 1 if "gift" in text or "win" in text.split() else -1])
    return rows


def test_from_comments_to_labels(project: Project, run: Any) -> None:
    path = project(label_model={"kind": "majority"})
    code, result, log = run(path)
    assert code == 0
    items = comments()
    votes = table(path, "spam_votes").sort("item_id")
    assert votes["item_id"].to_list() == items["id"].to_list()
    expected = votes_by_hand(items)
    assert votes.select(LFS).rows() == [tuple(row) for row in expected]
    assert set(votes.select(LFS).dtypes) == {pl.Int8}

    labels = table(path, "spam_labels").sort("item_id")
    for row, own in zip(labels.iter_rows(named=True), expected, strict=True):
        cast = [vote for vote in own if vote in (0, 1)]
        assert row["n_votes"] == len(cast)
        if not cast:
            assert (row["probs"], row["pred"]) == (None, None)
            assert row["label_status"] == ("fault" if None in own else "abstain")
            continue
        share = cast.count(1) / len(cast)
        np.testing.assert_allclose(row["probs"], [1 - share, share])
        assert row["pred"] == (None if share == 0.5 else int(share > 0.5))
        assert row["confidence"] == pytest.approx(max(share, 1 - share))
        assert (row["votes_version"], row["model_version"]) == (0, 0)

    faults = table(path, "spam_faults").to_dicts()
    assert [(fault["item_id"], fault["lf"], fault["error_class"]) for fault in faults] == [
        ("c000", "lf_money", "TypeError")
    ]
    assert result["tasks"]["spam"]["votes"]["faults"] == {"lf_money": 1}
    assert result["tasks"]["spam"]["label_model"]["metrics"]["majority"]["n_gold"] == 30
    assert "Emp. Acc." in log
    assert "takes no part" not in log


def test_other_readers_see_the_same_labels(project: Project, run: Any) -> None:
    path = project()
    assert run(path)[0] == 0
    folder = str(path.parent / "tables" / "spam_labels")
    by_delta_rs = pl.DataFrame(pl.from_arrow(DeltaTable(folder).to_pyarrow_table())).sort("item_id")
    by_polars = pl.read_delta(folder).sort("item_id")
    files = [uri.removeprefix("file://") for uri in DeltaTable(folder).file_uris()]
    by_duckdb = duckdb.sql(f"SELECT * FROM read_parquet({files!r}) ORDER BY item_id").pl()
    assert by_delta_rs.equals(by_polars)
    assert by_duckdb.cast(by_polars.schema).equals(by_polars)
    protocol = DeltaTable(folder).protocol()
    assert protocol.min_reader_version == 1
    comment = next(field for field in DeltaTable(folder).schema().fields if field.name == "pred").metadata["comment"]
    assert comment == "index of the class: 0 ham, 1 spam"


def test_both_lanes_publish_the_same(project: Project, run: Any) -> None:
    path = project()
    assert "direct lane for" in run(path, "--lane", "direct")[2]
    # The lane is no reason to do anything again.
    assert run(path, "--lane", "rows")[1]["unchanged"]
    overlay = path.parent / "elsewhere.yaml"
    overlay.write_text("workspace: ./by_rows")
    code, _, log = run(path, "--overlay", str(overlay), "--lane", "rows")
    assert code == 0
    assert "direct lane for" not in log
    for name in ("spam_votes", "spam_labels", "spam_patterns", "spam_faults", "spam_label_model", "spam_gold"):
        both = [table(path, name, workspace) for workspace in ("tables", "by_rows")]
        order = [column for column, dtype in both[0].schema.items() if not dtype.is_nested()]
        assert both[0].sort(order).equals(both[1].sort(order)), name


def test_running_again_changes_nothing_and_says_so(project: Project, run: Any) -> None:
    path = project()
    _, first, first_log = run(path)
    code, again, log = run(path)
    assert code == 0
    assert again["unchanged"]
    assert {step["status"] for step in again["steps"]} == {"skipped"}
    assert [step["outputs"] for step in again["steps"]] == [step["outputs"] for step in first["steps"]]
    assert "nothing has changed since the last run" in log
    report = [part.partition("task spam\n")[2].partition("\n\n")[0] for part in (first_log, log)]
    assert report[0] == report[1]
    assert again["tasks"] == first["tasks"]
    runs = table(path, "runs")
    assert runs.filter(pl.col("status") == "done").height == len(first["steps"])


def test_a_change_runs_what_depends_on_it(project: Project, run: Any) -> None:
    path = project()
    run(path)
    module = path.parent / "functions.py"
    module.write_text(module.read_text().replace('"lovely"', '"lovely", "day"'))
    _, result, log = run(path)
    assert ran(result) == ["spam.votes", "spam.stats", "spam.label_model", "spam.labels"]
    assert "lfs.lf_praise changed" in log

    config = yaml.safe_load(path.read_text())
    config["tasks"]["spam"]["label_model"] = {"kind": "majority"}
    path.write_text(yaml.safe_dump(config))
    assert ran(run(path)[1]) == ["spam.label_model", "spam.labels"]

    more = comments().with_columns(pl.col("id") + "x")
    write_deltalake(str(path.parent / "comments"), more.to_arrow(compat_level=pl.CompatLevel.oldest()), mode="append")
    _, result, log = run(path)
    assert ran(result) == ["spam.votes", "spam.gold", "spam.stats", "spam.label_model", "spam.labels"]
    assert table(path, "spam_labels").height == 120


def test_a_model_of_some_functions_takes_no_pass_over_votes(project: Project, run: Any) -> None:
    path = project()
    run(path)
    config = yaml.safe_load(path.read_text())
    config["tasks"]["spam"]["label_model"] = {"exclude": ["lf_money"]}
    path.write_text(yaml.safe_dump(config))
    code, result, log = run(path)
    assert code == 0
    assert ran(result) == ["spam.label_model", "spam.labels"]
    assert "as configured, without ['lf_money']" in log
    found = result["tasks"]["spam"]["label_model"]["lf_summary"]
    votes = table(path, "spam_votes").select(lf for lf in LFS if lf != "lf_money").to_numpy()
    several = (votes >= 0).sum(axis=1) > 1
    for row, own in zip(found, votes.T, strict=True):
        assert row["Overlaps"] == ((own >= 0) & several).mean()
    # A fault of a function that takes no part is no reason for a label to be missing.
    assert not result["tasks"]["spam"]["labels"]["statuses"]["fault"]

    config["tasks"]["spam"]["label_model"] = {"exclude": ["lf_mony"]}
    path.write_text(yaml.safe_dump(config))
    code, _, log = run(path)
    assert code == 2
    assert "Did you mean 'lf_money'?" in log


def test_a_function_that_always_raises_takes_no_part_and_that_is_said(project: Project, run: Any) -> None:
    path = project()
    module = path.parent / "functions.py"
    module.write_text(module.read_text() + "\n\n@labeling_function\ndef lf_broken(x):\n    return x.text['url']\n")
    code, result, log = run(path)
    assert code == 0
    assert result["tasks"]["spam"]["label_model"]["left_out"] == ["lf_broken"]
    assert "takes no part" in log
    assert table(path, "spam_votes")["lf_broken"].null_count() == 60
    assert "lf_broken" not in table(path, "spam_label_model")["lf"].to_list()
    counted = table(path, "spam_faults").filter(pl.col("lf") == "lf_broken")
    assert counted.height == 10
    assert set(counted["error_class"]) == {"TypeError"}


@pytest.mark.parametrize("lane", ["direct", "rows"])
def test_bad_data_ends_with_three_and_writes_nothing(project: Project, run: Any, lane: str) -> None:
    twice = pl.concat([comments(), comments().head(2)])
    path = project(items=twice)
    code, result, log = run(path, "--lane", lane)
    assert (code, result) == (3, None)
    assert "key column 'id'" in log
    assert "c000 (2 times)" in log
    assert not (path.parent / "tables" / "spam_votes").exists()

    path = project(items=comments().drop("amount"))
    code, _, log = run(path, "--lane", lane)
    assert code == 3
    assert "'lf_money' reads ['amount'], which the source lacks" in log


def test_policy_fail_stops_at_the_first_fault(project: Project, run: Any) -> None:
    path = project()
    config = yaml.safe_load(path.read_text())
    config["tasks"]["spam"]["lfs"]["on_fault"] = "fail"
    path.write_text(yaml.safe_dump(config))
    code, _, log = run(path)
    assert code == 3
    assert "'lf_money' raised on 1 of 60 items" in log
    assert "c000" in log
    assert not (path.parent / "tables" / "spam_votes").exists()


def test_a_missed_example_or_a_function_that_reads_the_gold_stops_before_any_work(project: Project, run: Any) -> None:
    path = project()
    module = path.parent / "functions.py"
    module.write_text(MODULE.replace("(owner=", "(examples=[({'amount': 100}, 1)], owner="))
    code, _, log = run(path)
    assert code == 3
    assert "'lf_money' abstained on its example 1, {'amount': 100}, expected 1" in log
    module.write_text(MODULE + "\n@labeling_function\ndef lf_cheat(x):\n    return x.truth or -1\n")
    code, _, log = run(path)
    assert code == 2
    assert "'lf_cheat' reads ['truth'], from which the gold of task 'spam' is made" in log
    assert not (path.parent / "tables").exists()
    module.write_text(
        MODULE + "\n@labeling_function\ndef lf_any(x):\n    return 'spam' if 'truth' in dict(x) else -1\n"
    )
    code, _, log = run(path)
    assert code == 0
    assert "no ['truth'] for ['lf_any'], which do not say what they read" in log
    assert set(table(path, "spam_votes")["lf_any"]) == {-1}


def test_a_function_that_votes_by_chance_is_refused_unless_it_says_so(project: Project, run: Any) -> None:
    path = project()
    chance = (
        "\nfrom random import Random\n\nDICE = Random()\n\n\n@labeling_function{}\n"
        "def lf_chance(x):\n    return DICE.randrange(2)\n"
    )
    (path.parent / "functions.py").write_text(MODULE + chance.format(""))
    code, _, log = run(path)
    assert code == 2
    assert "'lf_chance' votes" in log
    assert "when it is run again; a vote must follow from the item alone" in log
    assert not (path.parent / "tables" / "spam_votes").exists()
    (path.parent / "functions.py").write_text(MODULE + chance.format("(deterministic=False)"))
    code, result, log = run(path)
    assert code == 0
    assert set(table(path, "spam_votes")["lf_chance"]) == {0, 1}
    costs = result["tasks"]["spam"]["votes"]["slowest"]
    assert {"lf_chance", "lf_money", "lf_praise"} <= set(costs)
    assert "all functions vote on" in log


def test_a_call_of_chance_is_refused_before_any_work(project: Project, run: Any) -> None:
    path = project()
    rare = "@labeling_function\ndef lf_rare(x):\n    return random.choice([0, 1]) if x.text == '?' else -1\n"
    rare = "\nimport random\n\n\n" + rare
    (path.parent / "functions.py").write_text(MODULE + rare)
    code, _, log = run(path)
    assert code == 2
    assert "'lf_rare' calls random.choice()" in log


def test_configuration_errors_end_with_two(project: Project, run: Any) -> None:
    path = project(label_model={"max_iters": 3})
    code, _, log = run(path)
    assert code == 2
    assert "did you mean 'max_iter'?" in log
    assert run(path.parent / "nowhere.yaml")[0] == 2
    path = project()
    code, _, log = run(path, "--task", "spma")
    assert code == 2
    assert "Did you mean 'spam'?" in log


def test_held_gold_is_published_as_certain(project: Project, run: Any) -> None:
    path = project(gold={"column": "truth", "use": "clamp"})
    code, _result, _ = run(path)
    assert code == 0
    labels = table(path, "spam_labels").sort("item_id")
    for row, truth in zip(labels.iter_rows(named=True), comments()["truth"], strict=True):
        assert (row["label_status"] == "gold") == (truth is not None)
        if truth is not None:
            assert row["pred"] == ["ham", "spam"].index(truth)
            assert max(row["probs"]) == 1
    patterns = table(path, "spam_patterns")
    known = patterns.filter(pl.col("gold") >= 0)["n_items"].sum()
    assert (known, patterns["n_items"].sum()) == (30, 60)


def test_votes_made_elsewhere_wide_and_long(project: Project, run: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 2, 80)
    answers = np.where(rng.random((80, 4)) < 0.8, truth[:, None], 1 - truth[:, None])
    answers[rng.random((80, 4)) < 0.3] = -1
    wide = pl.DataFrame({"item": range(80), **{f"w{j}": answers[:, j] for j in range(4)}})
    long = wide.unpivot(index="item", variable_name="worker", value_name="answer")
    long = long.filter(pl.col("answer") >= 0).with_columns(pl.col("answer").replace_strict({0: "no", 1: "yes"}))
    gold = pl.DataFrame({"item": range(80), "truth": truth})
    for name, frame in (("wide", wide), ("long", long), ("gold", gold)):
        write_deltalake(str(tmp_path / name), frame.to_arrow(compat_level=pl.CompatLevel.oldest()))
    config = {
        "project": "crowd",
        "workspace": "./tables",
        "tasks": {
            name: {
                "classes": ["no", "yes"],
                "gold": {"table": "./gold", "key": "item", "column": "truth"},
                "votes": {"table": f"./{name}", "key": "item", "format": name, **how},
                "label_model": {"kind": "dawid_skene"},
            }
            for name, how in (("wide", {}), ("long", {"lf_column": "worker", "vote_column": "answer"}))
        },
    }
    path = tmp_path / "crowd.yaml"
    path.write_text(yaml.safe_dump(config))
    code, _result, _log = run(path)
    assert code == 0
    voted = (answers >= 0).any(axis=1)
    both = [table(path, f"{name}_labels").sort("item_id") for name in ("wide", "long")]
    # A long table has no row for an item that nobody voted on.
    assert both[0].filter(pl.Series(voted))["item_id", "pred", "n_votes"].equals(both[1]["item_id", "pred", "n_votes"])
    accuracy = (both[1]["pred"].to_numpy() == truth[voted]).mean()
    assert accuracy > 0.85


def test_tables_by_name(project: Project, run: Any, spark: SparkSession, tmp_path: Path) -> None:
    spark.sql("CREATE SCHEMA IF NOT EXISTS comments_of_users")
    path = project(workspace="comments_of_users")
    source = spark.read.format("delta").load(str(tmp_path / "comments"))
    source.write.format("delta").mode("overwrite").saveAsTable("comments_of_users.items")
    config = yaml.safe_load(path.read_text())
    config["source"]["table"] = "comments_of_users.items"
    path.write_text(yaml.safe_dump(config))
    code, _result, log = run(path)
    assert code == 0
    assert "so Spark commits" in log
    assert spark.table("comments_of_users.spam_labels").count() == 60
    assert run(path)[1]["unchanged"]


def test_a_query_over_several_tables_is_a_source(project: Project, run: Any, tmp_path: Path) -> None:
    path = project()
    extra = comments().select("id", extra=pl.lit(1))
    write_deltalake(str(tmp_path / "extra"), extra.head(40).to_arrow(compat_level=pl.CompatLevel.oldest()))
    config = yaml.safe_load(path.read_text())
    config["source"] = {
        "query": "SELECT c.* FROM {comments} c JOIN {extra} e ON c.id = e.id",
        "tables": {"comments": "./comments", "extra": "./extra"},
        "key": "id",
    }
    path.write_text(yaml.safe_dump(config))
    code, _result, log = run(path)
    assert code == 0
    assert table(path, "spam_votes").height == 40
    assert "only Spark can read a query" in log
    assert run(path)[1]["unchanged"]
    config["source"]["query"] += " WHERE c.id < 'c010'"
    path.write_text(yaml.safe_dump(config))
    assert run(path)[0] == 0
    assert table(path, "spam_votes").height == 10
    for wrong, said in (
        ("SELECT * FROM {coments}", "the query has 'coments' in braces"),
        ("SELECT * FROM {comments}", "the query does not use ['extra'] of its 'tables'"),
        ("DROP TABLE {comments} {extra}", "Spark refuses the query"),
    ):
        config["source"]["query"] = wrong
        path.write_text(yaml.safe_dump(config))
        code, _, log = run(path)
        assert code == 2
        assert said in log


def test_names_of_columns_may_hold_anything(project: Project, run: Any) -> None:
    items = comments().rename({"id": "the id.of `it`", "text": "te.xt ü"})
    path = project(items=items)
    config = yaml.safe_load(path.read_text())
    config["source"]["key"] = "the id.of `it`"
    lf = {"name": "lf_link", "regex": {"column": "te.xt ü", "pattern": "http", "label": "spam"}}
    config["tasks"]["spam"].update(lfs={"declarative": [lf]}, label_model={"kind": "majority"})
    for lane in ("direct", "rows"):
        config["workspace"] = f"./{lane}"
        path.write_text(yaml.safe_dump(config, allow_unicode=True))
        assert run(path, "--lane", lane)[0] == 0
    both = [table(path, "spam_labels", lane).sort("item_id") for lane in ("direct", "rows")]
    assert both[0].equals(both[1])
    assert (both[0]["pred"] == 1).sum() == 24


def test_gold_that_is_wrong_is_told_before_any_work(project: Project, run: Any) -> None:
    for gold, code, said in (
        ({"column": "trth"}, 3, "Did you mean 'truth'?"),
        ({"expression": "IF(trth, 1)"}, 2, "Spark refuses"),
        ({"column": "truth", "split_column": "id", "splits": ["hmm"]}, 3, "no gold item is in the split ['hmm']"),
        ({"column": "id"}, 3, "have a class in 'class' that does not exist"),
    ):
        ended, _, log = run(project(gold=gold))
        assert ended == code
        assert said in log


def test_a_schema_that_is_not_there_is_named(project: Project, run: Any) -> None:
    code, _, log = run(project(workspace="nowhere_at_all"))
    assert code == 2
    assert "there is no schema 'nowhere_at_all'" in log


def test_a_ledger_that_is_behind_its_tables_is_said(project: Project, run: Any) -> None:
    path = project()
    run(path)
    run(path)
    module = path.parent / "functions.py"
    module.write_text(module.read_text().replace("12", "13"))
    run(path)
    shutil.rmtree(path.parent / "tables" / "runs")
    before = table(path, "spam_votes")
    code, _, log = run(path)
    assert code == 1
    assert "the table 'runs' of the workspace is behind" in log
    assert table(path, "spam_votes").equals(before)


def test_an_empty_source_is_said(project: Project, run: Any) -> None:
    code, _, log = run(project(items=comments().head(0)))
    assert code == 3
    assert "the votes table has no items" in log


def test_functions_that_never_vote_are_told_with_their_task_where_there_are_several(project: Project, run: Any) -> None:
    silent = [{"name": "lf_never", "keyword": {"column": "text", "any": ["xyzzy"], "label": 1}}]
    path = project(lfs={"declarative": silent})
    code, _, log = run(path)
    assert code == 3
    assert "none of the 60 items has a vote" in log.splitlines()[-1]
    assert "task 'spam'" not in log.splitlines()[-1]
    config = yaml.safe_load(path.read_text())
    config["tasks"]["other"] = {"classes": ["ham", "spam"], "lfs": {"modules": ["functions.py"], "declarative": []}}
    path.write_text(yaml.safe_dump(config))
    code, _, log = run(path)
    assert code == 3
    assert "task 'spam': none of the 60 items has a vote; check that the labeling" in log.splitlines()[-1]
