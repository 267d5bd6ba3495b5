"""Fingerprints change with what decides the votes, and with nothing else, in every process."""

import operator
import re
import subprocess
import sys
import threading
import uuid
from collections import Counter, OrderedDict, defaultdict
from copy import deepcopy
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sparkws.lfconfig import DeclarativeLFConfig
from sparkws.lfs import LabelingFunction, declarative_lfs, libraries, load_modules, preprocessor
from sparkws.lfs.fingerprint import FINGERPRINT_LENGTH, fingerprint_of, is_own

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


RICH = """
    import enum
    import functools
    import logging
    import operator
    import re
    from dataclasses import dataclass
    from pathlib import Path

    import numpy as np
    import polars as pl
    import words
    from sparkws.lfs import labeling_function, preprocessor

    logger = logging.getLogger(__name__)
    FILE = Path(__file__).parent / "words.txt"
    TEXT = str(FILE)
    SETS = frozenset({"b", "a", ("c", "d"), frozenset({"e", "f"})})
    TABLE = pl.DataFrame({"a": ["x", None], "b": [1.5, 2]})
    ARRAY = np.arange(5).reshape(5, 1)[::2]
    KINDS = {"get": operator.itemgetter("a"), "has": SETS.__contains__, "part": functools.partial(int, base=2)}
    EXPRESSION = pl.col("text").str.to_lowercase().str.contains("spam") & (pl.col("stars") > 3)

    class Label(enum.IntEnum):
        SPAM = 1

    @dataclass
    class Rule:
        word: str = "buy"
        others: tuple = ("sell",)

        @functools.cached_property
        def pattern(self):
            return re.compile(self.word)

    @functools.lru_cache
    def cached(text):
        return text.strip()

    def given(f):
        @functools.wraps(f)
        def wrapper(*args):
            return f(*args)
        return wrapper

    @given
    def helper(text):
        import json
        from tools import clean
        logger.debug("seen")
        return clean(cached(json.loads(text)))

    @preprocessor
    def low(x):
        x.low = x.text.lower()
        return x

    @labeling_function(pre=[low], resources={"rule": Rule(), "array": ARRAY, "table": TABLE, "kinds": KINDS})
    def lf_a(x, rule, array, table, kinds):
        if {"a", "b"} & set(x.low) or words.GOOD in x.text:
            return Label.SPAM
        return (lambda text: -1 if rule.pattern.search(text) else 0)(helper(x.text))

    @labeling_function(vectorized="polars", columns=["text", "stars"])
    def lf_b(frame):
        return frame.select(pl.when(EXPRESSION).then(1).otherwise(-1)).to_series()

    lf_c = labeling_function("lf_c")(lambda x: 1 if x.text in open(TEXT).read() or FILE.exists() else -1)
"""
BESIDE = {"words.py": "GOOD = 'good'\n", "tools.py": "def clean(text):\n    return text\n", "words.txt": "good\n"}


def project(folder, module=RICH, **files):
    folder.mkdir(exist_ok=True)
    texts = {"lfs.py": dedent(module), **BESIDE, **{name.replace("_", "."): text for name, text in files.items()}}
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


def printed(folder, seed):
    code = f"""
        from sparkws.lfs import load_modules
        print(*[lf.fingerprint for lf in load_modules(['lfs.py'], {str(folder)!r})])
    """
    environment = {"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": str(seed)}
    process = [sys.executable, "-c", dedent(code)]
    return subprocess.run(process, capture_output=True, text=True, check=True, env=environment).stdout.split()


def test_is_equal_in_other_processes_folders_and_line_ends(tmp_path):
    one, two = project(tmp_path / "one"), project(tmp_path / "two")
    (two / "lfs.py").write_bytes((two / "lfs.py").read_bytes().replace(b"\n", b"\r\n"))
    here = [lf.fingerprint for lf in load_modules(["lfs.py"], one)]
    assert printed(one, 1) == printed(two, 2) == here
    assert all(re.fullmatch(rf"[0-9a-f]{{{FINGERPRINT_LENGTH}}}", fingerprint) for fingerprint in here)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('("c", "d")', '("c", "e")'),
        ("1.5", "1.25"),
        ("[::2]", "[::-2]"),
        ('itemgetter("a")', 'itemgetter("b")'),
        ("base=2", "base=3"),
        ('"spam")', '"spam2")'),
        ('"buy"', '"get"'),
        ('("sell",)', '("sell", "sold")'),
        ("re.compile(self.word)", "re.compile(self.word, re.I)"),
        ("text.strip()", "text.rstrip()"),
        ("return f(*args)", "return f(*args, None)"),
        ("import json", "import yaml as json"),
        ('columns=["text", "stars"]', 'columns=["text", "stars", "title"]'),
        ("resources={", "resources={'more': 1, "),
    ],
)
def test_every_part_counts(tmp_path, old, new):
    before = [lf.fingerprint for lf in load_modules(["lfs.py"], project(tmp_path))]
    changed = RICH.replace(old, new).replace(
        "table, kinds):", "table, kinds, more=1):" if "more" in new else "table, kinds):"
    )
    after = [lf.fingerprint for lf in load_modules(["lfs.py"], project(tmp_path, changed))]
    assert changed != RICH
    assert before != after


@pytest.mark.parametrize("name", BESIDE)
def test_modules_beside_it_count_also_when_imported_within_and_files_that_it_names(tmp_path, name):
    before = [lf.fingerprint for lf in load_modules(["lfs.py"], project(tmp_path))]
    more = {name.replace(".", "_"): BESIDE[name].replace("good", "fine").replace("return text", "return text.strip()")}
    after = [lf.fingerprint for lf in load_modules(["lfs.py"], project(tmp_path, **more))]
    assert before != after


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("def helper(text):", 'def helper(text: str) -> str:\n        """Helps."""  # always'),
        ("        x.low = x.text.lower()\n", "\n\n        x.low = (x.text\n                 .lower())\n"),
        ('"rule": Rule(), "array": ARRAY', '"array": ARRAY, "rule": Rule()'),
        ("pre=[low], resources=", "owner='ann', valid_to='2027-01-01', pre=[low], resources="),
        ('SETS = frozenset({"b", "a"', 'SETS = frozenset({"a", "b"'),
        ("logger = logging", "# more\n    import os\n    UNUSED = os.getpid()\n    logger = logging"),
    ],
)
def test_nothing_else_counts(tmp_path, old, new):
    assert old in RICH
    before = [lf.fingerprint for lf in load_modules(["lfs.py"], project(tmp_path))]
    assert [lf.fingerprint for lf in load_modules(["lfs.py"], project(tmp_path, RICH.replace(old, new)))] == before


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
    assert fingerprint_of({"b", "a", "c"}) == fingerprint_of({"c", "b", "a"})


SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner), max_leaves=6
)


@given(VALUE, VALUE)
def test_values_are_equal_when_they_are_written_alike(one, other):
    assert fingerprint_of(deepcopy(one)) == fingerprint_of(one)
    assert (fingerprint_of(one) == fingerprint_of(other)) is (repr(one) == repr(other))


@pytest.mark.parametrize(
    "make",
    [
        lambda n: np.array([[n, 2], [3, 4]], dtype="datetime64[s]"),
        lambda n: np.array([n, "a"], dtype=object),
        lambda n: np.ma.masked_array([1, 2], mask=[n == 1, False]),
        lambda n: np.array(n),
        lambda n: np.array([(n, 1.0)], dtype=[("a", int), ("b", float)]),
        lambda n: pl.DataFrame({"a": [date(2026, 1, n), None], "b": [[n], None]}),
        lambda n: pl.Series([None, Decimal(n)]),
        lambda n: pl.Series([b"ab", b"c"] if n == 1 else [b"a", b"bc"]),
        lambda n: pl.Series([0, None] if n == 1 else [None, 0]),
        lambda n: pl.Series([True, n == 1]),
        lambda n: pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"] if n == 1 else ["b", "a"])),
        lambda n: pa.table({"a": [n]}),
        lambda n: pd.DataFrame({"a": [n, 2], "b": ["x", "y"]}),
        lambda n: scipy.sparse.csr_array(np.eye(2) * n),
        lambda n: Counter({"a": n}),
        lambda n: defaultdict(int if n == 1 else list),
        lambda n: OrderedDict(a=n),
        lambda n: Fraction(n, 3),
        lambda n: timedelta(n),
        lambda n: uuid.UUID(int=n),
        lambda n: bytearray([n]),
        lambda n: SimpleNamespace(a=n),
        lambda n: {"lock": threading.Lock(), "n": n},
        lambda n: {1: n}.get,
        lambda n: operator.attrgetter("a" if n == 1 else "b"),
        lambda n: pl.col("a") + n,
        lambda n: np.random.default_rng(n),
    ],
)
def test_data_and_objects_count_by_their_content(make):
    assert fingerprint_of(make(1)) == fingerprint_of(make(1))
    assert fingerprint_of(make(1)) != fingerprint_of(make(2))


def test_a_model_counts_by_what_it_has_learned():
    ensemble = pytest.importorskip("sklearn.ensemble")
    text = pytest.importorskip("sklearn.feature_extraction.text")
    rows, classes = np.arange(40).reshape(20, 2), [0, 1] * 10

    def fitted(seed):
        model = ensemble.RandomForestClassifier(3, random_state=seed).fit(rows, classes)
        return fingerprint_of(model, text.TfidfVectorizer().fit(["a few words", "more of them"]))

    assert fitted(0) == fitted(0) != fitted(1)


def test_an_address_is_no_content():
    def holding(words):
        return SimpleNamespace(words=words, _words_id=id(words), n=3)

    one, same = "".join(["a", "b"] * 200), "".join(["a", "b"] * 200)
    assert fingerprint_of(holding(one)) == fingerprint_of(holding(same)) != fingerprint_of(holding(one + "c"))


def test_an_object_that_is_used_again_is_told_from_another():
    one, other = SimpleNamespace(word="a"), SimpleNamespace(word="b")
    assert fingerprint_of([one, other, one]) != fingerprint_of([one, other, other])


def test_the_versions_below_count(monkeypatch):
    def row(x):
        return 1 if np.char.lower(x.text) else -1

    def fingerprints():
        rule = DeclarativeLFConfig(name="lf_r", regex={"column": "text", "pattern": "a", "label": 1})
        lfs = [
            LabelingFunction("lf_a", row),
            LabelingFunction("lf_b", lambda x: 1),
            LabelingFunction("lf_c", lambda frame: [1] * len(frame), vectorized="polars"),
            *declarative_lfs([rule]),
        ]
        return np.array([lf.fingerprint for lf in lfs])

    before = fingerprints()
    monkeypatch.setattr(libraries, "_versions", lambda top: [f"{top} 0.0.1"])
    libraries.library_of.cache_clear()
    assert (fingerprints() != before).tolist() == [True, False, False, False]
    monkeypatch.undo()
    libraries.library_of.cache_clear()
    monkeypatch.setattr(libraries.pl, "__version__", "0.0.1")
    assert (fingerprints() != before).tolist() == [False, False, True, True]
    monkeypatch.undo()
    monkeypatch.setattr(libraries.unicodedata, "unidata_version", "0.0.1")
    assert (fingerprints() != before).tolist() == [True, True, True, False]


def test_libraries_are_told_with_the_version_of_what_was_installed():
    assert libraries.library_of("numpy.char") == f"numpy {np.__version__}"
    assert libraries.library_of("yaml") == f"PyYAML {yaml.__version__}"
    assert libraries.library_of("nowhere.to.be.found") == "nowhere"


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


def test_libraries_installed_beside_a_function_are_not_the_projects_own(tmp_path):
    assert not is_own(np.__file__, Path(np.__file__).parents[2])
    assert is_own(str(tmp_path / "helpers.py"), tmp_path)
