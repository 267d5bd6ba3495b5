"""Preprocessors run once for those who asked, and nobody else sees what they did."""

import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws.errors import FunctionFailed, InvalidFunction
from sparkws.lfs import LabelingFunction, LFSet, labeling_function, preprocessor

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
    assert runs[:2] == ["A b", "c"]  # and then once more, to see whether votes change
    assert runs[2:] == ["c", "A b"]


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


def test_every_kind_of_chain_runs_each_once_for_an_item():
    runs = []

    @preprocessor
    def low(x):
        runs.append("low")
        x.low = x.text.lower()
        return x

    @preprocessor
    def tagged(x):
        runs.append("tagged")
        x.n_tags = len(x.tags)
        return x

    @preprocessor(pre=[low])
    def words(x):
        runs.append("words")
        x.words = x.low.split()
        return x

    chains = {
        "lf_low": [low],
        "lf_tagged": [tagged],
        "lf_both": [low, tagged],
        "lf_other_order": [tagged, low],
        "lf_words": [words],
        "lf_all": [tagged, words],
        "lf_none": [],
    }
    sets = {low: {"low"}, tagged: {"n_tags"}, words: {"low", "words"}}
    lfs = []
    for name, pre in chains.items():
        wanted = set().union(*(sets[entry] for entry in pre))

        def looks(x, wanted=frozenset(wanted)):
            return 1 if {name for name in ("low", "n_tags", "words") if name in x} == wanted else 0

        lfs.append(LabelingFunction(name, looks, pre=pre, columns=["text"], deterministic=False))
    assert votes(*lfs) == {name: [1, 1] for name in chains}
    assert sorted(runs) == ["low"] * 2 + ["tagged"] * 2 + ["words"] * 2


def test_one_that_may_do_anything_goes_on_from_what_ran_before():
    @preprocessor
    def low(x):
        x.text = x.text.lower()
        return x

    @preprocessor
    def anything(x):
        for name in ("text",):
            x.said = getattr(x, name) + "!"
        return x

    after, alone = (
        LabelingFunction("lf_after", lambda x: 1 if x.said in ("a b!", "c!") else 0, pre=[low, anything]),
        LabelingFunction("lf_alone", lambda x: 1 if x.said in ("A b!", "c!") else 0, pre=[anything]),
    )
    assert votes(after, alone) == {"lf_after": [1, 1], "lf_alone": [1, 1]}


def test_what_is_changed_in_place_reaches_those_behind_and_nobody_else():
    @preprocessor
    def grown(x):
        x.tags.append("made")
        return x

    @preprocessor
    def counted(x):
        x.n_tags = len(x.tags)
        return x

    lfs = [
        LabelingFunction(
            "lf_behind", lambda x: int(x.n_tags == len(x.tags) and "made" in x.tags), pre=[grown, counted]
        ),
        LabelingFunction("lf_alone", lambda x: int(x.n_tags == len(x.tags) and "made" not in x.tags), pre=[counted]),
        LabelingFunction("lf_before", lambda x: 1 if x.n_tags == len(x.tags) - 1 else 0, pre=[counted, grown]),
    ]
    assert votes(*lfs) == {"lf_behind": [1, 1], "lf_alone": [1, 1], "lf_before": [1, 1]}


def test_a_failing_one_fails_those_behind_it_and_nobody_else():
    @preprocessor
    def low(x):
        x.low = x.text.lower()
        return x

    @preprocessor
    def fails_on_c(x):
        x.n = 1 // (x.text != "c")
        return x

    @preprocessor(pre=[fails_on_c])
    def behind(x):
        x.m = x.n
        return x

    lfs = [
        LabelingFunction("lf_low", lambda x: 1 if x.low else 0, pre=[low]),
        LabelingFunction("lf_both", lambda x: x.n, pre=[low, fails_on_c]),
        LabelingFunction("lf_behind", lambda x: x.m, pre=[behind]),
    ]
    got = LFSet(lfs).apply(ITEMS, classes=CLASSES, on_fault="quarantine").drop("item_id")
    assert got.to_dict(as_series=False) == {"lf_low": [1, 1], "lf_both": [1, None], "lf_behind": [1, None]}


def low(x):
    x.low = x.text.lower()
    return x


def up(x):
    x.text = x.text.upper()
    return x


def count(x):
    x.n_tags = len(x.tags)
    return x


def grow(x):
    x.tags.append(x.text)
    return x


def anything(x):
    for name in list(x):
        setattr(x, name + "_seen", repr(getattr(x, name)))
    return x


def fail(x):
    x.n = 1 // (x.text != "c")
    return x


STEPS = {"low": low, "up": up, "count": count, "grow": grow, "any": anything, "fail": fail}
STEPS = {name: preprocessor(f) for name, f in STEPS.items()}
steps = st.sampled_from(["low", "up", "count", "grow", "any", "fail"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(steps, max_size=4), min_size=1, max_size=4))
def test_company_changes_nothing(chains):
    """Any functions with any preprocessors vote together as each votes by itself."""
    lfs = [
        LabelingFunction(
            f"lf_{i}", lambda x: len(str(sorted(dict(x).items()))) % 2, pre=[STEPS[name] for name in chain]
        )
        for i, chain in enumerate(chains)
    ]
    together = LFSet(lfs).apply(ITEMS, classes=CLASSES, on_fault="quarantine")
    for lf in lfs:
        alone = LFSet([lf]).apply(ITEMS, classes=CLASSES, on_fault="quarantine")
        assert together[lf.name].to_list() == alone[lf.name].to_list()


def test_resources_reach_it():
    @preprocessor(resources={"words": {"a", "c"}})
    def known(x, words):
        x.n_known = len(words & set(x.text.lower().split()))
        return x

    assert votes(LabelingFunction("lf_a", lambda x: x.n_known, pre=[known])) == {"lf_a": [1, 1]}


MEMOIZED = pl.DataFrame({"text": ["a", "b", "a", "a", "b", None, None], "n": range(7)})


def test_the_same_values_are_preprocessed_once():
    runs = []

    @preprocessor(memoize=True)
    def lists(x):
        runs.append(x.text)
        x.found = [x.text]
        return x

    def breaks(x):
        x.found.append("broken")
        return 1 if x.found == [x.text, "broken"] else 0

    names = ("lf_a", "lf_b")
    lfs = LFSet([LabelingFunction(name, breaks, pre=[lists], deterministic=False) for name in names])
    got = lfs.apply(MEMOIZED, classes=CLASSES)
    assert got["lf_a"].to_list() == got["lf_b"].to_list() == [1] * 7
    assert runs == ["a", "b", None]
    runs.clear()
    lfs.apply(MEMOIZED, classes=CLASSES)
    assert runs == ["a", "b", None]  # nothing is kept from one table to the next


def test_a_column_that_is_overwritten_with_what_it_held_is_set_elsewhere_too():
    @preprocessor(memoize=True)
    def counted(x):
        x.n = len(x.text)
        return x

    @labeling_function(pre=[counted])
    def lf_made(x):
        return 1 if x.n == 1 else 0

    @labeling_function
    def lf_own(x):
        return 1 if x.n == 1 else 0

    items = pl.DataFrame({"text": ["a", "a"], "n": [1, 5]})
    got = LFSet([lf_made, LabelingFunction("lf_own", lf_own.f, deterministic=False)]).apply(items, classes=CLASSES)
    assert (got["lf_made"].to_list(), got["lf_own"].to_list()) == ([1, 1], [1, 0])


def test_what_fails_is_tried_again():
    runs = []

    @preprocessor(memoize=True)
    def fails(x):
        runs.append(x.text)
        raise ValueError(x.text)

    lf = LabelingFunction("lf_a", lambda x: 1, pre=[fails], columns=["text"], deterministic=False)
    got = LFSet([lf]).apply(MEMOIZED, classes=CLASSES, on_fault="quarantine")
    assert got["lf_a"].null_count() == 7
    assert len(runs) == 7


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"memoize": -1}, "'memoize' of preprocessor 'p' must be True, False or the most results to keep, got -1."),
        (
            {"memoize": "yes"},
            "'memoize' of preprocessor 'p' must be True, False or the most results",
        ),
        ({"vectorized": "pandas"}, "'vectorized' of preprocessor 'p' must be one of ['polars', 'arrow'] or None, got"),
        (
            {"vectorized": "polars"},
            "preprocessor 'p' is vectorized, so 'makes' has to name the columns",
        ),
        ({"vectorized": "arrow", "makes": ["a"], "memoize": 9}, "'memoize' is for functions of single items."),
        ({"columns": "text"}, "'columns' of preprocessor 'p' must be a list of names, got 'text'."),
        ({"columns": ["url"]}, "preprocessor 'p' reads ['text'] beyond its 'columns' ['url']; add them."),
        ({"makes": ["a"]}, "preprocessor 'p' sets ['low'] beyond its 'makes' ['a']; add them."),
        (
            {"makes": "low"},
            "'makes' of preprocessor 'p' must be a dict of names and types, or a list",
        ),
        ({"makes": {"low": int}}, "'makes' of preprocessor 'p' says <class 'int'> of 'low'; a type is one of polars"),
        ({"resources": {"n": 1}}, "preprocessor 'p' cannot be called with an item and the resources ['n']"),
        ({"memoise": True}, "preprocessor takes no 'memoise'; its options are"),
    ],
)
def test_refuses_what_it_cannot_do(options, said):
    def p(x):
        x.low = x.text.lower()
        return x

    with pytest.raises(InvalidFunction, match=re.escape(said)):
        preprocessor(**options)(p)
