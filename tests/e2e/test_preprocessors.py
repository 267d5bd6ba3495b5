"""Preprocessors in a whole run: results that are kept in a table, models and spaCy in the workers."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import yaml
from deltalake import write_deltalake

from tests.e2e.conftest import comments, ran, table

MODULE = """
import os
from pathlib import Path

import polars as pl

from sparkws import labeling_function, preprocessor
from sparkws.lfs import Loaded, nlp_labeling_function

HERE = {folder!r}


def noted(name, lines):
    with Path(HERE, name).open("a") as log:
        log.writelines(f"{{line}}\\n" for line in lines)


def read_words(path):
    noted("loads", [os.getpid()])
    return set(Path(path).read_text().split())


@preprocessor(columns=["text"], makes={{"n_words": pl.Int32}}, materialize=True)
def counted(x):
    noted("counted", [x.text])
    if x.text == "hm":
        raise ValueError("says nothing")
    x.n_words = len(x.text.split())
    return x


@preprocessor(
    vectorized="polars",
    columns=["text", "amount"],
    makes={{"score": pl.Float64, "kinds": pl.List(pl.String)}},
    resources={{"words": Loaded(read_words, HERE + "/words.txt")}},
    materialize=True,
)
def scored(frame, words):
    noted("scored", frame["text"])
    texts = [text.split() for text in frame["text"]]
    return {{"score": [len(words & set(text)) / FACTOR for text in texts], "kinds": texts}}


FACTOR = 1


@preprocessor
def doubled(x):
    x.double = 2 * x.score
    return x


@labeling_function(pre=[counted])
def lf_short(x):
    return "ham" if x.n_words < 3 else -1


@labeling_function(pre=[scored, doubled])
def lf_score(x):
    return 1 if x.double >= 2 and len(x.kinds) > 1 else 0


@labeling_function(vectorized="polars", columns=[], pre=[scored])
def lf_batch(frame):
    return (frame["score"] > 0).cast(pl.Int8)


WORDS = Loaded(read_words, HERE + "/words.txt")


@labeling_function(vectorized="polars", columns=["text"], resources={{"words": WORDS}})
def lf_model(frame, words):
    return [1 if words & set(text.split()) else -1 for text in frame["text"]]


def english():
    import spacy

    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{{"label": "SONG", "pattern": "lovely song"}}])
    return nlp


@nlp_labeling_function(language=english)
def lf_song(x):
    return "ham" if x.doc.ents else -1
"""
SHORT = {"lovely song": 0, "hm": None}


@pytest.fixture
def write(project: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Writes the project, with some of the functions' text replaced."""

    def write(*replaced: tuple[str, str]) -> Path:
        path = project(lfs={"modules": ["prepared.py"], "max_fault_rate": 1.0})
        text = MODULE.format(folder=str(tmp_path))
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "prepared.py").write_text(text)
        (tmp_path / "words.txt").write_text("gift")
        return path

    return write


def calls(path: Path, name: str) -> list[str]:
    """What the functions of that name noted since the last look."""
    log = path.with_name(name)
    lines = log.read_text().splitlines() if log.exists() else []
    log.write_text("")
    return sorted(lines)


def check_votes(path: Path) -> None:
    votes = table(path, "spam_votes").join(comments().select(item_id="id", text="text"), "item_id").sort("item_id")
    for text, row in zip(votes["text"], votes.iter_rows(named=True), strict=True):
        gift = 1 if "gift" in text else 0
        assert row["lf_short"] == SHORT.get(text, -1)
        assert row["lf_score"] == row["lf_batch"] == gift
        assert row["lf_model"] == (1 if gift else -1)
        assert row["lf_song"] == (0 if text == "lovely song" else -1)


def test_each_input_is_made_once_whatever_the_runs(write, run):
    path = write()
    texts = sorted(set(comments()["text"]))
    code, result, log = run(path)
    assert code == 0, log
    assert ran(result)[:3] == ["prep.counted", "prep.scored", "spam.votes"]
    check_votes(path)
    assert calls(path, "counted") == texts
    assert len(calls(path, "scored")) == comments()["text", "amount"].n_unique()
    assert len(calls(path, "loads")) <= 4  # once in a worker process, of which there may be two or three

    code, result, log = run(path)
    assert ran(result) == []

    # Two more items, one of them with a new text; and what failed is tried again.
    more = (
        comments()
        .head(2)
        .with_columns(id=pl.Series(["n0", "n1"]), text=pl.Series(["win more gift", comments()["text"][1]]))
    )
    write_deltalake(str(path.with_name("comments")), more.to_arrow(compat_level=pl.CompatLevel.oldest()), mode="append")
    code, result, log = run(path)
    assert code == 0, log
    assert calls(path, "counted") == ["hm", "win more gift"]
    assert calls(path, "scored") == ["win more gift"]
    prep = table(path, "prep_counted")
    assert sorted(prep.columns) == ["code", "error", "input_hash", "n_words"]
    assert prep["error"].drop_nulls().to_list() == ['ValueError("says nothing")'.replace('"', "'")] * 2
    faults = table(path, "spam_faults")
    assert set(faults["lf", "error_class"].rows()) == {("lf_short", "StoredFailure")}
    assert "says nothing" in faults["message"][0]

    # Changed code is another one; what the table holds of the old one does not count.
    write(("FACTOR = 1", "FACTOR = 2"))
    code, result, log = run(path)
    assert code == 0, log
    assert "prep.scored" in ran(result)
    assert len(calls(path, "scored")) == comments()["text", "amount"].n_unique()
    assert set(table(path, "spam_votes")["lf_score"]) == {0}
    assert calls(path, "counted") == ["hm"]


def test_a_run_that_ends_between_its_steps_converges(write, run):
    path = write(("def lf_short(x):", "def lf_short(x):\n    return 7"))
    code, _, log = run(path)
    assert code == 3
    assert "'lf_short' returned 7" in log
    assert calls(path, "counted") == sorted(set(comments()["text"]))
    write()
    code, result, log = run(path)
    assert code == 0, log
    assert calls(path, "counted") == ["hm"]  # the source was written again, so what failed was tried again
    assert "spam.votes" in ran(result)
    check_votes(path)


def test_what_it_cannot_make_is_told(write, run):
    path = write(("x.n_words = len(x.text.split())", 'x.n_words = "many"'))
    code, _, log = run(path)
    assert code == 2
    assert "preprocessor 'counted' returned" in log
    assert "which is no column of type Int32" in log
    path = write(('HERE + "/words.txt")}},\n    mat'.replace("}}", "}"), 'HERE + "/none.txt")},\n    mat'))
    code, _, log = run(path)
    assert code == 2
    assert "/none.txt') failed: FileNotFoundError" in log
    path = write(('columns=["text"], makes={"n_words"', 'columns=["txt", "text"], makes={"n_words"'))
    code, _, log = run(path)
    assert code == 3
    assert "lacks ['txt']" in log or "which the source lacks" in log


@pytest.mark.parametrize("lane", ["direct", "rows"])
def test_models_and_spacy_in_either_lane(write, run, lane):
    path = write(("    materialize=True,\n", ""), (", materialize=True", ""))
    config = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**config, "engine": {"lane": lane}}))
    code, result, log = run(path)
    assert code == 0, log
    assert ran(result)[0] == "spam.votes"
    check_votes(path)
    pids = calls(path, "loads")
    assert len(pids) == len(set(pids))
