import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import sparkws
from sparkws.errors import MissingExtra

ROOT = Path(__file__).parents[2]
# Lazy names import engines; the unit tier has no JVM, but pyspark itself may be imported.
pytest.importorskip("pyspark")


def test_all_is_what_the_module_gives():
    assert {*sparkws._HOMES, "ABSTAIN", "__version__"} == set(sparkws.__all__)
    assert len(set(sparkws.__all__)) == len(sparkws.__all__)
    for name in sparkws.__all__:
        assert getattr(sparkws, name) is not None


def test_every_public_name_says_what_it_is():
    for name in sparkws.__all__:
        value = getattr(sparkws, name)
        assert not callable(value) or value.__doc__, name


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'sparkws' has no attribute 'labeling_funktion'"):
        _ = sparkws.labeling_funktion


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert sparkws.__version__ == project["version"]


_BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
import sparkws
{then}
"""


def _run_without(blocked: tuple[str, ...], then: str) -> str:
    code = _BLOCKED.format(blocked=blocked, then=then)
    ran = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_package_is_imported_without_extras_and_votes():
    then = """
engines = ("clean", "explain_item", "explain_task", "open_session", "run")
for name in sparkws.__all__:
    if name not in engines:
        getattr(sparkws, name)
"""
    _run_without(("pyspark", "delta", "torch", "faiss", "horovod"), then)


def test_a_missing_extra_says_what_to_install():
    said = _run_without(
        ("pyspark", "delta"), "try: sparkws.open_session\nexcept Exception as e: print(type(e).__name__, e)"
    )
    assert said == (
        f"{MissingExtra.__name__} sparkws.open_session needs 'pyspark', which is not installed: "
        "pip install 'sparkws[spark]'.\n"
    )


def test_importing_the_package_is_light():
    heavy = ("pyspark", "polars", "numpy", "pydantic", "deltalake", "pandas", "scipy")
    said = _run_without((), f"print([name for name in {heavy!r} if name in sys.modules])")
    assert said == "[]\n"
