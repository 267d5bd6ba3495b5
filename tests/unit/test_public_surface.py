import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import sparkws
from sparkws import labelmodels, stats
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


def test_models_are_fitted_in_a_notebook_by_public_names_alone():
    votes = [[0, 0, 0]] * 40 + [[1, 1, 1]] * 40 + [[0, 1, 1], [1, 0, 1], [1, 1, 0]] * 5
    L = np.array(votes, np.int8)
    patterns = sparkws.patterns_of_matrix(L, ["lf_a", "lf_b", "lf_c"], 2)
    both = labelmodels.moments_of(patterns)
    for model in (labelmodels.Triplet(2), labelmodels.PublishedTriplet(2), labelmodels.MatrixCompletion(2)):
        probs = model.fit(both.pairs, triples=both.triples).posterior(L)
        assert (probs.argmax(axis=1) == np.where(L.sum(axis=1) >= 2, 1, 0)).all()
    # The same in parts, with triples of one's own.
    chosen = stats.choose_triples(both.pairs.votes, np.random.default_rng(0))
    again = stats.moments_of_patterns(patterns, chosen)
    assert isinstance(again, stats.BothMoments)
    assert (type(again.pairs), type(again.triples)) == (stats.Moments, stats.Triples)
    assert again.triples.counts.tolist() == both.triples.counts.tolist()


@pytest.mark.parametrize("stage", [labelmodels, stats])
def test_a_stage_gives_the_names_that_it_lists(stage):
    assert sorted(stage.__all__) == stage.__all__
    for name in stage.__all__:
        assert getattr(stage, name).__doc__, name


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
