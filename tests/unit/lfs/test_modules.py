"""Modules are loaded from paths, leave no trace, and travel to other processes by value."""

import pickle
import subprocess
import sys
from textwrap import dedent

import polars as pl
import pytest

from sparkws.errors import ConfigError, InvalidFunction
from sparkws.lfs import LFSet, VotesKernel, load_modules

HEAD = "from sparkws.lfs import labeling_function, preprocessor, LabelingFunction\n"


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.py").write_text(HEAD + dedent(text))
    return folder


def test_order_is_that_of_definition(tmp_path):
    write(
        tmp_path,
        b="""
            @labeling_function
            def lf_z(x):
                return 1
            lf_alias = lf_z
            lf_a = LabelingFunction("lf_a", lambda x: 1)
        """,
        a="""
            MANY = [LabelingFunction(f"lf_{i}", lambda x, i: i, {"i": i}) for i in range(2)]
        """,
    )
    loaded = load_modules(["b.py", tmp_path / "a.py"], tmp_path)
    assert [lf.name for lf in loaded] == ["lf_z", "lf_a", "lf_0", "lf_1"]
    assert loaded[3]({}) == 1


def test_leaves_no_trace(tmp_path):
    write(tmp_path, words="GOOD = ['a']", lfs="import words\nlf_a = LabelingFunction('lf_a', lambda x: 1)")
    modules, path = set(sys.modules), list(sys.path)
    load_modules(["lfs.py"], tmp_path)
    assert set(sys.modules) == modules
    assert sys.path == path
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["lfs.py", "words.py"]


def test_the_module_beside_wins_over_one_imported_before(tmp_path, monkeypatch):
    write(tmp_path, words="GOOD = 1", lfs="from words import GOOD\nlf_a = LabelingFunction('lf_a', lambda x: GOOD)")
    other = type(sys)("words")
    monkeypatch.setitem(sys.modules, "words", other)
    assert load_modules(["lfs.py"], tmp_path)[0]({}) == 1
    assert sys.modules["words"] is other


def test_an_edit_is_seen_at_once(tmp_path):
    for vote in (0, 1):
        write(
            tmp_path, words=f"VOTE = {vote}", lfs="import words\nlf_a = LabelingFunction('lf_a', lambda x: words.VOTE)"
        )
        assert load_modules(["lfs.py"], tmp_path)[0]({}) == vote


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lf_a = 1", "'lfs.py' has no labeling function; decorate some with @labeling_function."),
        ("def (", "'lfs.py' is not valid Python: invalid syntax, line 2 of"),
        ("import nowhere_at_all", "cannot be loaded: ModuleNotFoundError: No module named 'nowhere_at_all', line 2."),
        ("\n\n1 / 0", "cannot be loaded: ZeroDivisionError: division by zero, line 4."),
        ("raise SystemExit('no')", "cannot be loaded: SystemExit: no, line 2."),
    ],
)
def test_what_cannot_be_loaded_is_explained(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(write(tmp_path, lfs=text))
    modules = set(sys.modules)
    with pytest.raises(ConfigError, match=message):
        load_modules(["lfs.py"])
    assert set(sys.modules) == modules


def test_a_function_that_cannot_be_used_keeps_its_message(tmp_path):
    write(tmp_path, lfs="LabelingFunction('lf-a', len)")
    with pytest.raises(InvalidFunction, match=r"in '.*lfs.py': 'lf-a' cannot be the name"):
        load_modules(["lfs.py"], tmp_path)


def test_files_must_be_there_and_readable(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no module of labeling functions '.*none.py'."):
        load_modules(["none.py"], tmp_path)
    (tmp_path / "latin.py").write_bytes(b"# \xff")
    with pytest.raises(ConfigError, match=r"the module '.*latin.py' cannot be read: 'utf-8'"):
        load_modules(["latin.py"], tmp_path)


def test_two_files_may_not_share_a_name(tmp_path):
    write(tmp_path, a="lf_a = LabelingFunction('lf_a', len)", b="lf_a = LabelingFunction('LF_A', len)")
    with pytest.raises(ConfigError, match=r"both '.*a.py' and '.*b.py' have a labeling function 'LF_A'; rename one."):
        load_modules(["a.py", "b.py"], tmp_path)


def test_travels_by_value(tmp_path):
    cloudpickle = pytest.importorskip("pyspark.cloudpickle")
    write(
        tmp_path,
        words="""
            import enum
            GOOD = frozenset({"good", "fine"})
            class Label(enum.IntEnum):
                HAM = 0
                SPAM = 1
            def is_good(word):
                return word in GOOD
        """,
        more="def long(text):\n    return len(text) > 3",
        lfs="""
            import re
            import words
            from words import Label, is_good
            import more as other
            LINK = re.compile("http")

            def helper(text):
                return LINK.search(text) is not None and other.long(text)

            @preprocessor
            def split(x):
                x.words = x.text.split()
                return x

            @labeling_function(pre=[split])
            def lf_good(x):
                return Label.HAM if any(is_good(word) for word in x.words) else -1

            @labeling_function(resources={"n": 1})
            def lf_link(x, n):
                return words.Label(n) if helper(x.text) else -1
        """,
    )
    frame = pl.DataFrame({"id": [1, 2], "text": ["so good", "http://a"]})
    kernel = VotesKernel(LFSet(load_modules(["lfs.py"], tmp_path)), ("ham", "spam"), "id", frame.schema)
    votes, _ = kernel.run(frame)
    assert votes.rows() == [(1, 0, -1), (2, -1, 1)]

    (tmp_path / "kernel.pickle").write_bytes(cloudpickle.dumps((kernel, frame)))
    for file in tmp_path.glob("*.py"):
        file.unlink()
    code = """
        import pickle, sys
        kernel, frame = pickle.loads(open(sys.argv[1], 'rb').read())
        votes, _ = kernel.run(frame)
        sys.stdout.buffer.write(pickle.dumps((votes.rows(), kernel.fingerprints)))
    """
    there = subprocess.run(
        [sys.executable, "-c", dedent(code), str(tmp_path / "kernel.pickle")],
        capture_output=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
        cwd="/",
    )
    assert pickle.loads(there.stdout) == (votes.rows(), kernel.fingerprints)
