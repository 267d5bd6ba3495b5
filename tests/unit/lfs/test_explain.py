"""What is told of labeling functions: compiled or not, where and why."""

import json
from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake

import sparkws.demo
from sparkws.cli import main
from sparkws.lfs import labeling_function, preprocessor
from sparkws.lfs.explain import explained

CLASSES = ("ham", "spam")


@preprocessor
def with_n(x):
    x.n = 1
    return x


@labeling_function
def lf_link(x):
    return 1 if "http" in x.text and x.likes > 3 else -1


@labeling_function
def lf_letters(x):
    for c in x.text:
        if c == "a":
            return 1
    return -1


@labeling_function(pre=[with_n])
def lf_prepared(x):
    return x.n


@labeling_function(deterministic=False)
def lf_chance(x):
    return 1


@labeling_function(vectorized="polars", columns=["text"])
def lf_many(frame):
    return [1] * len(frame)


def line_of(text):
    return Path(__file__).read_text().splitlines().index(text) + 1


@pytest.mark.parametrize(
    ("lf", "runs", "line", "why"),
    [
        (lf_link, "compiled", None, "takes likes for a number, text for text"),
        (lf_letters, "Python", "    for c in x.text:", "loops over something else than a constant list"),
        (lf_prepared, "Python", None, "has preprocessors"),
        (lf_chance, "Python", None, "is not deterministic"),
        (lf_many, "vectorized", None, ""),
    ],
)
def test_each_function_is_told_with_its_place(lf, runs, line, why):
    said = explained(lf, CLASSES)
    assert (said.name, said.runs, said.why) == (lf.name, runs, why)
    assert said.where == f"test_explain.py:{lf.f.__code__.co_firstlineno if line is None else line_of(line)}"


def test_with_the_types_of_a_source_nothing_is_assumed():
    assert explained(lf_link, CLASSES, pl.Schema({"text": pl.String, "likes": pl.Float64})).why == ""
    said = explained(lf_link, CLASSES, pl.Schema({"text": pl.String, "likes": pl.Date}))
    assert (said.runs, said.why) == ("Python", "reads column 'likes', which is Date")


def test_the_command_tells_of_every_function_of_a_project(capsys):
    project = Path(sparkws.demo.__file__).parent / "project.yaml"
    assert main(["lfs", "--explain", "--config", str(project)]) == 0
    (told,) = json.loads(capsys.readouterr().out.splitlines()[-1])["tasks"].values()
    by_name = {one["name"]: one for one in told}
    assert by_name["lf_product"]["runs"] == "compiled"
    assert "a backreference" in by_name["lf_stretched"]["why"]


def test_the_command_takes_types_from_the_table_where_it_sees_it(capsys, tmp_path):
    rows = pl.DataFrame({"id": [1], "n": [2]}, schema={"id": pl.Int64, "n": pl.Date})
    write_deltalake(str(tmp_path / "items"), rows.to_arrow(compat_level=pl.CompatLevel.oldest()))
    (tmp_path / "functions.py").write_text(
        "from sparkws import labeling_function\n\n\n"
        "@labeling_function\ndef lf_two(x):\n    return 1 if x.n == 2 else 0\n"
    )
    (tmp_path / "project.yaml").write_text(
        "project: typed\nworkspace: ./tables\nsource: {table: ./items, key: id}\n"
        "tasks: {t: {classes: [a, b], lfs: {modules: [functions.py]}}}\n"
    )
    assert main(["lfs", "--explain", "--config", str(tmp_path / "project.yaml")]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])["tasks"]["t"]
    assert [(one["runs"], one["why"]) for one in told] == [("Python", "reads column 'n', which is Date")]
