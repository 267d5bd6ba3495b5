"""sparkws: program training data on Spark.

::

    items ─lfs─▶ votes ─stats─▶ counts ─labelmodels─▶ label model ─▶ soft labels

People write many noisy labeling functions (LFs) instead of labeling by hand. sparkws runs them over
Delta tables, estimates from exact counts how far to trust each one, and publishes probabilistic labels.

Names below load what they need when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sparkws.vocab import ABSTAIN, VERSION

if TYPE_CHECKING:
    from sparkws.config import ProjectConfig
    from sparkws.configfile import load_config, parse_config
    from sparkws.engine.session import open_session
    from sparkws.errors import SparkwsError
    from sparkws.explain import explain_item, explain_task
    from sparkws.labelmodels import DawidSkene, MajorityVote
    from sparkws.lfs import LFSet, labeling_function, preprocessor
    from sparkws.pipeline import run
    from sparkws.report.text import describe_run
    from sparkws.stats import lf_summary, patterns_of_matrix
    from sparkws.upkeep import clean

__version__ = VERSION

__all__ = [
    "ABSTAIN",
    "DawidSkene",
    "LFSet",
    "MajorityVote",
    "ProjectConfig",
    "SparkwsError",
    "__version__",
    "clean",
    "describe_run",
    "explain_item",
    "explain_task",
    "labeling_function",
    "lf_summary",
    "load_config",
    "open_session",
    "parse_config",
    "patterns_of_matrix",
    "preprocessor",
    "run",
]

_HOMES = {
    "DawidSkene": "sparkws.labelmodels",
    "LFSet": "sparkws.lfs",
    "MajorityVote": "sparkws.labelmodels",
    "ProjectConfig": "sparkws.config",
    "SparkwsError": "sparkws.errors",
    "clean": "sparkws.upkeep",
    "describe_run": "sparkws.report.text",
    "explain_item": "sparkws.explain",
    "explain_task": "sparkws.explain",
    "labeling_function": "sparkws.lfs",
    "lf_summary": "sparkws.stats",
    "load_config": "sparkws.configfile",
    "open_session": "sparkws.engine.session",
    "parse_config": "sparkws.configfile",
    "patterns_of_matrix": "sparkws.stats",
    "preprocessor": "sparkws.lfs",
    "run": "sparkws.pipeline",
}
_EXTRAS = {"pyspark": "spark", "delta": "spark"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'sparkws' has no attribute {name!r}")
    try:
        return getattr(import_module(home), name)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        from sparkws.errors import MissingExtra

        raise MissingExtra(
            f"sparkws.{name} needs {error.name!r}, which is not installed: pip install 'sparkws[{extra}]'."
        ) from None


def __dir__() -> list[str]:
    return sorted(__all__)
