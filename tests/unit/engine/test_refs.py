"""Names of tables: what is a path, what is a name, and how both are quoted."""

import re
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import given
from hypothesis import strategies as st

from sparkws.engine.refs import TableRef, Workspace, parse_ref, parse_workspace, quote_column
from sparkws.errors import ConfigError

# Whatever a catalog might allow in a part of a name; a slash would make it a path.
parts = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/data/items", "file:/data/items"),
        ("/data/my items/v1.2", "file:/data/my items/v1.2"),
        ("./items", "file:/project/items"),
        ("items/", "file:/project/items"),
        ("../other/items", "file:/other/items"),
        ("file:/data/items", "file:/data/items"),
        ("file:///data/items", "file:/data/items"),
        ("file:/data//my items", "file:/data//my items"),
        ("s3://bucket/items", "s3://bucket/items"),
        ("abfss://box@account.dfs.core.windows.net/items", "abfss://box@account.dfs.core.windows.net/items"),
        ("dbfs:/items", "dbfs:/items"),
    ],
)
def test_text_with_a_slash_is_a_path(text, path):
    ref = parse_ref(text, "/project")
    assert ref == TableRef(path=path)
    assert ref.sql == f"delta.`{path}`"


def test_home_and_the_present_folder():
    assert parse_ref("~/items").folder == Path.home() / "items"
    assert parse_ref("./items").folder == Path.cwd() / "items"


def test_only_a_local_path_is_a_folder():
    assert parse_ref("file:///data/my items").folder == Path("/data/my items")
    assert parse_ref("s3://bucket/items").folder is None
    assert parse_ref("main.items").folder is None


def test_text_for_people_is_short():
    assert str(parse_ref("file:///data/items")) == "/data/items"
    assert str(parse_ref("s3://bucket/items")) == "s3://bucket/items"
    assert str(parse_ref("main.spam.items")) == "main.spam.items"


@pytest.mark.parametrize(
    ("text", "name", "sql"),
    [
        ("items", ("items",), "`items`"),
        ("spam.items", ("spam", "items"), "`spam`.`items`"),
        ("main.spam.items", ("main", "spam", "items"), "`main`.`spam`.`items`"),
        ("`my catalog`.`a.b`.items", ("my catalog", "a.b", "items"), "`my catalog`.`a.b`.`items`"),
        ("`a``b`", ("a`b",), "`a``b`"),
        ("Zürich.Äpfel", ("Zürich", "Äpfel"), "`Zürich`.`Äpfel`"),
    ],
)
def test_other_text_is_a_name(text, name, sql):
    ref = parse_ref(text)
    assert ref == TableRef(name=name)
    assert ref.sql == sql


@given(st.lists(parts, min_size=1, max_size=3))
def test_a_quoted_name_is_read_back(name):
    ref = TableRef(name=tuple(name))
    assert parse_ref(ref.sql) == ref


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_name_ends_its_own_quotes(name):
    quoted = quote_column(name)
    assert (quoted[0], quoted[-1]) == ("`", "`")
    assert "`" not in quoted[1:-1].replace("``", "")
    assert TableRef(path=f"file:/{name}").sql == f"delta.{quote_column(f'file:/{name}')}"


@pytest.mark.parametrize("text", ["", "a..b", ".a", "a.", "a b", "a.b.c.d", "a`b`", "``", "`a", "a-b .c"])
def test_what_is_neither_is_refused(text):
    with pytest.raises(ConfigError, match=f"{re.escape(repr(text))} is not a table: give a path with a slash"):
        parse_ref(text)


@pytest.mark.parametrize("text", ["file://server/items", "file:items/v1", "file:./items"])
def test_a_location_of_another_machine_or_of_no_folder_is_refused(text):
    with pytest.raises(ConfigError, match=f"{re.escape(repr(text))} is not a path on this machine"):
        parse_ref(text)


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("./tables", "delta.`file:/project/tables/spam votes`"),
        ("/data/tables/", "delta.`file:/data/tables/spam votes`"),
        ("file:///data/tables/", "delta.`file:/data/tables/spam votes`"),
        ("s3://bucket/tables/", "delta.`s3://bucket/tables/spam votes`"),
        ("labels", "`labels`.`spam votes`"),
        ("main.`my labels`", "`main`.`my labels`.`spam votes`"),
    ],
)
def test_a_workspace_names_its_tables(text, sql):
    assert parse_workspace(text, "/project").table("spam votes").sql == sql


@pytest.mark.parametrize("name", ["a%20b", "a[b]", "a\\b", "a^b", "a|b", "a\tb"])
def test_a_folder_that_other_readers_misread_is_no_workspace(name):
    with pytest.raises(ConfigError, match=re.escape(repr(f"/data/{name}"))):
        parse_workspace(f"/data/{name}")
    assert parse_ref(f"/data/{name}").folder is None


def test_a_path_with_a_nul_byte_is_refused():
    with pytest.raises(ConfigError, match=re.escape(r"'./a\x00b' is not a path")):
        parse_ref("./a\0b")


@pytest.mark.parametrize("name", ["a b", "a%b", "a#b?c", "a'\"b", "é", "a:b;c,d=e", "a{b}*"])
def test_other_names_of_folders_are_taken_as_they_are(name, tmp_path):
    folder = tmp_path / name
    write_deltalake(str(folder), pa.table({"n": [1]}))
    assert parse_workspace(str(folder)).root.folder == folder
    assert (folder / "_delta_log").is_dir()


def test_a_workspace_is_a_value():
    assert parse_workspace("main.labels") == Workspace(TableRef(name=("main", "labels")))


def test_a_table_is_no_workspace():
    with pytest.raises(ConfigError, match=r"workspace 'main\.labels\.items' has 3 parts; expected catalog\.schema"):
        parse_workspace("main.labels.items")
    with pytest.raises(ConfigError, match=r"'a\.b\.c\.d' is not a table"):
        parse_workspace("a.b.c.d")
