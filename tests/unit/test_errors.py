import inspect
import pickle
import re

import pytest

from sparkws import errors

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]


def test_there_is_one_tree():
    assert all(issubclass(kind, errors.SparkwsError) for kind in KINDS)


def test_the_drawing_is_the_tree():
    drawn = {}
    above: list[str] = []
    for line in errors.__doc__.split("\n\n")[1].splitlines():
        branches, name = re.match(r"([│├└─ ]*)(\w+)", line).groups()
        depth = len(branches) // 4
        drawn[name] = above[depth - 1] if depth else "Exception"
        above[depth:] = [name]
    assert drawn == {kind.__name__: kind.__bases__[0].__name__ for kind in KINDS}


@pytest.mark.parametrize("kind", [errors.ConfigError, errors.DataError])
def test_an_error_of_an_argument_is_a_value_error(kind):
    for below in [kind, *kind.__subclasses__()]:
        assert issubclass(below, ValueError)


def test_a_missing_extra_is_an_import_error():
    assert issubclass(errors.MissingExtra, ImportError)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_the_way_from_a_worker(kind):
    assert kind.__doc__
    back = pickle.loads(pickle.dumps(kind("lf 'a' voted 7.")))
    assert type(back) is kind
    assert str(back) == "lf 'a' voted 7."
