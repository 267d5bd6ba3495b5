"""Fingerprints change with what decides the votes, and with nothing else, in every process."""

import re
import subprocess
import sys
from textwrap import dedent

import numpy as np
import polars as pl
import pytest

from sparkws.config import DeclarativeLFConfig
from sparkws.lfs import LabelingFunction, declarative_lfs, load_modules, preprocessor
from sparkws.lfs.fingerprint import FINGERPRINT_LENGTH, fingerprint_of

MODULE = """
    import re
    from sparkws.lfs import labeling_function, preprocessor

    WORDS = {"good", "great", "fine"}
    LINK = re.compile("http")
    LIMIT = 3

    def helper(text):
        return len(text) > LIMIT

    @preprocessor
    def low(x):
        x.low = x.text.lower()
        return x

    @labeling_function(pre=[low], resources={"n": 1}, owner="ann")
    def lf_a(x, n):
        return 1 if helper(x.low) and WORDS & set(x.low.split()) and LINK.search(x.low) else -1
"""


def fingerprint(folder, text):
    (folder / "lfs.py").write_text(dedent(text))
    return load_modules(["lfs.py"], folder)[0].fingerprint


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ('"fine"', '"nice"', True),
        ("LIMIT = 3", "LIMIT = 4", True),
        ("> LIMIT", ">= LIMIT", True),
        ('re.compile("http")', 're.compile("http", re.I)', True),
        (".lower()", ".upper()", True),
        ('{"n": 1}', '{"n": 2}', True),
        ("else -1", "else 0", True),
        ("lf_a", "lf_b", True),
        ('owner="ann"', 'owner="bob", source="team", valid_from="2026-01-01"', False),
        ("import re\n", "import re\n    import json\n\n    UNUSED = 7\n", False),
    ],
)
def test_follows_the_code_and_what_it_names(tmp_path, old, new, changes):
    assert (fingerprint(tmp_path, MODULE) != fingerprint(tmp_path, MODULE.replace(old, new))) is changes


def test_is_equal_in_another_process(tmp_path):
    here = fingerprint(tmp_path, MODULE)
    code = f"from sparkws.lfs import load_modules; print(load_modules(['lfs.py'], {str(tmp_path)!r})[0].fingerprint)"
    there = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "7"},
        ).stdout.strip()
    ]
    assert there == [here]
    assert re.fullmatch(rf"[0-9a-f]{{{FINGERPRINT_LENGTH}}}", here)


def test_follows_a_module_beside_it(tmp_path):
    text = """
        import words
        from sparkws.lfs import labeling_function

        @labeling_function
        def lf_a(x):
            return 1 if x.text in words.GOOD else -1
    """
    seen = []
    for word in ("good", "fine"):
        (tmp_path / "words.py").write_text(f"GOOD = [{word!r}]")
        seen.append(fingerprint(tmp_path, text))
    assert seen[0] != seen[1]


CLASSES = """
    import enum
    from sparkws.lfs import labeling_function

    class Label(enum.IntEnum):
        SPAM = 1

    class Words:
        GOOD = ["good"]

    class Finder(Words):
        def __init__(self, word):
            self.word = word

        def __call__(self, text):
            return self.word in text

    FINDER = Finder("buy")

    @labeling_function
    def lf_a(x):
        return Label.SPAM if FINDER(x.text) else -1
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [("SPAM = 1", "SPAM = 2"), ('"good"', '"fine"'), ('Finder("buy")', 'Finder("sell")'), ("in text", "not in text")],
)
def test_follows_classes_and_objects(tmp_path, old, new):
    assert fingerprint(tmp_path, CLASSES) != fingerprint(tmp_path, CLASSES.replace(old, new))


def test_does_not_follow_the_folder(tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    for text in (MODULE, CLASSES):
        assert fingerprint(folders[0], text) == fingerprint(folders[1], text)


def test_functions_without_source_have_their_instructions():
    one, same, other = (
        LabelingFunction("lf_a", eval(f"lambda x: {value} if 'a' in x.text else -1")) for value in (1, 1, 0)
    )
    assert one.fingerprint == same.fingerprint
    assert one.fingerprint != other.fingerprint


def test_closures_and_defaults_count():
    def make(word, n=0):
        def f(x, n=n):
            return 1 if word in x.text else n

        return LabelingFunction("lf_a", f).fingerprint

    assert make("a") == make("a")
    assert len({make("a"), make("b"), make("a", 1)}) == 3


def test_preprocessors_count():
    def f(x):
        return 1

    pres = [preprocessor("p")(lambda x: x), preprocessor("q")(lambda x: x)]
    assert len({LabelingFunction("lf_a", f, pre=pre).fingerprint for pre in ([], pres[:1], pres[1:], pres)}) == 4


def test_plain_values_are_told_apart_by_type_and_content():
    values = [
        *(1, 1.0, True, "1", b"1", None, (1,), [1], {1: 2}, {2: 1}, {1}, re.compile("1")),
        *(np.arange(2), np.arange(2.0), pl.Series([1]), pl.DataFrame({"a": [1]}), np.array([[0, 1]])),
    ]
    assert len({fingerprint_of(value) for value in values}) == len(values)
    assert fingerprint_of(np.int64(3)) == fingerprint_of(3)
    assert fingerprint_of({"b", "a", "c"}) == fingerprint_of({"c", "b", "a"})


def test_cycles_end():
    loop = [1]
    loop.append(loop)
    assert fingerprint_of(loop) == fingerprint_of(loop)

    def recursive(x):
        return recursive(x) if x else 0

    assert fingerprint_of(recursive)


def test_declarative_ones_follow_their_section_and_file(tmp_path):
    def of(classes, **more):
        (tmp_path / "values.csv").write_text(f"value,class\na,{classes}\n")
        config = DeclarativeLFConfig(name="lf_a", lookup={"column": "c", "file": "values.csv"}, **more)
        return declarative_lfs([config], tmp_path)[0].fingerprint

    assert of("spam") == of("spam", owner="ann", source="team", valid_to="2026-12-31")
    assert of("spam") != of("ham")
