"""Preprocessors run once for those who asked, and nobody else sees what they did."""

import polars as pl
import pytest

from sparkws.errors import FunctionFailed
from sparkws.lfs import LFSet, labeling_function, preprocessor

CLASSES = ("ham", "spam")
ITEMS = pl.DataFrame({"text": ["A b", "c"], "tags": [["x"], []]})


def votes(*lfs):
    return LFSet(lfs).apply(ITEMS, classes=CLASSES).drop("item_id").to_dict(as_series=False)


def test_one_run_for_all_that_share_it():
    runs = []

    @preprocessor(memoize=True)
    def lowered(x):
        runs.append(x.text)
        x.low = x.text.lower()
        return x

    @labeling_function(pre=[lowered])
    def lf_a(x):
        return 1 if "a" in x.low else -1

    @labeling_function(pre=[lowered])
    def lf_b(x):
        return 1 if "b" in x.low else 0

    assert votes(lf_a, lf_b) == {"lf_a": [1, -1], "lf_b": [1, 0]}
    assert runs == ["A b", "c"]


def test_others_see_the_original():
    @preprocessor
    def shouted(x):
        x.text = x["text"].upper() + "!"
        x["extra"] = 1
        x.tags.append("made")
        return x

    @labeling_function(pre=[shouted])
    def lf_loud(x):
        return 1 if x.text.endswith("!") and x.extra and x.tags[-1] == "made" else 0

    @labeling_function
    def lf_plain(x):
        return 1 if x.text.endswith("!") or "extra" in x or "made" in x.tags else 0

    for order in ((lf_loud, lf_plain), (lf_plain, lf_loud)):
        assert {name: set(votes) for name, votes in votes(*order).items()} == {"lf_loud": {1}, "lf_plain": {0}}


def test_a_function_cannot_change_what_others_see():
    @preprocessor
    def words(x):
        x.words = x.text.split()
        return x

    def breaks(x):
        x.text = "changed"
        x["tags"] = None
        x.words.clear()
        del x.words
        return -1

    def looks(x):
        return 1 if x.text != "changed" and x.tags is not None and x.words else 0

    wrap = labeling_function
    first, last = wrap("lf_first", pre=[words])(breaks), wrap("lf_last", pre=[words])(breaks)
    assert votes(first, wrap("lf_look", pre=[words])(looks), last)["lf_look"] == [1, 1]


def test_lists_of_the_source_are_not_shared():
    def breaks(x):
        x.tags.append("changed")
        return -1

    def looks(x):
        return 0 if "changed" in x.tags else 1

    assert votes(labeling_function("lf_a")(breaks), labeling_function("lf_b")(looks))["lf_b"] == [1, 1]


def test_one_that_forgets_to_return_the_item_is_told():
    @preprocessor
    def forgets(x):
        x.low = 1

    @labeling_function(pre=[forgets])
    def lf_a(x):
        return x.low

    with pytest.raises(FunctionFailed, match="preprocessor 'forgets' returned None; it must return the item"):
        votes(lf_a)


def test_a_failing_one_is_a_fault_of_those_who_asked():
    @preprocessor
    def fails(x):
        raise KeyError("url")

    @labeling_function(pre=[fails])
    def lf_a(x):
        return 1

    @labeling_function
    def lf_b(x):
        return 1

    got = LFSet([lf_a, lf_b]).apply(ITEMS, classes=CLASSES, on_fault="quarantine")
    assert got["lf_a"].to_list() == [None, None]
    assert got["lf_b"].to_list() == [1, 1]
