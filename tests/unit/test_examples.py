"""The examples in docstrings, run. Modules of the engine need a session; their examples are the tests."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import sparkws

NEEDS_MORE = (
    "sparkws.engine",
    "sparkws.cli",
    "sparkws.opening",
    "sparkws.pipeline",
    "sparkws.runner",
    "sparkws.multitask",
    "sparkws.deploy",
)
MODULES = [
    found.name
    for found in pkgutil.walk_packages(sparkws.__path__, "sparkws.")
    if not found.name.startswith(NEEDS_MORE) and not found.name.endswith((".steps", "__main__"))
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name):
    assert doctest.testmod(import_module(name)).failed == 0
