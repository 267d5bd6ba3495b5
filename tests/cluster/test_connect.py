"""Spark Connect: a client without Java makes the tables of local mode on a server elsewhere.

Commands and programs run in processes that find no Java, so a test that passes has started no JVM there.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from tests.cluster.conftest import DECLARATIVE, ConnectServer, Project
from tests.tables import assert_same_tables

SPARKWS = str(Path(sys.executable).with_name("sparkws"))
CLIENT = str(Path(__file__).with_name("connect_client.py"))


def finished(ended: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


@pytest.mark.parametrize("lane", ["direct", "rows"])
def test_the_command_makes_the_tables_of_local_mode(
    connect_server: ConnectServer, project: Project, local_tables: Path, lane: str
) -> None:
    sections: dict[str, Any] = {"engine": {"task_mib": 1, "lane": "rows"}} if lane == "rows" else {}
    config = project.config(f"connect_{lane}", **sections)
    ended = finished(connect_server.client(SPARKWS, "run", "--config", str(config), "--remote", connect_server.url))
    result = json.loads(ended.stdout)
    assert result["tasks"]["spam"]["votes"]["lane"] == lane
    # A votes table made elsewhere is pivoted by Spark, so its rows come from there in both lanes.
    assert result["tasks"]["crowd"]["votes"]["lane"] == "rows"
    assert_same_tables(project.folder / f"connect_{lane}", local_tables)


def test_a_program_with_named_tables_and_a_view(
    connect_server: ConnectServer, project: Project, local_tables: Path
) -> None:
    config = project.config("by_name", workspace="by_name", source={"table": "by_name.seen", "key": "id"})
    program = [sys.executable, CLIENT, "by_name", connect_server.url, str(project.folder), str(config)]
    votes = json.loads(finished(connect_server.client(*program)).stdout)["tasks"]["spam"]["votes"]
    assert (votes["lane"], votes["lane_reason"]) == ("rows", "only Spark can read a query, a view or a join")
    assert_same_tables(connect_server.warehouse / "by_name.db", local_tables, task="spam")


def test_lookups_and_spark_sql(connect_server: ConnectServer, project: Project) -> None:
    """What Spark answers, and what it counts meanwhile."""
    known = pl.DataFrame({"phrase": ["LOVELY  song", "hm", "hm", None], "kind": ["ham", "ham", "spam", "spam"]})
    write_deltalake(str(project.folder / "known"), known.to_arrow(compat_level=pl.CompatLevel.oldest()))
    normalize = ["lower", "strip_punctuation", "collapse_whitespace"]
    lookup = {"column": "text", "table": "./known", "key": "phrase", "label_column": "kind", "normalize": normalize}
    functions = [
        {"name": "lf_known", "lookup": lookup},
        {"name": "lf_amount", "expression": {"sql": "amount > 60", "dialect": "spark", "label": "spam"}},
    ]
    lfs = {"modules": ["functions.py"], "declarative": [*DECLARATIVE, *functions]}
    config = project.config("connect_known", tasks={"spam": {"classes": ["ham", "spam"], "lfs": lfs}})
    ended = finished(connect_server.client(SPARKWS, "run", "--config", str(config), "--remote", connect_server.url))
    result = json.loads(ended.stdout)["tasks"]["spam"]["votes"]
    frames = [
        pl.DataFrame(pl.from_arrow(DeltaTable(str(project.folder / name)).to_pyarrow_table())).sort(key)
        for name, key in (("items", "id"), ("connect_known/spam_votes", "item_id"))
    ]
    texts, amounts = frames[0]["text"].to_list(), frames[0]["amount"].to_list()
    assert frames[1]["lf_known"].to_list() == [0 if text == "lovely song" else -1 for text in texts]
    assert frames[1]["lf_amount"].to_list() == [1 if (amount or 0) > 60 else -1 for amount in amounts]
    assert result["lookups"]["lf_known"] == {
        "table": str(project.folder / "known"),
        "n_rows": 4,
        "n_keys": 2,
        "n_ambiguous": 1,
        "n_matched": sum(text in ("lovely song", "hm") for text in texts),
        "n_undecided": texts.count("hm"),
    }


def test_the_notebook(connect_server: ConnectServer, tmp_path: Path) -> None:
    ended = finished(connect_server.client(sys.executable, CLIENT, "notebook", connect_server.url, str(tmp_path)))
    labels = pl.from_arrow(DeltaTable(str(tmp_path / "notebook" / "spam_labels")).to_pyarrow_table())
    assert isinstance(labels, pl.DataFrame)
    assert labels.sort("item_id")["pred"].to_list() == [1, 0, None, 1, None]
    assert "task spam" in ended.stdout


def test_what_is_wrong_is_one_sentence(connect_server: ConnectServer, project: Project, tmp_path: Path) -> None:
    twice = pl.DataFrame({"id": ["a", "a", "b"], "text": ["x", "y", "z"], "amount": [1.0, 2.0, 3.0]})
    write_deltalake(str(project.folder / "twice"), twice.to_arrow(compat_level=pl.CompatLevel.oldest()))
    lfs: dict[str, Any] = {"modules": ["functions.py"], "declarative": DECLARATIVE}
    fail = {"spam": {"classes": ["ham", "spam"], "lfs": {**lfs, "on_fault": "fail"}}}

    def asking(sql: str) -> dict[str, Any]:
        function = {"name": "lf_sql", "expression": {"sql": sql, "dialect": "spark", "label": "spam"}}
        return {"spam": {"classes": ["ham", "spam"], "lfs": {"declarative": [function]}}}

    query = {"query": "SELECT * FROM {items} WHERE author = 'bo'", "tables": {"items": "./items"}, "key": "id"}
    cases = (
        ("twice", {"source": {"table": "./twice", "key": "id"}}, 3, "['a (2 times)'] occur more than once"),
        ("gone", {"source": {"table": "./gone", "key": "id"}}, 2, f"there is no Delta table '{project.folder}/gone'"),
        ("unnamed", {"source": {"table": "nowhere.items", "key": "id"}}, 2, "there is no table 'nowhere.items'"),
        ("failing", {"tasks": fail}, 3, "'lf_money' raised on"),
        ("failing_rows", {"tasks": fail, "engine": {"lane": "rows"}}, 3, "'lf_money' raised on"),
        ("query", {"source": query}, 2, "Spark refuses the query"),
        (
            "rows",
            {"tasks": asking("max(amount) > 1")},
            2,
            "'lf_sql' has the expression 'max(amount) > 1', which looks at",
        ),
        ("sums", {"tasks": asking("1 / (amount - 7) > 0")}, 3, "'lf_sql' stopped the query at '1 / (amount - 7)': Div"),
    )
    tasks = {"tasks": {"spam": {"classes": ["ham", "spam"], "lfs": lfs}}}
    configs = [str(project.config(f"bad_{name}", **{**tasks, **sections})) for name, sections, _, _ in cases]
    program = [sys.executable, CLIENT, "badly", connect_server.url, str(tmp_path), *configs]
    said = [json.loads(line) for line in finished(connect_server.client(*program)).stdout.splitlines()]
    for (name, _, code, sentence), (ended, log) in zip(cases, said, strict=True):
        assert ended == code, (name, log)
        assert sentence in log[-1], name
        assert "Traceback" not in "\n".join(log), name
        assert not list((project.folder / f"bad_{name}").glob("spam_votes/_delta_log/*.json")), name


def test_a_server_that_is_not_there(connect_server: ConnectServer, project: Project) -> None:
    config = project.config("unreachable", spark={"remote": "sc://127.0.0.1:1"})
    ended = connect_server.client(SPARKWS, "run", "--config", str(config))
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "no Spark Connect server answers at sc://127.0.0.1:1 (" in ended.stderr
