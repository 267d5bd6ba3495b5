"""What functions share: equal content has one name, whatever it is called; numbers and class names tell nothing."""

import re

from sparkws.lfconfig import DeclarativeLFConfig
from sparkws.lfs import LabelingFunction, labeling_function, preprocessor
from sparkws.lfs.declarative import make_rule
from sparkws.lfs.shares import what_is_read

WORDS = {"free", "win"}
LINK = re.compile("http")
SPAM = "spam"
LIMIT = 3


@preprocessor
def lower(x):
    x.lowered = x.text.lower()
    return x


def count_links(text):
    return len(LINK.findall(text))


def rule(name, **kind):
    return LabelingFunction(name, make_rule(DeclarativeLFConfig(name=name, **kind), "."))


def test_helpers_data_and_columns_that_the_code_names():
    @labeling_function
    def lf_link(x):
        return SPAM if count_links(x.text) > LIMIT else -1

    @labeling_function
    def lf_links(x):
        return SPAM if count_links(x.subject) and x.subject in WORDS else -1

    assert what_is_read([lf_link, lf_links]) == {
        "lf_link": ["column text", "helper count_links"],
        "lf_links": ["column subject", "data WORDS", "helper count_links"],
    }


def test_resources_of_one_name_and_other_content_are_told_apart():
    def vote(x, words):
        return 1 if x.text in words else -1

    names = [("a", ["free"]), ("b", ["win"]), ("c", ["free"])]
    lfs = [LabelingFunction(name, vote, {"words": words}) for name, words in names]
    told = what_is_read(lfs)
    assert told["a"] == told["c"] == ["column text", "resource words"]
    assert told["b"] == ["column text", "resource words (2)"]


def test_preprocessors_count_with_the_columns_below_them():
    @labeling_function(pre=[lower])
    def lf_low(x):
        return 1 if "win" in x.lowered else -1

    assert what_is_read([lf_low]) == {"lf_low": ["column text", "preprocessor lower"]}


def test_rules_read_columns_tables_and_values():
    values = {"a": 1, "b": 0}
    rules = [
        rule("lf_word", keyword={"column": "text", "any": ["win"], "label": 1}),
        rule("lf_known", lookup={"column": "domain", "values": values}),
        rule("lf_also", lookup={"column": "host", "values": values}),
        rule("lf_table", lookup={"column": "author", "table": "kb.authors", "label": 1}),
    ]
    assert what_is_read(rules) == {
        "lf_word": ["column text"],
        "lf_known": ["column domain", "values of lf_known"],
        "lf_also": ["column host", "values of lf_known"],
        "lf_table": ["column author", "table kb.authors"],
    }


def test_what_reads_anything_or_cannot_be_told_is_left_out():
    unset = None

    @labeling_function
    def lf_any(x):
        return 1 if getattr(x, SPAM) == unset else -1

    assert what_is_read([lf_any]) == {"lf_any": []}
