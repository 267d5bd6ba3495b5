"""The source of a function is that of its code, or none; its normal form keeps what decides what it does."""

import ast
import functools
import linecache

import pytest

from sparkws.lfs.source import function_node, normal_form

TWO = [lambda x: x.text, lambda x: x.title]
NESTED = [lambda x: lambda y: y + x]


def documented(x):
    """Says something."""

    def inner(y: int = 2) -> int:
        """Says more."""
        return y  # and more

    return inner(x)


@functools.cache
def decorated(x):
    return x


def wrapping(f):
    @functools.wraps(f)
    def wrapper(*args):
        return f(*args)

    return wrapper


class Holder:
    def method(self):
        return """
  less indented
"""


def loaded(text, name="<made here>"):
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    namespace = {}
    exec(compile(text, name, "exec", dont_inherit=True), namespace)
    return namespace


def normal(text):
    return normal_form(function_node(loaded(text)["f"]))


def test_lambdas_of_one_line_are_told_apart():
    assert [ast.unparse(function_node(f).body) for f in TWO] == ["x.text", "x.title"]
    assert ast.unparse(function_node(NESTED[0](1)).body) == "y + x"
    assert ast.unparse(function_node(NESTED[0])) == "lambda x: lambda y: y + x"


def test_methods_decorated_and_wrapping_functions_have_their_own():
    assert function_node(Holder.method).name == "method"
    assert function_node(decorated.__wrapped__).name == "decorated"
    assert function_node(wrapping(documented)).name == "wrapper"


@pytest.mark.parametrize("f", [len, decorated, Holder, eval("lambda x: x")])
def test_there_is_none_without_a_text(f):
    assert function_node(f) is None


def test_an_edited_file_is_not_the_source_of_what_was_loaded_before(tmp_path):
    path = str(tmp_path / "lfs.py")
    (tmp_path / "lfs.py").write_text("def f(x):\n    return 1\n")
    f = loaded((tmp_path / "lfs.py").read_text(), path)["f"]
    del linecache.cache[path]
    assert function_node(f).name == "f"
    (tmp_path / "lfs.py").write_text("def f(x):\n    return 22\n")
    assert function_node(f) is None


PLAIN = "def f(x, n=1):\n    if x:\n        return n\n    return 'a'\n"


@pytest.mark.parametrize(
    "text",
    [
        "def f(x, n=1):\n    'doc'\n    if x: return n\n    return 'a'\n",
        'def f(x: str, n: int = 1) -> object:\n    if (x):  # why\n\n        return n\n    return "a"\n',
        "import functools\n\n\ndef f(\n    x,\n    n=1,\n):\n    if x:\n        return (n)\n    return u'a'\n",
        PLAIN.replace("\n", "\r\n"),
    ],
)
def test_the_normal_form_is_without_comments_formatting_docstrings_and_annotations(text):
    assert normal(text) == normal(PLAIN)


@pytest.mark.parametrize(("old", "new"), [("n=1", "n=2"), ("'a'", "b'a'"), ("if x", "if not x"), ("return n", "n")])
def test_the_normal_form_keeps_all_else(old, new):
    assert normal(PLAIN.replace(old, new)) != normal(PLAIN)


def test_inner_functions_lose_their_docstrings_too():
    assert "Says" not in normal_form(function_node(documented))
    assert ast.get_docstring(function_node(documented)) == "Says something."
