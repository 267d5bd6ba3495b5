"""Functions over texts that spaCy has read: one pass for all of them, by a pipeline that each process loads once."""

import re
import sys

import cloudpickle
import polars as pl
import pytest

from sparkws.errors import InvalidFunction, MissingExtra
from sparkws.lfs import LabelingFunction, LFSet, labeling_function, nlp, nlp_labeling_function, spacy_preprocessor

CLASSES = ("ham", "spam")
ITEMS = pl.DataFrame({"text": ["Ada Lovelace wrote it. She did.", None, "see http://a.example", "Ada Lovelace"]})


def blank():
    import spacy

    made = spacy.blank("en")
    made.add_pipe("sentencizer")
    rules = made.add_pipe("entity_ruler")
    rules.add_patterns([{"label": "PERSON", "pattern": "Ada Lovelace"}])
    return made


@nlp_labeling_function(language=blank, owner="ann")
def lf_person(x):
    if x.doc is None:
        return -1
    return 1 if any(entity.label_ == "PERSON" for entity in x.doc.ents) else 0


@nlp_labeling_function("lf_sentences", resources={"most": 1}, language=blank)
def sentences(x, most):
    return -1 if x.doc is None else int(len(list(x.doc.sents)) > most)


@labeling_function(pre=[spacy_preprocessor(language=blank)], vectorized="polars", columns=[])
def lf_url(frame):
    return [1 if doc is not None and any(token.like_url for token in doc) else -1 for doc in frame["doc"]]


@labeling_function
def lf_plain(x):
    return 1 if "doc" in x else 0


EXPECTED = {"lf_person": [1, -1, 0, 1], "lf_sentences": [1, -1, 0, 0], "lf_url": [-1, -1, 1, -1], "lf_plain": [0] * 4}
LFS = LFSet([lf_person, sentences, lf_url, lf_plain])


def votes(lfs, items=ITEMS, **options):
    return lfs.apply(items, classes=CLASSES, **options).drop("item_id").to_dict(as_series=False)


def test_they_see_what_spacy_made_of_the_text():
    assert votes(LFS) == EXPECTED
    assert votes(cloudpickle.loads(cloudpickle.dumps(LFS))) == EXPECTED
    assert lf_person.columns == ("text",)
    assert lf_person.owner == "ann"
    assert lf_person({"text": "Ada Lovelace"}) == 1


def test_all_share_one_pass_in_which_equal_texts_are_read_once(monkeypatch):
    read = []
    monkeypatch.setattr(nlp, "_pipe", lambda pipeline, texts: read.extend(texts) or map(pipeline, texts))
    votes(LFS, ITEMS[[0, 1, 0, 2, 0]])
    assert read[:2] == [ITEMS["text"][0], ITEMS["text"][2]]
    assert len(read) == 4  # once more, on a few items, to see that votes can be repeated


def short_only():
    made = blank()
    made.max_length = 30
    return made


def test_a_text_that_it_cannot_take_is_a_fault_of_that_item():
    lf = LabelingFunction("lf_a", lambda x: int(len(x.doc) > 4), pre=[spacy_preprocessor(language=short_only)])
    assert votes(LFSet([lf]), ITEMS[[0, 2, 3]], on_fault="quarantine") == {"lf_a": [None, 0, 0]}


def test_other_fields_and_parts():
    items = pl.DataFrame({"title": ["Ada Lovelace. Yes."]})

    @nlp_labeling_function(text_field="title", doc_field="read", language=blank, disable=["entity_ruler"])
    def lf_title(x):
        return 0 if x.read.ents else 1

    assert votes(LFSet([lf_title]), items) == {"lf_title": [1]}
    assert spacy_preprocessor("title", language=blank) is not spacy_preprocessor(language=blank)


def test_a_missing_pipeline_or_library_is_told(monkeypatch):
    def run(language):
        lf = nlp_labeling_function("lf_a", language=language)(lambda x: 1)
        return votes(LFSet([lf]))

    with pytest.raises(MissingExtra, match=r"spaCy finds no pipeline 'en_core_none'; .* spacy download en_core_none"):
        run("en_core_none")
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(MissingExtra, match=re.escape("which is not installed: pip install 'sparkws[nlp]'")):
        run("en_core_other")


def test_other_versions_are_told():
    with pytest.raises(InvalidFunction, match=r"the worker has spacy 3\.\S+, the function was defined with spacy 2.0;"):
        nlp.load_pipeline("en_core_web_sm", (), "spacy 2.0")


def test_refuses_what_it_cannot_do():
    with pytest.raises(InvalidFunction, match="a spaCy pipeline is a name, a path or a function that makes it, got 3"):
        nlp_labeling_function(language=3)
    with pytest.raises(InvalidFunction, match=r"takes no 'memoise'; its options are \['name',"):
        nlp_labeling_function(memoise=True)
