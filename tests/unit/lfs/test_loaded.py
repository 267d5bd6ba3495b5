"""A resource is loaded once in a process, where it is needed, and is known by what it is made from."""

import re
from pathlib import Path

import polars as pl
import pytest

from sparkws.errors import InvalidFunction
from sparkws.lfs import LabelingFunction, LFSet, Loaded, preprocessor
from sparkws.lfs.fingerprint import fingerprint_of

ITEMS = pl.DataFrame({"text": ["good", "bad"]})
CLASSES = ("ham", "spam")


def read_words(path):
    with Path(f"{path}.loads").open("a") as log:
        log.write("x")
    return set(Path(path).read_text().split())


@pytest.fixture
def words(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("good fine")
    return path


def n_loads(path):
    log = path.with_name(path.name + ".loads")
    return len(log.read_text()) if log.exists() else 0


def test_it_is_loaded_once_for_all(words):
    def known(x, words):
        return 1 if x.text in words else 0

    @preprocessor(resources={"words": Loaded(read_words, str(words))})
    def found(x, words):
        x.found = x.text in words
        return x

    lfs = LFSet(
        [
            LabelingFunction("lf_a", known, {"words": Loaded(read_words, str(words))}),
            LabelingFunction("lf_b", known, {"words": Loaded(read_words, str(words))}),
            LabelingFunction("lf_c", lambda x: 1 if x.found else 0, pre=[found]),
        ]
    )
    assert n_loads(words) == 0
    for _ in range(2):
        got = lfs.apply(ITEMS, classes=CLASSES).drop("item_id").to_dict(as_series=False)
        assert got == {name: [1, 0] for name in lfs.names}
    assert n_loads(words) == 1
    cloudpickle = pytest.importorskip("pyspark.cloudpickle")
    travelled = cloudpickle.loads(cloudpickle.dumps(lfs))
    assert travelled.apply(ITEMS, classes=CLASSES)["lf_a"].to_list() == [1, 0]
    assert n_loads(words) == 1


def test_another_content_is_another_resource(words):
    before = Loaded(read_words, words)
    assert before == Loaded(read_words, words)
    assert before.value == {"good", "fine"}
    words.write_text("bad")
    after = Loaded(read_words, words)
    assert after.value == {"bad"}
    assert before != after
    assert fingerprint_of(before) != fingerprint_of(after)


def test_files_in_a_set_count_too(words):
    before = Loaded(len, {str(words), "other"}).fingerprint
    assert Loaded(len, {"other", str(words)}).fingerprint == before
    words.write_text("bad")
    assert Loaded(len, {str(words), "other"}).fingerprint != before


def test_a_folder_is_its_files(words):
    def names(folder):
        return Loaded(len, str(folder)).fingerprint

    before = names(words.parent)
    assert names(words.parent) == before
    words.write_text("other")
    assert names(words.parent) != before


def test_an_empty_text_is_no_folder(words, monkeypatch):
    monkeypatch.chdir(words.parent)
    before = Loaded(len, "").fingerprint
    words.write_text("other")
    assert Loaded(len, "").fingerprint == before


def test_the_function_and_every_argument_count():
    recipes = [Loaded(dict), Loaded(dict, a=1), Loaded(dict, a=2), Loaded(dict, b=1), Loaded(list), Loaded(list, "ab")]
    assert len(set(recipes)) == len(recipes)
    assert repr(Loaded(dict, [("b", 1)], a="x")) == "Loaded(dict, [('b', 1)], a='x')"


def test_what_cannot_be_loaded_ends_the_run(tmp_path):
    lf = LabelingFunction("lf_a", lambda x, model: 1, {"model": Loaded(open, str(tmp_path / "none"))})
    said = f"Loaded(open, '{tmp_path}/none') failed: FileNotFoundError:"
    with pytest.raises(InvalidFunction, match=re.escape(said)):
        LFSet([lf]).apply(ITEMS, classes=CLASSES, on_fault="quarantine")


def test_refuses_what_has_no_name():
    with pytest.raises(InvalidFunction, match=r"Loaded\(len\) got an argument of type object; its arguments are text"):
        Loaded(len, object())
    with pytest.raises(InvalidFunction, match="Loaded needs a function that makes the resource, got 'model'"):
        Loaded("model")
