"""Which columns a function reads, as far as its source tells."""

import functools
import operator

import pytest

from sparkws.lfs import LabelingFunction, labeling_function, preprocessor
from sparkws.lfs.reads import find_reads

NAME = "text"


def helper(x):
    return x


def attribute(x):
    return 1 if x.text.lower() in ("a", x.title) else -1


def key(x):
    return 1 if x["text"] else -1


def get(x):
    return x.get("text", x.get("title"))


def inner_scopes(x):
    return any(word in x.text for word in x["words"]) and (lambda y: y in x.title)("a")


def sets_before_reading(x):
    x.low = x.text.lower()
    return x.low.count("a")


def sets_what_it_reads(x):
    x.text = x.text.lower()
    return x.text


def sets_only_sometimes(x):
    if x.text:
        x.low = 1
    return x.low


def augmented(x):
    x.n += 1
    return -1


@pytest.mark.parametrize(
    ("f", "columns"),
    [
        (attribute, {"text", "title"}),
        (key, {"text"}),
        (get, {"text", "title"}),
        (inner_scopes, {"text", "title", "words"}),
        (sets_before_reading, {"text"}),
        (sets_what_it_reads, {"text"}),
        (sets_only_sometimes, {"text", "low"}),
        (augmented, {"n"}),
        (lambda x: x.text, {"text"}),
        (lambda _: -1, set()),
        ((lambda x: x.text, lambda x: x.title)[1], {"title"}),
    ],
)
def test_finds_what_is_read(f, columns):
    assert find_reads(f).columns == columns


def passes_on(x):
    return helper(x)


def variable_key(x):
    return x[NAME]


def by_getattr(x):
    return getattr(x, "te" + "xt")


def assigns(x):
    y = x
    return y.text


def loops(x):
    return [x.upper() for x in "ab"]


def hides(x):
    return (lambda x: x.text)(1)


def all_of_them(x):
    return x.keys()


def contains(x):
    return "text" in x


def deletes(x):
    del x.text
    return -1


def captured(x):
    return vars()["x"].text


def returns_it(x):
    return x


def starred(*x):
    return x[0].text


@functools.wraps(attribute)
def wrapped(x):
    return attribute(x)


@pytest.mark.parametrize(
    "f",
    [
        passes_on,
        variable_key,
        by_getattr,
        assigns,
        loops,
        hides,
        all_of_them,
        contains,
        deletes,
        captured,
        returns_it,
        starred,
        wrapped,
        functools.partial(attribute),
        operator.attrgetter("text"),
        eval("lambda x: x.text"),
    ],
)
def test_gives_up_where_it_cannot_know(f):
    assert find_reads(f) is None
    assert LabelingFunction("lf_a", f).columns is None


def test_what_preprocessors_set_is_no_column():
    @preprocessor
    def words(x):
        x.words = x.text.split()
        return x

    @preprocessor(pre=[words])
    def n_words(x):
        x.n_words = len(x.words)
        return x

    @labeling_function(pre=[n_words])
    def lf_long(x):
        return x.n_words + x.stars

    assert lf_long.columns == ("stars", "text")
    assert [p.name for p in lf_long.chain] == ["words", "n_words"]


def test_an_undecided_preprocessor_means_all_columns():
    @preprocessor()
    def anything(x):
        return helper(x)

    assert LabelingFunction("lf_a", attribute, pre=[anything]).columns is None
